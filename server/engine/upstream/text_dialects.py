"""How servers without token ids are asked to carry a text on, each in its own words. No I/O.

What a server cannot do is refused by the name of the field, never left out in silence.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from server.engine.base import Job, Sampling
from server.engine.upstream.chunks import Chunks
from server.engine.upstream.frames import Events, Lines
from server.engine.upstream.served import Kind
from server.engine.upstream.text_hearing import CompletionHearing, OllamaHearing, StopWatch
from server.errors import BadRequest

_DEFAULTS = {each.name: each.default for each in fields(Sampling) if each.default is not MISSING}
_OPENAI = {
    "temperature": "temperature",
    "top_p": "top_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "logit_bias": "logit_bias",
}
_LLAMA = {
    **_OPENAI,
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "ignore_eos": "ignore_eos",
}


def _by_id(bias: tuple[tuple[int, float], ...]) -> dict[str, float]:
    return {str(token_id): value for token_id, value in bias}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongue:
    """What one kind of server understands.

    names: a Sampling's fields by the server's own names. always: what it is told besides.
    written: how values are written that it wants in another form.
    """

    server: str
    names: Mapping[str, str]
    always: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def sampling(self, job: Job) -> dict[str, Any]:
        """The job's sampling in the server's words.

        Raises:
            BadRequest: it asks for something that the server has not.
        """
        if job.priority:
            raise _lacks(self.server, "priority")
        told = {}
        for name in (each.name for each in fields(Sampling)):
            value = getattr(job.sampling, name)
            if name in self.names:
                told[name] = value
            elif value != _DEFAULTS[name]:
                raise _lacks(self.server, name)
        return {
            self.names[name]: self.written[name](value) if name in self.written else value
            # None and nothing are the server's own defaults, and not always taken.
            for name, value in told.items()
            if value is not None and value != ()
        }


def _lacks(server: str, name: str) -> BadRequest:
    return BadRequest(f"{name}: {server} behind this gateway cannot do it", param=name)


# SGLang 0.5 entrypoints/openai/protocol.py, CompletionRequest; -1 is its "all tokens".
SGLANG = Tongue(
    server="SGLang",
    names={
        **_OPENAI,
        **{
            name: name
            for name in (
                "top_k",
                "min_p",
                "repetition_penalty",
                "stop_token_ids",
                "min_tokens",
                "ignore_eos",
            )
        },
    },
    always={"stream_options": {"include_usage": True, "continuous_usage_stats": True}},
    written={"top_k": lambda top_k: top_k or -1, "logit_bias": _by_id},
)
# llama.cpp tools/server/README.md; its penalties look at 64 tokens unless told otherwise.
LLAMACPP = Tongue(
    server="llama.cpp",
    names=_LLAMA,
    always={"stream_options": {"include_usage": True}, "repeat_last_n": -1, "cache_prompt": True},
    written={"logit_bias": lambda bias: [list(pair) for pair in bias]},
)
OPENAI = Tongue(
    server="the server",
    names=_OPENAI,
    always={"stream_options": {"include_usage": True}},
    written={"logit_bias": _by_id},
)
# ollama api/types.go, Options.
OLLAMA = Tongue(
    server="Ollama",
    names={name: told for name, told in _LLAMA.items() if name not in ("logit_bias", "ignore_eos")},
    always={"repeat_last_n": -1},
)
TONGUES = {Kind.SGLANG: SGLANG, Kind.LLAMACPP: LLAMACPP, Kind.OPENAI: OPENAI}


def whole_text(job: Job) -> str:
    """Prompt and writing as one text.

    Raises:
        BadRequest: the prompt came as token ids.
    """
    if job.prompt.num_tokens and not job.prompt.text:
        raise BadRequest(
            "prompt: the server behind this gateway takes a text, not token ids", param="prompt"
        )
    return job.prompt.text + job.written.text


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionDialect:
    """``/v1/completions`` with a text for a prompt."""

    tongue: Tongue
    model: str
    names: frozenset[str]
    path: str = "/v1/completions"
    content_type: str = "text/event-stream"

    def frames(self) -> Events:
        return Events()

    def body(self, job: Job) -> dict[str, Any]:
        return {
            "model": self.model,
            "prompt": whole_text(job),
            "max_tokens": job.max_tokens,
            "stream": True,
            **self.tongue.always,
            **self.tongue.sampling(job),
        }

    def hear(self, job: Job) -> CompletionHearing:
        return CompletionHearing(watch=StopWatch(job.stop), chunks=Chunks(names=self.names))


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaDialect:
    """Ollama's own ``/api/generate``: its ``/v1/completions`` puts every prompt through the
    model's chat template (ollama openai/openai.go, FromCompleteRequest); ``raw`` does not.

    window_tokens: Ollama would cut a prompt to 4,096 tokens without a word.
    """

    model: str
    names: frozenset[str]
    window_tokens: int
    path: str = "/api/generate"
    content_type: str = "application/x-ndjson"

    def frames(self) -> Lines:
        return Lines()

    def body(self, job: Job) -> dict[str, Any]:
        limits = {"num_predict": job.max_tokens, "num_ctx": self.window_tokens}
        return {
            "model": self.model,
            "prompt": whole_text(job),
            "stream": True,
            "raw": True,
            # It would take the tags of a thinking off; they are the gateway's.
            "think": False,
            "truncate": False,
            "shift": False,
            "options": {**OLLAMA.always, **OLLAMA.sampling(job), **limits},
        }

    def hear(self, job: Job) -> OllamaHearing:
        return OllamaHearing(watch=StopWatch(job.stop), names=self.names)
