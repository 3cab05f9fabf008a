"""What a connection may take, on real sockets: a client that sends or reads as it likes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from server.engine.scripted import Say

BOUND_S = 15.0
STORY = (Say("<think>a</think><answer>Once"), Say(" upon a time.</answer>"))
# More than the sockets of both sides hold together: 24 MB in words of 1 MB.
LONG = tuple(Say(" " + "x" * 1_000_000) for _ in range(24))


class Line:
    """A client that sends bytes and reads them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, text: str) -> None:
        self._writer.write(text.replace("\n", "\r\n").encode())
        await self._writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the server ends the connection."""
        read = bytearray()
        async with asyncio.timeout(BOUND_S):
            while chunk := await self._reader.read(2**20):
                read += chunk
        return bytes(read)

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(BOUND_S):
            return await self._reader.readuntil(end)


@asynccontextmanager
async def line_to(desk: Any) -> AsyncIterator[Line]:
    with socket.socket() as plain:
        # As little as the system allows, so that who does not read is noticed soon.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setblocking(False)
        port = int(desk.host.url.rpartition(":")[2])
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=plain)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()


def post(path: str, body: dict[str, Any], *headers: str) -> str:
    text = orjson.dumps(body).decode()
    told = "".join(f"{header}\n" for header in headers)
    return (
        f"POST {path} HTTP/1.1\nhost: x\ncontent-type: application/json\n"
        f"content-length: {len(text)}\n{told}\n{text}"
    )


def error_of(answer: bytes) -> tuple[bytes, str]:
    """The status line and the code of an error."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], orjson.loads(body)["error"]["code"]


CUT = "longhand_connections_cut_total"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is over is closed soon, whether its client has gone or not."""
    monkeypatch.setattr("server.edges.connection._LINGER_S", 0.05)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("GET /version HTTP/1.1\nhost: x\n", b"HTTP/1.1 408 Request Timeout"),
        ("GET /vers", b"HTTP/1.1 408 Request Timeout"),
        ("GET /version HTTP/1.1\nx: " + "y" * 30_000, b"HTTP/1.1 408 Request Timeout"),
    ],
)
async def test_headers_that_stop_coming_are_408_and_the_end(
    served: Any, sent: str, status: bytes
) -> None:
    desk = await served(STORY, receive_timeout_s=0.05)
    async with line_to(desk) as line:
        await line.send(sent)
        assert error_of(await line.rest()) == (status, "slow_headers")
    assert desk.value(CUT, reason="slow_headers") == 1


async def test_a_connection_that_asks_nothing_is_closed_without_a_word(served: Any) -> None:
    desk = await served(STORY, receive_timeout_s=0.05)
    async with line_to(desk) as line:
        assert await line.rest() == b""
    assert desk.value(CUT, reason="slow_headers") is None


@pytest.mark.usefixtures("hurried")
async def test_blank_lines_between_requests_keep_no_connection(served: Any) -> None:
    desk = await served(STORY, receive_timeout_s=0.5)
    async with line_to(desk) as line:
        await line.send("GET /version HTTP/1.1\nhost: x\n\n")
        await line.until(b"}")
        await line.send("\n")
        await line.rest()


TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large"


@pytest.mark.parametrize(
    "sent",
    [
        "GET /version HTTP/1.1\n" + "".join(f"x-{n}: y\n" for n in range(21)) + "\n",
        "GET /version HTTP/1.1\nx: " + "y" * 2_000 + "\n\n",
        "GET /" + "y" * 2_000 + " HTTP/1.1\n\n",
        "POST /v1/plan HTTP/1.1\ncontent-length: 5\nx: " + "y" * 2_000 + "\n\nabcde",
    ],
)
async def test_too_many_headers_or_too_large_ones_are_431(served: Any, sent: str) -> None:
    desk = await served(STORY, max_headers=20, max_header_bytes=1024)
    async with line_to(desk) as line:
        await line.send(sent)
        answer = await line.until(b'"headers_too_large"}}')
        assert error_of(answer) == (TOO_LARGE, "headers_too_large")
        # Whatever is sent after that is read by nobody.
        await line.send("GET /version HTTP/1.1\nhost: x\n\n")
    assert desk.value(CUT, reason="headers_too_large") == 1
    assert desk.value("longhand_requests_total", route="/version", code="200") is None


async def test_a_header_without_an_end_is_431_though_it_is_never_whole(served: Any) -> None:
    desk = await served(STORY, max_header_bytes=1024)
    async with line_to(desk) as line:
        await line.send("GET /version HTTP/1.1\nx: y")
        await line.send("y" * 1_000)
        await line.send("y" * 1_000)
        answer = await line.until(b'"headers_too_large"}}')
    assert error_of(answer) == (TOO_LARGE, "headers_too_large")


async def test_headers_within_bounds_are_served_on_one_connection(served: Any) -> None:
    desk = await served(STORY, max_header_bytes=1024)
    async with line_to(desk) as line:
        for _ in range(3):
            await line.send("GET /version HTTP/1.1\nhost: x\nx: " + "y" * 900 + "\n\n")
            assert (await line.until(b"}")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("sent", ["", '{"messages"'])
async def test_a_body_that_stops_coming_is_408_and_the_end(served: Any, sent: str) -> None:
    desk = await served(STORY, receive_timeout_s=0.05)
    async with line_to(desk) as line:
        head = "content-type: application/json\ncontent-length: 100"
        await line.send(f"POST /v1/chat/completions HTTP/1.1\nhost: x\n{head}\n\n{sent}")
        answer = await line.rest()
    assert error_of(answer) == (b"HTTP/1.1 408 Request Timeout", "body_too_slow")
    assert b"connection: close" in answer
    assert b"x-request-id: " in answer
    assert desk.value("longhand_requests_refused_total", reason="body_too_slow") == 1


@pytest.mark.usefixtures("hurried")
async def test_a_body_that_nobody_wants_is_not_waited_for(served: Any) -> None:
    desk = await served(STORY)
    async with line_to(desk) as line:
        await line.send("GET /version HTTP/1.1\nhost: x\ncontent-length: 100\n\nabc")
        assert (await line.rest()).startswith(b"HTTP/1.1 200 OK")


async def test_a_body_that_comes_after_its_answer_leaves_the_connection(served: Any) -> None:
    desk = await served(STORY)
    async with line_to(desk) as line:
        await line.send("GET /version HTTP/1.1\nhost: x\ncontent-length: 3\n\n")
        await line.until(b"}")
        await line.send("abc")
        await line.send("GET /version HTTP/1.1\nhost: x\n\n")
        assert (await line.until(b"}")).startswith(b"HTTP/1.1 200 OK")


async def test_requests_that_come_together_are_answered_one_after_the_other(served: Any) -> None:
    desk = await served(STORY)
    async with line_to(desk) as line:
        await line.send("GET /version HTTP/1.1\nhost: x\n\n" * 2)
        for _ in range(2):
            assert (await line.until(b"}")).startswith(b"HTTP/1.1 200 OK")


async def test_a_reader_that_does_not_read_is_cut_and_its_place_is_free(
    served: Any, until: Any
) -> None:
    desk = await served(LONG, send_timeout_s=0.1)
    async with line_to(desk) as line:
        await line.send(
            post("/v1/completions", {"prompt": "Once", "max_tokens": 100, "stream": True})
        )
        await until(lambda: desk.value(CUT, reason="slow_reader") == 1)
        await until(lambda: desk.service.desk.admission.running == 0)
        await until(lambda: desk.engine.open_streams == 0)
    assert desk.value("longhand_disconnects_total", stage="answer") == 1


async def test_the_reader_of_a_kept_draft_may_lag_and_has_it_all_in_the_end(
    served: Any, until: Any
) -> None:
    desk = await served(LONG, send_timeout_s=0.02)
    async with line_to(desk) as line:
        await line.send(
            post(
                "/v1/completions",
                {"prompt": "Once", "max_tokens": 100, "stream": True, "store": True},
                "connection: close",
            )
        )
        # The draft ends though nobody reads it, and gives its place back.
        await until(lambda: desk.value("longhand_drafts_kept_total", state="finished") == 1)
        assert desk.service.desk.admission.running == 0
        told = await line.rest()
    assert told.count(b"x" * 1_000_000) == len(LONG)
    assert b"data: [DONE]" in told
    assert desk.value(CUT, reason="slow_reader") is None
