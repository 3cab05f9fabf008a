"""The event-stream response by itself: what it owns is ended and released on every way out."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from server.sse import DraftResponse

SCOPE: Any = {"type": "http", "method": "POST", "path": "/", "headers": []}


class Draft:
    """Frames, and whether they were closed and their place released."""

    def __init__(self) -> None:
        self.closed = False
        self.released = 0
        self.gate = asyncio.Event()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: 1\n\n"
            await self.gate.wait()
            yield b"data: 2\n\n"
        finally:
            self.closed = True

    def release(self) -> None:
        self.released += 1

    def response(self) -> DraftResponse:
        return DraftResponse(
            self.frames(), release=self.release, keep_alive_s=60.0, headers={"x-request-id": "r"}
        )


async def _never() -> Any:
    await asyncio.Event().wait()


async def _gone() -> Any:
    return {"type": "http.disconnect"}


async def test_frames_go_out_as_they_are_and_the_place_is_released_once() -> None:
    draft = Draft()
    draft.gate.set()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await draft.response()(SCOPE, _never, send)
    assert dict(sent[0]["headers"])[b"x-request-id"] == b"r"
    assert b"".join(m["body"] for m in sent[1:]) == b"data: 1\n\ndata: 2\n\n"
    assert (draft.closed, draft.released) == (True, 1)


async def test_a_client_that_is_gone_already_still_releases_the_place() -> None:
    draft = Draft()

    async def send(message: Any) -> None:
        await asyncio.Event().wait()

    await draft.response()(SCOPE, _gone, send)
    assert draft.released == 1


async def test_a_response_that_is_cancelled_while_sending_closes_its_frames_at_once() -> None:
    draft = Draft()
    sending = asyncio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sending.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(draft.response()(SCOPE, _never, send))
    async with asyncio.timeout(5):
        await sending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (draft.closed, draft.released) == (True, 1)


async def test_a_socket_that_fails_closes_the_frames_and_releases_the_place() -> None:
    draft = Draft()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("broken pipe")

    with pytest.raises(OSError, match="broken pipe"):
        await draft.response()(SCOPE, _never, send)
    assert (draft.closed, draft.released) == (True, 1)
