"""Bodies by the time they take to come."""

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from server.edges.receiving import BodyTime


def through(app: Any, receive: Any, kind: str = "http", timeout_s: float = 0.01) -> Any:
    async def send(message: Any) -> None:
        raise AssertionError(message)

    return BodyTime(app, timeout_s=timeout_s)({"type": kind}, receive, send)


async def never() -> Any:
    await asyncio.Event().wait()


async def test_a_body_that_stops_coming_is_408() -> None:
    messages = iter([{"type": "http.request", "body": b"1", "more_body": True}])

    async def receive() -> Any:
        return next(messages, None) or await never()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    with pytest.raises(HTTPException) as caught:
        await through(app, receive)
    assert caught.value.status_code == 408
    assert caught.value.detail == "the body was not there after 0.01 s"


async def test_a_body_that_trickles_is_408_in_the_end() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"1", "more_body": True}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    with pytest.raises(HTTPException):
        await through(app, receive)


@pytest.mark.parametrize("kind", ["http", "lifespan"])
async def test_who_waits_for_the_client_to_go_waits_without_a_bound(kind: str) -> None:
    gone = asyncio.Event()
    messages = iter([{"type": "http.request", "body": b"1"}])

    async def receive() -> Any:
        message = next(messages, None)
        if message is None:
            await gone.wait()
        return message or {"type": "http.disconnect"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = asyncio.create_task(receive())
        # Longer than a body may take.
        assert not (await asyncio.wait([waiting], timeout=0.05))[0]
        gone.set()
        assert await waiting == {"type": "http.disconnect"}

    await through(app, receive, kind)
