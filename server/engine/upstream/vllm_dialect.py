"""vLLM's ``/v1/completions`` with token ids both ways: what the engine in this process would say.

Fields and defaults: vLLM 0.32, vllm/entrypoints/openai/completion/protocol.py and serving.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from server.engine.base import End, Job, Text
from server.engine.tokenizer import Tokenizer
from server.engine.upstream.chunks import Chunk, Chunks
from server.engine.upstream.faults import Broken
from server.engine.upstream.frames import Events
from server.events import TokenLogprob

# A rival is told by its text alone.
_NO_ID = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmDialect:
    """Of a server that serves ``model``; it may call it by any of ``names``.

    tokenizer: with it, rivals of a token are asked for by their ids, and are exact. Without, by
    their texts; those of one text are one (the halves of characters have all the same).
    """

    model: str
    names: frozenset[str]
    tokenizer: Tokenizer | None = None
    path: str = "/v1/completions"
    content_type: str = "text/event-stream"

    def frames(self) -> Events:
        return Events()

    def body(self, job: Job) -> dict[str, Any]:
        """The job's ids as they are. What is not told would be taken from the checkpoint's
        generation_config.json, so all is told."""
        assert job.prompt.token_ids is not None and job.written.token_ids is not None
        return {
            "model": self.model,
            "prompt": [*job.prompt.token_ids, *job.written.token_ids],
            "max_tokens": job.max_tokens,
            "stop": job.stop,
            "stream": True,
            # A count in every chunk: a piece that was lost or came twice is seen before it is used.
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "return_token_ids": True,
            # Without this vLLM holds back as many characters as the longest stop has.
            "include_stop_str_in_output": True,
            **_sampling(job),
            **({"return_tokens_as_token_ids": True} if self._by_id(job) else {}),
        }

    def _by_id(self, job: Job) -> bool:
        return self.tokenizer is not None and job.sampling.logprobs is not None

    def hear(self, job: Job) -> "VllmHearing":
        return VllmHearing(
            chunks=Chunks(names=self.names),
            max_tokens=job.max_tokens,
            rivals=job.sampling.logprobs,
            tokenizer=self.tokenizer,
        )


def _sampling(job: Job) -> dict[str, Any]:
    s = job.sampling
    always = {
        "temperature": s.temperature,
        "top_p": s.top_p,
        "top_k": s.top_k,
        "min_p": s.min_p,
        "presence_penalty": s.presence_penalty,
        "frequency_penalty": s.frequency_penalty,
        "repetition_penalty": s.repetition_penalty,
    }
    # Left out where they say nothing: an older vLLM may not know them, or not take them empty.
    sometimes = {
        "seed": s.seed,
        "logprobs": s.logprobs,
        "logit_bias": {str(token_id): bias for token_id, bias in s.logit_bias} or None,
        "stop_token_ids": s.stop_token_ids or None,
        "allowed_token_ids": s.allowed_token_ids or None,
        "bad_words": s.bad_words or None,
        "min_tokens": min(s.min_tokens, job.max_tokens) or None,
        "ignore_eos": s.ignore_eos or None,
        "priority": job.priority or None,
    }
    return always | {name: value for name, value in sometimes.items() if value is not None}


@dataclass(slots=True, kw_only=True)
class VllmHearing:
    """One stream of a vLLM server, its tokens counted."""

    chunks: Chunks
    max_tokens: int
    rivals: int | None
    tokenizer: Tokenizer | None
    num_tokens: int = 0
    is_over: bool = field(default=False, init=False)
    _stop: str | None = None

    @property
    def end(self) -> End | None:
        reason = self.chunks.finish
        if reason is None:
            return None
        return End(
            reason=reason,
            stop=self._stop,
            cached_tokens=self.chunks.cached_tokens,
            end_token=reason == "stop" and self._stop is None,
        )

    def take(self, payload: bytes) -> list[Text]:
        chunk = self.chunks.take(payload)
        ids = _ids(chunk.choice) if chunk.choice else ()
        self.num_tokens += len(ids)
        if chunk.completion_tokens not in (None, self.num_tokens):
            raise Broken("lost a piece of its text, or sent one twice")
        if self.num_tokens > self.max_tokens:
            raise Broken("wrote more tokens than it was asked for")
        stop = chunk.choice.get("stop_reason")
        self._stop = stop if isinstance(stop, str) else self._stop
        if not chunk.text and not ids:
            return []
        return [Text(text=chunk.text, token_ids=ids, logprobs=self._logprobs(chunk, ids))]

    def _logprobs(self, chunk: Chunk, ids: tuple[int, ...]) -> tuple[TokenLogprob, ...]:
        told = chunk.choice.get("logprobs")
        if self.rivals is None or told is None:
            return ()
        try:
            columns = zip(
                ids, told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True
            )
            return tuple(self._logprob(*column, self.rivals) for column in columns)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Broken("sent log-probabilities that do not fit its tokens") from None

    def _logprob(
        self, token_id: int, token: str, logprob: float, ranked: Mapping[str, float], rivals: int
    ) -> TokenLogprob:
        """The token that was drawn may stand among its rivals as one more than asked for."""
        best = sorted({**ranked, token: logprob}.items(), key=lambda entry: -entry[1])[:rivals]
        return replace(
            self._one(token, token_id, logprob),
            top=tuple(
                self._one(told, token_id if told == token else _NO_ID, value)
                for told, value in best
            ),
        )

    def _one(self, told: str, token_id: int, logprob: float) -> TokenLogprob:
        """A token by its text, or by "token_id:97"."""
        if self.tokenizer is None:
            return TokenLogprob(token=told, token_id=token_id, logprob=float(logprob))
        known = int(told.removeprefix("token_id:"))
        return TokenLogprob(
            token=self.tokenizer.text_of(known), token_id=known, logprob=float(logprob)
        )


def _ids(choice: Mapping[str, Any]) -> tuple[int, ...]:
    ids = choice.get("token_ids")
    if not isinstance(ids, list) or not all(isinstance(token_id, int) for token_id in ids):
        raise Broken("tells no token ids, as vLLM 0.32 does")
    return tuple(ids)
