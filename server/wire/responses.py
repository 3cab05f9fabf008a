"""The body of ``POST /v1/responses`` and its translation to a brief. No engine, no I/O.

Names and limits are those of OpenAI's published schema (github.com/openai/openai-openapi, 2.3.0);
vLLM's sampling fields and ``writing`` are taken as in a chat.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from planner.brief import Brief, Message
from server.contest import BestOf
from server.errors import BadRequest
from server.wire.chat import (
    Candidates,
    ChatMessage,
    ChatRequest,
    Effort,
    Efforts,
    Writing,
    to_brief,
)
from server.wire.fields import REFUSED as REFUSED_ELSEWHERE
from server.wire.fields import SharedFields, check_text
from server.wire.response_input import Turn, check_task

# https://platform.openai.com/docs/api-reference/responses/create, `metadata`.
_MOST_KEYS, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512
LOGPROBS: Final = "message.output_text.logprobs"

# Known fields that cannot be honoured, as in ``fields.REFUSED``; most of that list holds here too.
REFUSED: Final = {
    **{name: why for name, why in REFUSED_ELSEWHERE.items() if name != "store"},
    "conversation": "conversations are not kept; send previous_response_id",
    "prompt": "there are no stored prompts here; send input",
    "context_management": "contexts are not compacted; truncation: auto leaves out what is oldest",
    "moderation": "nothing is moderated here",
    "messages": "this route takes its conversation as input",
    "n": "a response has one answer; writing.best_of chooses among several drafts",
    "max_tokens": "the field of this route is max_output_tokens",
    "max_completion_tokens": "the field of this route is max_output_tokens",
    "reasoning_effort": "the field of this route is reasoning.effort",
    "response_format": "the field of this route is text.format, and only plain text is offered",
    "logprobs": f"the field of this route is include: [{LOGPROBS!r}]",
}

# Fields that ask for nothing which a client could miss: hints for a cache or a bill that are not
# ours, and bounds on tools that are never called.
_WITHOUT_EFFECT: Final = (
    "max_tool_calls", "parallel_tool_calls", "prompt_cache_retention", "prompt_cache_options",
)  # fmt: skip


class Reasoning(BaseModel):
    """``reasoning``. The thinking is given as it is, so that there is no summary of it."""

    model_config = ConfigDict(strict=True)

    effort: Effort | None = None
    summary: str | None = None


class ResponsesRequest(SharedFields):
    """OpenAI's request of the Responses API, vLLM's sampling fields, and ``writing``.

    ``input`` is read by ``response_input``, which names the item that is wrong.
    """

    input: str | list[Any]
    instructions: str | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = Field(None, min_length=1)
    max_output_tokens: int | None = Field(None, ge=1)
    reasoning: Reasoning | None = None
    metadata: dict[str, str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = Field(None, max_length=64)
    prompt_cache_key: str | None = None
    include: list[str] | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    writing: Writing | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name, why in REFUSED.items():
                if not _asks_nothing(name, data.get(name)):
                    raise _unsupported(name, why)
            _refuse_inside(data)
            _check_metadata(data.get("metadata"))
        return data

    @property
    def unknown(self) -> set[str]:
        known = {*REFUSED, *_WITHOUT_EFFECT, "text", "tool_choice", "modalities"}
        return set(self.model_extra or ()) - known

    @property
    def keeps(self) -> bool:
        """Whether the caller wants the response stored; OpenAI's default is that he does.

        Raises:
            BadRequest: in the background, and not stored.
        """
        if self.background and self.store is False:
            raise BadRequest("background needs store: true", param="background")
        return self.store is not False

    def rivals(self) -> int | None:
        """How many likeliest tokens to report per token; None for no log-probabilities.

        Raises:
            BadRequest: ``top_logprobs`` without the log-probabilities themselves.
        """
        if LOGPROBS not in (self.include or ()):
            if self.top_logprobs:
                raise BadRequest(
                    f"top_logprobs needs include: [{LOGPROBS!r}]", param="top_logprobs"
                )
            return None
        return self.top_logprobs or 0

    def candidates(self, defaults: Candidates) -> BestOf | None:
        """How many drafts to choose from, and how; see ``ChatRequest.candidates``."""
        return self._as_chat(()).candidates(defaults)

    def brief(self, turns: Sequence[Turn], efforts: Efforts) -> Brief:
        """The request as values, its conversation being ``turns`` after the instructions.

        Raises:
            BadRequest: there is nothing to answer.
        """
        check_task(turns)
        asked = to_brief(self._as_chat(turns[-1:]), efforts)
        said = [Turn(role="system", text=self.instructions)] if self.instructions else []
        check_text(self.instructions or "", "instructions")
        return replace(asked, messages=tuple(_message(turn) for turn in (*said, *turns)))

    def _as_chat(self, turns: Sequence[Turn]) -> ChatRequest:
        """What a chat shares with this request, so that it has one meaning."""
        return ChatRequest.model_construct(
            messages=[
                ChatMessage.model_construct(role=turn.role, content=turn.text) for turn in turns
            ],
            max_completion_tokens=self.max_output_tokens,
            reasoning_effort=self.reasoning.effort if self.reasoning else None,
            writing=self.writing,
        )


def shortened(brief: Brief, num_dropped: int) -> Brief:
    """The brief without the oldest turns, for ``truncation: auto``; what the system said stays."""
    first = num_leading(brief)
    kept = (*brief.messages[:first], *brief.messages[first + num_dropped :])
    return replace(brief, messages=kept)


def num_leading(brief: Brief) -> int:
    """How many messages of the system stand at the beginning."""
    roles = [message.role for message in brief.messages]
    return next((at for at, role in enumerate(roles) if role != "system"), len(roles))


def _message(turn: Turn) -> Message:
    return Message(role="system" if turn.role == "developer" else turn.role, content=turn.text)


def _unsupported(param: str, why: str) -> BadRequest:
    return BadRequest(f"{param}: {why}", param=param, code="unsupported_parameter")


def _asks_nothing(name: str, value: object) -> bool:
    """Whether a refused field holds a value that has no effect anyway."""
    # Not ``in (..., False, 1)``: True equals 1 and 0 equals False.
    if value is None or value is False:
        return True
    if name in ("n", "best_of"):
        return value == 1 and value is not True
    return value in ("", "none", [], {})


def _refuse_inside(data: dict[str, Any]) -> None:
    """Refuses what stands inside objects that are otherwise fine."""
    if data.get("tool_choice") not in (None, "none", "auto"):
        raise _unsupported("tool_choice", "Longhand calls no tools")
    if data.get("modalities") not in (None, ["text"]):
        raise _unsupported("modalities", "only ['text']")
    _refuse_text(data.get("text"))
    reasoning = data.get("reasoning")
    if isinstance(reasoning, dict) and reasoning.get("summary") not in (None, "auto"):
        raise _unsupported(
            "reasoning.summary", "the reasoning is given in full, and no summary of it is written"
        )
    options = data.get("stream_options")
    if isinstance(options, dict) and options.get("include_obfuscation"):
        raise _unsupported("stream_options.include_obfuscation", "deltas are sent as they are")


def _refuse_text(text: object) -> None:
    if text is None:
        return
    if not isinstance(text, dict):
        raise BadRequest("text: an object", param="text")
    form = text.get("format")
    if isinstance(form, dict) and form.get("type") not in (None, "text"):
        raise _unsupported("text.format", "structured output is not offered; only {'type': 'text'}")
    if text.get("verbosity") not in (None, "medium"):
        raise _unsupported("text.verbosity", "say how long it shall be with writing.words")


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict):
        return
    if len(metadata) > _MOST_KEYS:
        raise BadRequest(f"metadata: at most {_MOST_KEYS} keys", param="metadata")
    for key, value in metadata.items():
        if len(key) > _LONGEST_KEY:
            raise BadRequest(
                f"metadata: a key has at most {_LONGEST_KEY} characters", param="metadata"
            )
        if isinstance(value, str) and len(value) > _LONGEST_VALUE:
            raise BadRequest(
                f"metadata: a value has at most {_LONGEST_VALUE} characters", param="metadata"
            )
        check_text(f"{key}{value}", "metadata")
