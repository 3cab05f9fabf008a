"""A streamed completion in OpenAI's form, chunk by chunk, checked. It must not make pieces.

Anything that a correct server does not send is an error: it could be another's text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from server.engine.upstream.faults import WRONG_MODEL, Broken, WentOn, reported
from server.events import FinishReason

_FINISHED: tuple[FinishReason, ...] = ("stop", "length")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One event: new text, if any, and what else its choice and its usage tell."""

    text: str = ""
    choice: Mapping[str, Any] = field(default_factory=dict)
    completion_tokens: int | None = None
    cached_tokens: int | None = None


@dataclass(slots=True, kw_only=True)
class Chunks:
    """What the chunks of one stream have in common, and how it ended.

    names: what the model may be called. finish: None until the text is over.
    """

    names: frozenset[str]
    finish: FinishReason | None = None
    cached_tokens: int = 0
    is_writing: bool = False
    _id: Any = None

    def take(self, payload: bytes) -> Chunk:
        """Reads one event.

        Raises:
            Broken: it is no such chunk, of another model, of another stream, or says an error.
            LonghandError: an error before the first text that is the request's own.
        """
        told = parsed(payload)
        if told.get("error") is not None or told.get("object") == "error":
            raise reported(told, writing=self.is_writing)
        check_model(told.get("model"), self.names)
        if self._id is None:
            self._id = told.get("id")
        elif told.get("id") != self._id:
            raise Broken("sent a piece of another stream")
        choice = _choice(told.get("choices"))
        chunk = _chunk(choice, told.get("usage"))
        if self.finish is not None and (chunk.text or choice.get("token_ids")):
            raise WentOn("went on behind the end of its text")
        if (reason := choice.get("finish_reason")) is not None:
            self.finish = finish_of(reason)
        self.is_writing = self.is_writing or bool(chunk.text)
        if chunk.cached_tokens is not None:
            self.cached_tokens = chunk.cached_tokens
        return chunk


def parsed(payload: bytes) -> dict[str, Any]:
    """An event as a JSON object; orjson takes no invalid UTF-8."""
    try:
        told = orjson.loads(payload)
    except ValueError:
        raise Broken("sent an event that is no JSON") from None
    if not isinstance(told, dict):
        raise Broken("sent an event that is no object")
    return told


def check_model(model: Any, names: frozenset[str]) -> None:
    """Text of another model than the one that was asked must not reach a draft."""
    if model not in names:
        raise Broken(
            f"answers as {str(model)[:100]!r} and was asked as {sorted(names)}", code=WRONG_MODEL
        )


def finish_of(reason: Any) -> FinishReason:
    """Stop or length; all else ("abort", "content_filter") is no end of a text."""
    for known in _FINISHED:
        if reason == known:
            return known
    raise Broken(f"ended its text for the reason {str(reason)[:40]!r}")


def _choice(choices: Any) -> Mapping[str, Any]:
    if choices == []:
        return {}
    if not isinstance(choices, list) or len(choices) > 1 or not isinstance(choices[0], dict):
        raise Broken("sent an event without its one choice")
    choice: dict[str, Any] = choices[0]
    if choice.get("index", 0) != 0:
        raise Broken("sent a choice that nobody asked for")
    return choice


def _chunk(choice: Mapping[str, Any], usage: Any) -> Chunk:
    text = choice.get("text", "")
    if not isinstance(text, str):
        raise Broken("sent a text that is none")
    if not isinstance(usage, dict):
        return Chunk(text=text, choice=choice)
    details = usage.get("prompt_tokens_details")
    return Chunk(
        text=text,
        choice=choice,
        completion_tokens=count_of(usage.get("completion_tokens")),
        cached_tokens=count_of(details.get("cached_tokens")) if isinstance(details, dict) else None,
    )


def count_of(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
