"""A frugal streaming client: it must cost far less than the server that it measures."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_READ_BYTES = 65_536
_TAIL_BYTES = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One streamed answer: when its first text came, how many events, what usage said.

    Times in seconds from sending the request. ``num_reads`` is how often the socket had data.
    """

    first_s: float
    total_s: float
    num_events: int
    num_reads: int
    usage: Mapping[str, Any]

    @property
    def completion_tokens(self) -> int:
        return int(self.usage["completion_tokens"])


class Broken(Exception):
    """The stream ended without ``[DONE]`` or with an error."""


async def stream(
    url: str, body: Mapping[str, Any], *, leave_after_events: int | None = None
) -> Outcome | None:
    """Sends ``body`` with ``stream`` and ``include_usage`` and reads to the end.

    leave_after_events: hang up once that many events have come, and return None.

    Raises:
        Broken: the answer is no complete stream.
    """
    target = urlsplit(url)
    payload = json.dumps(
        {**body, "stream": True, "stream_options": {"include_usage": True}}
    ).encode()
    head = (
        f"POST {target.path} HTTP/1.1\r\nhost: {target.netloc}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n"
        "connection: close\r\n\r\n"
    )
    started = time.monotonic()
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    try:
        writer.write(head.encode() + payload)
        return await _read(reader, started, leave_after_events)
    finally:
        writer.close()


async def _read(
    reader: asyncio.StreamReader, started: float, leave_after_events: int | None
) -> Outcome | None:
    first_s, num_events, num_reads, tail = 0.0, 0, 0, b""
    while data := await reader.read(_READ_BYTES):
        num_reads += 1
        new_events = data.count(b"data: {")
        if not first_s and b'"content":"' in data or b'"text":"' in data:
            first_s = first_s or time.monotonic() - started
        num_events += new_events
        tail = (tail + data)[-_TAIL_BYTES:]
        if leave_after_events is not None and num_events >= leave_after_events:
            return None
    if b"[DONE]" not in tail or b'"error"' in tail:
        raise Broken(tail[-300:].decode("utf-8", "replace"))
    return Outcome(
        first_s=first_s,
        total_s=time.monotonic() - started,
        num_events=num_events,
        num_reads=num_reads,
        usage=_usage(tail),
    )


def _usage(tail: bytes) -> Mapping[str, Any]:
    """The usage object of the last chunk that has one; chunk borders of HTTP may fall inside."""
    text = tail.decode("utf-8", "replace")
    start = text.rindex('"usage":{') + len('"usage":')
    found, _ = json.JSONDecoder().raw_decode(text[start:])
    usage: Mapping[str, Any] = found
    return usage
