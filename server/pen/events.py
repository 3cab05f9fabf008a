"""What servers say in a stream, as values: chunks of a chat, events of a draft. No I/O."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# vLLM and OpenRouter name it the first way, DeepSeek and SGLang the second; Longhand sends both.
_REASONING_FIELDS = ("reasoning", "reasoning_content")


class Channel(StrEnum):
    """Where a piece of text belongs."""

    REASONING = "reasoning"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """More text. ``position``: characters of all deltas up to the end of this one; None where the
    server keeps no draft."""

    channel: Channel
    text: str
    position: int | None = None
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of the drafts of a best-of request; ``score`` is None before it is judged."""

    index: int
    state: str
    words: int
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """How the candidates of a best-of request get on."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The draft is over. ``report`` is the server's ``writing`` object; plain servers have none."""

    state: str
    finish_reason: str | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error in place of more text."""

    message: str


Event = Delta | Standings | Ended | Fault

FINISHED, CANCELLED, FAILED = "finished", "cancelled", "failed"
# As an end: nobody carries the draft on unless he is asked to.
INTERRUPTED = "interrupted"
OVER = frozenset({FINISHED, CANCELLED, FAILED})


class Garbled(ValueError):
    """What came is neither a chunk nor an event."""


def of_chat(data: str) -> Iterator[Event]:
    """The events in one chunk of a streamed chat completion; "[DONE]" ends a draft by itself.

    Raises:
        Garbled: it is no JSON object.
    """
    if data.strip() == "[DONE]":
        yield Ended(state=FINISHED)
        return
    chunk = _object(data)
    if "error" in chunk:
        yield fault_of(chunk)
        return
    writing = _mapping(chunk.get("writing"))
    position = _number(writing.get("position"))
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        yield from _of_choice(_mapping(choice), position, writing)
    if "progress" in writing:
        yield _standings(writing["progress"])


def _of_choice(
    choice: Mapping[str, Any], position: int | None, writing: Mapping[str, Any]
) -> Iterator[Event]:
    index = _number(choice.get("index")) or 0
    delta = _mapping(choice.get("delta"))
    reasoning = next((t for name in _REASONING_FIELDS if (t := _text(delta.get(name)))), "")
    answer = _text(delta.get("content"))
    # The position is that of the chunk's end: with two channels in a chunk, the second one's.
    if reasoning:
        behind = None if position is None else position - len(answer)
        yield Delta(channel=Channel.REASONING, text=reasoning, position=behind, index=index)
    if answer or position is not None:
        yield Delta(channel=Channel.ANSWER, text=answer, position=position, index=index)
    reason = choice.get("finish_reason")
    if isinstance(reason, str) and index == 0:
        yield Ended(state=FINISHED, finish_reason=reason, report=writing)


def of_draft(kind: str, data: str) -> Iterator[Event]:
    """The events in one event of ``GET /v1/drafts/{id}/events``; unknown kinds say nothing.

    Raises:
        Garbled: it is no JSON object.
    """
    told = _object(data)
    match kind:
        case "delta":
            yield Delta(
                channel=_channel(told.get("channel")),
                text=_text(told.get("text")),
                position=_number(told.get("position")),
                index=_number(told.get("index")) or 0,
            )
        case "progress":
            yield _standings(told.get("progress"))
        case "error":
            yield fault_of(told)
        case "end":
            reason = told.get("finish_reason")
            yield Ended(
                state=_text(told.get("state")),
                finish_reason=reason if isinstance(reason, str) else None,
                report=_mapping(told.get("writing")),
            )
        case _:
            pass


def fault_of(told: Mapping[str, Any]) -> Fault:
    """OpenAI's error envelope, or what servers send in its place: vLLM's 401 is a bare string."""
    error = told.get("error", told)
    message = error if isinstance(error, str) else _text(_mapping(error).get("message"))
    return Fault(message=message or "the server gave no reason")


def _standings(told: Any) -> Standings:
    found = [_mapping(each) for each in told] if isinstance(told, list) else []
    return Standings(candidates=tuple(_candidate(each) for each in found))


def _candidate(told: Mapping[str, Any]) -> Candidate:
    score = told.get("score")
    return Candidate(
        index=_number(told.get("candidate")) or 0,
        state=_text(told.get("state")),
        words=_number(told.get("words")) or 0,
        score=score if isinstance(score, float) else None,
    )


def _channel(told: Any) -> Channel:
    return Channel.REASONING if told == Channel.REASONING else Channel.ANSWER


def _object(data: str) -> Mapping[str, Any]:
    try:
        told = json.loads(data)
    except ValueError:
        raise Garbled("an event is not JSON") from None
    if not isinstance(told, dict):
        raise Garbled("an event is not a JSON object")
    return told


def _mapping(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}


def _text(told: Any) -> str:
    return told if isinstance(told, str) else ""


def _number(told: Any) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) else None
