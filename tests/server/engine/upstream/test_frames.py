"""Bytes to payloads, split at every position."""

from itertools import chain

import pytest

from server.engine.upstream import frames
from server.engine.upstream.faults import Broken
from server.engine.upstream.frames import Events, Lines

STREAM = (
    "\N{BYTE ORDER MARK}: keep-alive\n\n"
    'data: {"text":"naïve 🌊"}\n\n'
    'data:{"a":1}\r\n\r\n'
    "event: x\nid: 7\nretry: 10\ndata: one\ndata: two\n\n"
    "data: three\r\rnothing: of ours\r\n\n"
    'error: {"code":500}\n\n'
    "data: [DONE]\n\n"
).encode()
PAYLOADS = [
    '{"text":"naïve 🌊"}'.encode(),
    b'{"a":1}',
    b"one\ntwo",
    b"three",
    b'{"error": {"code":500}}',
    b"[DONE]",
]


def read(reader: Lines, *parts: bytes) -> list[bytes]:
    return list(chain.from_iterable(reader.feed(part) for part in parts))


def test_events_are_the_same_wherever_their_bytes_are_split() -> None:
    assert read(Events(), STREAM) == PAYLOADS
    for at in range(len(STREAM) + 1):
        assert read(Events(), STREAM[:at], STREAM[at:]) == PAYLOADS, at


def test_events_that_come_byte_by_byte_are_whole() -> None:
    assert read(Events(), *(STREAM[at : at + 1] for at in range(len(STREAM)))) == PAYLOADS


def test_an_event_without_its_empty_line_is_none() -> None:
    assert read(Events(), b'data: {"a":1}\n') == []


def test_lines_are_the_same_wherever_their_bytes_are_split() -> None:
    stream = '{"a":"ü"}\n\n{"b":1}\r\n{"half"'.encode()
    for at in range(len(stream) + 1):
        assert read(Lines(), stream[:at], stream[at:]) == ['{"a":"ü"}'.encode(), b'{"b":1}'], at


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 200, b"data: " + b"x" * 200 + b"\n", b"data: 0123456789\n" * 20],
    ids=["no end", "an end too late", "many lines"],
)
def test_what_has_no_end_is_given_up(monkeypatch: pytest.MonkeyPatch, stream: bytes) -> None:
    monkeypatch.setattr(frames, "MAX_LINE_BYTES", 100)
    with pytest.raises(Broken, match="without an end"):
        read(Events(), *(stream[at : at + 7] for at in range(0, len(stream), 7)))
