"""The body of ``POST /v1/chat/completions`` and its translation to a brief. No engine, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from planner.brief import Brief, LengthControl, Message, Role
from server.contest import BestOf
from server.errors import BadRequest
from server.wire.fields import SharedFields, check_text, check_weights

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class TextPart(BaseModel):
    """A part of a message; only text is understood."""

    model_config = ConfigDict(strict=True)

    type: Literal["text"] = "text"
    text: str


class ChatMessage(BaseModel):
    """One message. The assistant's ``reasoning`` or ``reasoning_content`` may come back with it
    and is left out: the model plans each turn afresh."""

    model_config = ConfigDict(strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None
    name: str | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


# No text is as long; far beyond it a number is a mistake, and no budget.
_MOST_WORDS = 1_000_000
Words = int | list[int]


def _check_words(words: Any) -> None:
    """One sentence for whatever is wrong with a length.

    Raises:
        BadRequest: it is neither a number of words nor a range of two, low before high.
    """
    bounds = words if isinstance(words, list) else [words, words]
    whole = all(isinstance(each, int) and not isinstance(each, bool) for each in bounds)
    if words is None or (whole and len(bounds) == 2 and 1 <= bounds[0] <= bounds[1] <= _MOST_WORDS):
        return
    raise BadRequest(
        f"writing.words: a number of words or [low, high], from 1 to {_MOST_WORDS:,}, low first",
        param="writing.words",
    )


class Writing(BaseModel):
    """Longhand's own options. A key that is not known here is refused."""

    model_config = ConfigDict(strict=True)

    words: Words | None = Field(None, description="length of the answer: a number, or [low, high]")
    length_control: LengthControl | None = Field(None, description="how it is held to its length")
    loop_guard: bool | None = Field(None, description="whether repeating passages are repaired")
    reasoning_tokens: int | None = Field(None, ge=0, description="most tokens for thinking")
    best_of: int | None = Field(None, ge=1, description="drafts to write, the best to be shown")
    rewards: dict[str, float] | None = Field(None, description="weight of each reward, by name")
    prune: bool | None = Field(None, description="whether drafts that cannot win are stopped")
    progress: bool | None = Field(None, description="whether a stream tells how drafts get on")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        unknown = set(data) - set(cls.model_fields) if isinstance(data, dict) else set()
        if unknown:
            first, known = min(unknown), ", ".join(cls.model_fields)
            raise BadRequest(
                f"writing: there is no option {first!r}; known are: {known}",
                param=f"writing.{first}" if first.isidentifier() else "writing",
                code="unknown_parameter",
            )
        if isinstance(data, dict):
            _check_words(data.get("words"))
        return data

    def asked_words(self) -> int | tuple[int, int] | None:
        return (self.words[0], self.words[1]) if isinstance(self.words, list) else self.words


class ChatRequest(SharedFields):
    """OpenAI's chat request, vLLM's sampling fields, and ``writing``."""

    messages: list[ChatMessage]
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    metadata: dict[str, str] | None = None
    reasoning_effort: Effort | None = None
    include_reasoning: bool | None = None
    thinking_token_budget: int | None = Field(None, ge=-1)
    writing: Writing | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_no_text(cls, data: Any) -> Any:
        if isinstance(data, dict):
            _refuse_format(data)
            messages = data.get("messages")
            for at, message in enumerate(messages if isinstance(messages, list) else []):
                if isinstance(message, dict):
                    _check_message(message, f"messages[{at}]")
        return data

    def candidates(self, defaults: "Candidates") -> BestOf | None:
        """How many drafts to choose from, and how; None where there is nothing to choose: one
        draft, or nobody asked and all drafts would be shown.

        Raises:
            BadRequest: fewer than ``n``, or over the server's limit; weights that are no weights,
                whether there is a choice or not.
        """
        writing, n = self.writing or Writing(), self.n or 1
        asked = writing.best_of
        check_weights(writing.rewards, defaults.rewards)
        if asked is not None and asked < n:
            raise BadRequest(
                f"writing.best_of: {asked} drafts are too few to show {n} (n)",
                param="writing.best_of",
            )
        drafts = defaults.drafts if asked is None else asked
        if drafts > defaults.max_drafts:
            raise BadRequest(
                f"writing.best_of: {drafts} is over this server's limit of {defaults.max_drafts}",
                param="writing.best_of",
            )
        if drafts == 1 or (asked is None and drafts <= n):
            return None
        return BestOf(
            drafts=drafts,
            weights=defaults.weights if writing.rewards is None else writing.rewards,
            prune=writing.prune is not False,
            progress_s=defaults.progress_s if writing.progress else defaults.heartbeat_s,
        )

    @property
    def shows_reasoning(self) -> bool:
        return self.include_reasoning is not False

    @property
    def shows_progress(self) -> bool:
        return self.writing is not None and self.writing.progress is True

    def rivals(self) -> int | None:
        """How many likeliest tokens to report per token; None for no log-probabilities.

        Raises:
            BadRequest: ``top_logprobs`` without ``logprobs``.
        """
        if not self.logprobs:
            if self.top_logprobs:
                raise BadRequest("top_logprobs needs logprobs: true", param="top_logprobs")
            return None
        return self.top_logprobs or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What holds for best-of where a request says nothing. ``drafts`` 1: there is no choice.

    rewards: every reward there is, to be weighed.
    progress_s, heartbeat_s: how often a caller is told how the drafts get on, or that they do.
    """

    drafts: int
    max_drafts: int
    weights: Mapping[str, float]
    rewards: tuple[str, ...]
    progress_s: float
    heartbeat_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Efforts:
    """Tokens of thinking for each named effort; "xhigh" and "max" have no bound of their own."""

    minimal: int
    low: int
    medium: int
    high: int

    def tokens(self, effort: Effort | None) -> int | None:
        named: Mapping[str, int] = {
            "minimal": self.minimal,
            "low": self.low,
            "medium": self.medium,
            "high": self.high,
        }
        return named.get(effort or "")


def to_brief(body: ChatRequest, efforts: Efforts) -> Brief:
    """The request as values.

    Raises:
        BadRequest: no messages, a blank task, or a last message that is not the user's.
    """
    messages = tuple(Message(role=_ROLES[m.role], content=m.text()) for m in body.messages)
    for at, message in enumerate(messages):
        check_text(message.content, f"messages[{at}].content")
    if not messages:
        raise BadRequest("messages: at least one message is needed", param="messages")
    if messages[-1].role != "user":
        raise BadRequest(
            f"messages[{len(messages) - 1}].role: the last message must be the user's",
            param=f"messages[{len(messages) - 1}].role",
        )
    if not messages[-1].content.strip():
        raise BadRequest(
            f"messages[{len(messages) - 1}].content: the task is empty",
            param=f"messages[{len(messages) - 1}].content",
        )
    writing = body.writing or Writing()
    return Brief(
        messages=messages,
        thinking=body.reasoning_effort != "none",
        max_tokens=body.max_completion_tokens or body.max_tokens,
        reasoning_tokens=_reasoning_tokens(body, efforts),
        words=writing.asked_words(),
        length_control=writing.length_control,
        loop_guard=writing.loop_guard is not False,
    )


def _reasoning_tokens(body: ChatRequest, efforts: Efforts) -> int | None:
    """The closest wish wins: our own field, vLLM's, then the named effort."""
    if body.writing is not None and body.writing.reasoning_tokens is not None:
        return body.writing.reasoning_tokens
    if body.thinking_token_budget is not None and body.thinking_token_budget >= 0:
        return body.thinking_token_budget
    return efforts.tokens(body.reasoning_effort)


def _refuse_format(data: dict[str, Any]) -> None:
    asked = data.get("response_format")
    if isinstance(asked, dict) and asked.get("type") not in (None, "text"):
        raise BadRequest(
            "response_format: structured output is not offered; only {'type': 'text'}",
            param="response_format",
            code="unsupported_parameter",
        )
    modalities = data.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise BadRequest(
            "modalities: only ['text']", param="modalities", code="unsupported_parameter"
        )
    if data.get("tool_choice") not in (None, "none", "auto"):
        raise BadRequest(
            "tool_choice: Longhand calls no tools",
            param="tool_choice",
            code="unsupported_parameter",
        )


def _check_message(message: dict[str, Any], where: str) -> None:
    if message.get("role") in ("tool", "function") or message.get("tool_calls"):
        raise BadRequest(
            f"{where}.role: tool messages are not understood",
            param=f"{where}.role",
            code="unsupported_parameter",
        )
    parts = message.get("content")
    for at, part in enumerate(parts if isinstance(parts, list) else []):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text":
            raise BadRequest(
                f"{where}.content[{at}].type: only text parts are understood, not {kind!r}",
                param=f"{where}.content[{at}].type",
                code="unsupported_parameter",
            )
