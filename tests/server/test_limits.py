"""Bodies by size."""

from typing import Any

import pytest
from starlette.exceptions import HTTPException

from server.limits import BodyLimit


async def body_through(
    limit: int, chunks: list[bytes], headers: list[tuple[bytes, bytes]], kind: str = "http"
) -> bytes:
    """What an application reads behind the limit."""
    read: list[bytes] = []
    waiting = iter(chunks)

    async def receive() -> Any:
        return {"type": "http.request", "body": next(waiting)}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in chunks:
            message = await receive()
            read.append(message["body"])

    await BodyLimit(app, max_bytes=limit)({"type": kind, "headers": headers}, receive, send)
    return b"".join(read)


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"10")], [(b"content-length", b"?")]])
async def test_a_body_of_the_limit_goes_through(headers: list[tuple[bytes, bytes]]) -> None:
    assert await body_through(10, [b"12345", b"67890"], headers) == b"1234567890"


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        ([b"12345", b"678901"], []),
        ([b"12345", b"678901"], [(b"content-length", b"5")]),
        ([b"1"], [(b"content-length", b"11")]),
    ],
)
async def test_a_body_over_the_limit_is_refused(
    chunks: list[bytes], headers: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(HTTPException) as caught:
        await body_through(10, chunks, headers)
    assert caught.value.status_code == 413
    assert "10 bytes" in caught.value.detail


async def test_what_is_no_http_request_is_left_alone() -> None:
    assert await body_through(1, [b"12345"], [], kind="lifespan") == b"12345"
