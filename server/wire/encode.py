"""What the encoders of all routes share: frames, usage, errors, folding. No async, no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import orjson

from server.errors import LonghandError
from server.events import Channel, Choice, Ended, Fragment, TokenLogprob, Usage

DONE: Final = b"data: [DONE]\n\n"

_LINE_ENDS = tuple((chr(code).encode(), b"\\u%04x" % code) for code in (0x0085, 0x2028, 0x2029))

ReasoningField = Literal["both", "reasoning", "reasoning_content"]


def frame(payload: bytes) -> bytes:
    """One event of one line of JSON (WHATWG HTML, section 9.2). No ``id:`` line: openai-python
    parses the empty event that a comment makes of it (DECISIONS.md)."""
    return b"data: " + one_line(payload) + b"\n\n"


def one_line(payload: bytes) -> bytes:
    """JSON whose text is one line for every reader: httpx's ``iter_lines`` (``str.splitlines``)
    takes U+0085, U+2028 and U+2029 for line ends and would cut the event there."""
    if payload.isascii():
        return payload
    for raw, escaped in _LINE_ENDS:
        payload = payload.replace(raw, escaped)
    return payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What the caller wants to see."""

    reasoning_field: ReasoningField = "both"
    show_reasoning: bool = True
    show_usage: bool = False
    show_logprobs: bool = False
    show_progress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What every chunk of one answer repeats. ``created`` is in seconds since 1970."""

    id: str
    model: str
    created: int

    def fields(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


class Encoder(Protocol):
    """Turns the events of one request into frames, or into one body."""

    def opening(self) -> bytes:
        """What goes out before the first text; may be empty."""
        ...

    def heartbeat(self, queue_position: int | None = None) -> bytes:
        """A chunk without text, for clients that count only data. ``queue_position``: where a
        request is that waits, 1 for the next."""
        ...

    def chunk(self, choice: Choice, position: int | None = None) -> bytes:
        """The frame of an event, or nothing. ``position``: where a kept draft is then."""
        ...

    def closing(self, usage: Usage) -> bytes:
        """The last frames of an answer that is complete."""
        ...

    def failed(self, error: LonghandError) -> bytes:
        """How a stream that has begun ends when it cannot go on."""
        ...

    def whole(self, choices: Sequence["Folded"], usage: Usage) -> bytes:
        """The answer in one body."""
        ...


@dataclass(slots=True)
class Folded:
    """One choice, put together from its events."""

    reasoning: list[str] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    ended: Ended | None = None

    def add(self, choice: Choice) -> None:
        match choice.event:
            case Fragment(channel=Channel.REASONING, text=text):
                self.reasoning.append(text)
            case Fragment(text=text, logprobs=logprobs):
                self.answer.append(text)
                self.logprobs.extend(logprobs)
            case Ended() as ended:
                self.ended = ended
            case _:
                pass

    @property
    def finish_reason(self) -> str | None:
        return None if self.ended is None else self.ended.finish_reason


def queued_comment(queue_position: int | None) -> bytes:
    """What a reader of the stream, not its client, sees of a request that waits."""
    return b"" if queue_position is None else b": queued, %d ahead\n\n" % (queue_position - 1)


def total(prompt_tokens: int, drafts: Sequence[Usage]) -> Usage:
    """Usage of a request: its prompts once, its drafts added up.

    Worked number: one prompt of 10 tokens, drafts of 5 and 7: 10 + 12 = 22 in all.
    """
    return Usage(
        prompt_tokens=prompt_tokens,
        cached_tokens=min(prompt_tokens, sum(u.cached_tokens for u in drafts)),
        reasoning_tokens=sum(u.reasoning_tokens for u in drafts),
        answer_tokens=sum(u.answer_tokens for u in drafts),
    )


def usage_object(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def error_object(error: LonghandError) -> dict[str, Any]:
    """OpenAI's error envelope."""
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "code": error.code,
        }
    }


def failure(error: LonghandError) -> bytes:
    """How a stream that has begun ends when it cannot go on: clients raise on ``error``."""
    return frame(orjson.dumps(error_object(error))) + DONE
