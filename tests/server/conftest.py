"""What the tests of the Responses API share: a strict reader of its events."""

import json
from collections.abc import Callable, Iterable
from typing import Any, get_args

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

# OpenAI's own classes, by the type of the event that each describes.
_CLASSES: dict[str, type[BaseModel]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in get_args(get_args(ResponseStreamEvent)[0])
}
# Ours, beside the schema's: the report, and whether it is stored, which OpenAI tells as well.
_BESIDE = {"writing", "store"}
_LIFECYCLE = {"response.created", "response.queued", "response.in_progress"}
_BEATS = _LIFECYCLE - {"response.created"}
_ENDS = {"response.completed", "response.incomplete", "response.failed"}
# In the published schema these are objects or strings where they are there at all, never null.
_NEVER_NULL = {"usage", "user"}


def _unknown(model: Any) -> set[str]:
    """Fields that OpenAI's classes do not know, at any depth."""
    if isinstance(model, list):
        return {name for each in model for name in _unknown(each)}
    if not isinstance(model, BaseModel):
        return set()
    inner = [getattr(model, name) for name in type(model).model_fields]
    return {*(model.model_extra or {}), *_unknown(inner)}


def _conforming_response(body: dict[str, Any]) -> Response:
    found = Response.model_validate(body, strict=True)
    assert _unknown(found) <= _BESIDE
    assert not [name for name in _NEVER_NULL if name in body and body[name] is None]
    return found


class _Reader:
    """Checks events one after the other, and puts the output together from them."""

    def __init__(self) -> None:
        self.number = -1
        self.items: list[dict[str, Any]] = []
        self.text: str | None = None
        self.last = ""

    def take(self, event: dict[str, Any]) -> Any:
        found = _CLASSES[event["type"]].model_validate(event, strict=True)
        assert _unknown(found) <= _BESIDE
        if event["type"] in _BEATS and self.last == event["type"]:
            assert event["sequence_number"] == self.number
        else:
            assert event["sequence_number"] == self.number + 1
        self.number = event["sequence_number"]
        assert self.last not in _ENDS
        if "response" in event:
            _conforming_response(event["response"])
        self._follow(event)
        self.last = event["type"]
        return found

    def _follow(self, event: dict[str, Any]) -> None:
        kind = event["type"].removeprefix("response.")
        if event["type"] in _LIFECYCLE:
            assert not self.items
            assert event["response"]["output"] == []
        elif event["type"] in _ENDS:
            assert self.text is None
            assert event["response"]["output"] == self.items
        elif kind == "output_item.added":
            assert (event["output_index"], self.text) == (len(self.items), None)
            self.items.append(event["item"])
        else:
            self._inside(kind, event)

    def _inside(self, kind: str, event: dict[str, Any]) -> None:
        item = self.items[-1]
        assert event["output_index"] == len(self.items) - 1
        if kind == "output_item.done":
            assert event["item"]["content"][0]["text"] == self.text
            assert event["item"]["id"] == item["id"]
            self.items[-1], self.text = event["item"], None
            return
        assert (event["item_id"], event["content_index"]) == (item["id"], 0)
        own = "reasoning_text" if item["type"] == "reasoning" else "output_text"
        if kind == "content_part.added":
            assert (event["part"]["type"], event["part"]["text"], self.text) == (own, "", None)
            self.text = ""
        elif kind == f"{own}.delta":
            assert event["delta"]
            self.text = (self.text or "") + event["delta"]
        elif kind == f"{own}.done":
            assert event["text"] == self.text
        else:
            assert (kind, event["part"]["text"]) == ("content_part.done", self.text)


@pytest.fixture
def conforming() -> Callable[[Iterable[dict[str, Any]]], list[Any]]:
    """Checks a whole stream against OpenAI's types and the order of events; gives it typed."""

    def check(events: Iterable[dict[str, Any]]) -> list[Any]:
        reader = _Reader()
        found = [reader.take(event) for event in events]
        assert reader.last in _ENDS
        return found

    return check


@pytest.fixture
def conforming_response() -> Callable[[dict[str, Any]], Response]:
    """Checks a response object against OpenAI's type."""
    return _conforming_response


@pytest.fixture
def parsed_frames() -> Callable[[bytes], list[dict[str, Any]]]:
    """The events of frames; each frame names its event as its data does."""

    def parse(frames: bytes) -> list[dict[str, Any]]:
        found = []
        for frame in frames.decode().split("\n\n")[:-1]:
            name, data = frame.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            found.append(event)
        return found

    return parse
