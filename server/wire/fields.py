"""Request fields that chat and completions share, and those that are refused. OpenAI and vLLM
names only; nothing behind this folder sees them."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rewards.weights import BadWeights, checked_weights
from server.engine.base import Sampling
from server.errors import BadRequest

_TOOLS = "Longhand writes text and calls no tools"
_FORMAT = "structured output is not offered: the model writes prose between its own tags"
_GUIDED = "vLLM dropped this field; structured output is not offered here either"

# Known fields that cannot be honoured, with what to say. A client that sends one expects its
# effect, so ignoring it would be a wrong answer.
REFUSED = {
    "tools": _TOOLS,
    "functions": _TOOLS,
    "function_call": _TOOLS,
    "audio": "Longhand writes text and makes no audio",
    "prediction": "predicted outputs are not offered",
    "web_search_options": "Longhand has no web search",
    "guided_json": _GUIDED,
    "guided_regex": _GUIDED,
    "guided_choice": _GUIDED,
    "guided_grammar": _GUIDED,
    "structured_outputs": _FORMAT,
    "best_of": "top-level best_of left the API (vLLM #13361); ask for several with n",
    "use_beam_search": "beam search is not offered; sampling is what the model was trained for",
    "prompt_logprobs": "log-probabilities of the prompt are not offered",
    "continue_final_message": "the last message must be the user's",
    "include_stop_str_in_output": "stop strings are never part of the text",
    "echo": "the prompt is not repeated in the answer",
    "suffix": "the model writes forward only and cannot fill a gap",
}


def _asks_nothing(name: str, value: object) -> bool:
    """Whether a refused field holds a value that has no effect anyway."""
    # Not ``in (..., False, 1)``: True equals 1 and 0 equals False.
    if value is None or value is False:
        return True
    if name == "best_of":
        return value == 1 and value is not True
    # Clients switch the search on with an empty object.
    return value in ("", "none", []) or (value == {} and name != "web_search_options")


def check_text(text: str, param: str) -> None:
    """JSON can hold half a surrogate pair (``"\\ud800"``); no tokenizer and no UTF-8 can.

    Raises:
        BadRequest: there is one in ``text``.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{param}: half a surrogate pair is no text", param=param) from None


def check_weights(weights: Mapping[str, float] | None, rewards: Collection[str]) -> None:
    """Weights of rewards are checked wherever they are sent, whether they will count or not.

    Raises:
        BadRequest: a reward that is not among ``rewards``, a weight below 0, or all of them 0.
    """
    try:
        checked_weights(weights, rewards)
    except BadWeights as error:
        field = f"writing.rewards.{error.field}" if error.field else "writing.rewards"
        raise BadRequest(f"{field}: {error}", param=field) from None


class StreamOptions(BaseModel):
    """OpenAI's ``stream_options``; keys we do not know ask for nothing we would not do."""

    model_config = ConfigDict(strict=True)

    include_usage: bool = False


class SharedFields(BaseModel):
    """What both generating routes take. Unknown fields are accepted, and counted by the route."""

    # Python's json reads Infinity, which is no JSON and no penalty either.
    model_config = ConfigDict(
        strict=True, extra="allow", protected_namespaces=(), allow_inf_nan=False
    )

    model: str | None = Field(None, description="the served model; by default the only one")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = Field(None, description="whether the draft is kept, see docs/drafts.md")
    n: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    stop: str | list[str] | None = Field(None, description="up to four strings")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    user: str | None = None
    top_k: int | None = Field(None, ge=-1, lt=2**31)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0)
    stop_token_ids: list[int] | None = None
    allowed_token_ids: list[int] | None = None
    bad_words: list[str] | None = None
    min_tokens: int | None = Field(None, ge=0, lt=2**31)
    ignore_eos: bool | None = None
    priority: int | None = Field(None, ge=-(2**31), lt=2**31)

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name, why in REFUSED.items():
                if not _asks_nothing(name, data.get(name)):
                    raise BadRequest(f"{name}: {why}", param=name, code="unsupported_parameter")
        return data

    @property
    def unknown(self) -> set[str]:
        return set(self.model_extra or ()) - set(REFUSED)

    @property
    def wants_stream(self) -> bool:
        return bool(self.stream)

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def stops(self) -> tuple[str, ...]:
        """The user's stop strings.

        Raises:
            BadRequest: more than four (OpenAI's limit), or an empty one.
        """
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if len(stops) > 4:
            raise BadRequest(f"stop: {len(stops)} strings; at most 4", param="stop")
        if not all(stops):
            raise BadRequest("stop: a stop string must not be empty", param="stop")
        check_text("".join(stops), "stop")
        return stops

    def drafts(self, max_n: int) -> int:
        """``n``.

        Raises:
            BadRequest: over the server's limit.
        """
        n = self.n or 1
        if n > max_n:
            raise BadRequest(f"n: {n} is over this server's limit of {max_n}", param="n")
        return n

    def sampling(self, *, temperature: float, top_p: float, logprobs: int | None) -> Sampling:
        """How to draw; the arguments are what holds where the request says nothing."""
        check_text("".join(self.bad_words or ()), "bad_words")
        return Sampling(
            temperature=temperature if self.temperature is None else self.temperature,
            top_p=top_p if self.top_p is None else self.top_p,
            top_k=max(0, self.top_k or 0),
            min_p=self.min_p or 0.0,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repetition_penalty=self.repetition_penalty or 1.0,
            seed=self.seed,
            logprobs=logprobs,
            logit_bias=tuple(_token_bias(self.logit_bias or {})),
            stop_token_ids=tuple(self.stop_token_ids or ()),
            allowed_token_ids=tuple(self.allowed_token_ids or ()),
            bad_words=tuple(self.bad_words or ()),
            min_tokens=self.min_tokens or 0,
            ignore_eos=bool(self.ignore_eos),
        )


def _token_bias(bias: dict[str, float]) -> list[tuple[int, float]]:
    try:
        return [(int(token_id), value) for token_id, value in bias.items()]
    except ValueError:
        raise BadRequest("logit_bias: keys are token ids", param="logit_bias") from None
