"""A scripted peer: HTTP by hand on a socket, so that it can break off after any byte."""

import asyncio
import json
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

_BOUND_S = 10.0


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> Iterator[None]:
    """Ctrl-C as at a terminal: a suite that a shell started in the background, as CI may, has
    SIGINT ignored, and hands that on to all it starts (POSIX, sh, asynchronous lists)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


DRAFT = "draft_1"


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def after(self) -> int:
        return int(parse_qs(urlsplit(self.target).query)["after"][0])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """Bytes to send, of which ``cut`` go out; then the connection ends, with ``hold`` only
    when the client ends it. ``when`` is called as soon as they are out."""

    data: bytes
    cut: int | None = None
    hold: bool = False
    when: Callable[[], object] = lambda: None


def head(status: str = "200 OK", kind: str = "application/json", **headers: str) -> bytes:
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{named}connection: close\r\n".encode()


def whole(told: Any, status: str = "200 OK", **headers: str) -> Reply:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Reply(head(status, content_length=str(len(body)), **headers) + b"\r\n" + body)


def failing(status: str, message: str, param: str | None = None, **headers: str) -> Reply:
    return whole({"error": {"message": message, "param": param}}, status, **headers)


def streamed(body: bytes, *, chunked: bool = True, **headers: str) -> bytes:
    """A response whose end can be told from a cut (chunked), or not; "|" parts the chunks."""
    if not chunked:
        whole_body = body.replace(b"|", b"")
        return head(kind="text/event-stream", **headers) + b"\r\n" + whole_body
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in body.split(b"|") for part in [part] if part
    )
    start = head(kind="text/event-stream", transfer_encoding="chunked", **headers)
    return start + b"\r\n" + chunks + b"0\r\n\r\n"


Answer = Callable[[Seen], Reply | Awaitable[Reply]]


class Peer:
    """Answers every request by ``answer``, in a thread of its own; ``seen`` are the requests."""

    def __init__(self, answer: Answer) -> None:
        self.seen: list[Seen] = []
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self.url = starting.result(_BOUND_S)

    async def _start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            self.seen.append(request)
            made = self._answer(request)
            reply = made if isinstance(made, Reply) else await made
            writer.write(reply.data[: reply.cut])
            await writer.drain()
            reply.when()
            if reply.hold:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_BOUND_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_BOUND_S)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Seen:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)


@dataclass
class Longhand:
    """Answers as a Longhand that stores drafts and has written this one already, ``deltas`` of
    (channel, text); ``cuts`` are the bytes that each connection in turn may carry."""

    deltas: tuple[tuple[str, str], ...]
    cuts: list[int | None] = field(default_factory=list)
    chunked: bool = True
    state: str = "finished"
    finish_reason: str = "stop"
    report: dict[str, Any] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    models: Reply = field(
        default_factory=lambda: whole({"data": [{"id": "pocket", "owned_by": "longhand"}]})
    )
    other: Callable[[Seen], Reply] = lambda seen: failing("404 Not Found", "no such route")

    def __call__(self, seen: Seen) -> Reply:
        if seen.path == "/v1/models":
            return self.models
        if seen.path == "/v1/chat/completions":
            self.keys.add(seen.headers.get("idempotency-key", ""))
            return self._cut(streamed(self.chat(), chunked=self.chunked, longhand_draft_id=DRAFT))
        if seen.path == f"/v1/drafts/{DRAFT}/events":
            return self._cut(streamed(self.events(seen.after), chunked=self.chunked))
        return self.other(seen)

    def _cut(self, data: bytes) -> Reply:
        return Reply(data, cut=self.cuts.pop(0) if self.cuts else None)

    def text(self, channel: str) -> str:
        return "".join(text for named, text in self.deltas if named == channel)

    def chat(self) -> bytes:
        """The frames of the chat stream, "|" where a chunk of the transfer ends."""
        frames, position = [chunk({"role": "assistant", "content": ""}, 0)], 0
        for channel, text in self.deltas:
            position += len(text)
            name = "content" if channel == "answer" else "reasoning"
            frames.append(chunk({name: text}, position))
        frames.append(chunk({}, position, self.finish_reason, self.report))
        return b"|".join([*frames, b"data: [DONE]\n\n"])

    def events(self, after: int) -> bytes:
        frames, position = [], 0
        for channel, text in self.deltas:
            position += len(text)
            if position > after:
                rest = text[max(0, len(text) - (position - after)) :]
                told = {"index": 0, "channel": channel, "text": rest, "position": position}
                # A comment behind an event with an id is an empty event to many readers.
                frames.append(event("delta", told, position) + b": keep-alive\n\n")
        told = {"state": self.state, "finish_reason": self.finish_reason, "writing": self.report}
        return b"|".join([b": keep-alive\n\n", *frames, event("end", told)])


def chunk(
    delta: dict[str, str],
    position: int | None = None,
    finish_reason: str | None = None,
    writing: dict[str, Any] | None = None,
) -> bytes:
    told: dict[str, Any] = {"choices": [{"delta": delta}]}
    if finish_reason is not None:
        told["choices"][0]["finish_reason"] = finish_reason
    if position is not None:
        told["writing"] = {"position": position, **(writing or {})}
    return b"data: %s\n\n" % json.dumps(told, ensure_ascii=False).encode()


def event(kind: str, told: dict[str, Any], position: int | None = None) -> bytes:
    number = b"" if position is None else b"id: %d\n" % position
    data = json.dumps(told, ensure_ascii=False).encode()
    return number + b"event: %s\ndata: %s\n\n" % (kind.encode(), data)


@pytest.fixture
def peer() -> Iterator[Callable[[Answer], Peer]]:
    """Starts a peer that answers by a function or by a ``Longhand``."""
    with ExitStack() as stack:

        def start(answer: Answer) -> Peer:
            started = Peer(answer)
            stack.callback(started.close)
            return started

        yield start


@pytest.fixture
def scripted() -> Any:
    """The words in which peers are told what to do."""
    return _Words


class _Words:
    """This module's names, for tests that cannot import a conftest."""

    DRAFT = DRAFT
    Longhand = Longhand
    Reply = Reply
    chunk = staticmethod(chunk)
    event = staticmethod(event)
    failing = staticmethod(failing)
    head = staticmethod(head)
    streamed = staticmethod(streamed)
    whole = staticmethod(whole)


class Relay:
    """A port that stays while the server behind it changes; ``target`` is that one's URL."""

    def __init__(self) -> None:
        self.target = "http://127.0.0.1:9"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self.url = starting.result(_BOUND_S)

    async def _start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = None
        try:
            parts = urlsplit(self.target)
            back, there = await asyncio.open_connection(parts.hostname, parts.port)
            copies = [_copy(reader, there), _copy(back, writer)]
            tasks = [asyncio.ensure_future(copy) for copy in copies]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        except OSError:
            pass
        finally:
            for each in (writer, there):
                if each is not None:
                    each.close()

    close = Peer.close
    _stop = Peer._stop


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@pytest.fixture
def relay() -> Iterator[Relay]:
    started = Relay()
    yield started
    started.close()
