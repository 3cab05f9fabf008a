"""Calls to a model behind HTTP: limits, bounded retries, and what an error says."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from rewards.quality.endpoint import Caller, Endpoint, EndpointFailed


def replies(*codes: int, **headers: str) -> Callable[[str, Any], httpx.Response]:
    left = list(codes)

    def answer(_route: str, _body: Any) -> httpx.Response:
        code = left.pop(0)
        return httpx.Response(code, json={"code": code}, headers=headers)

    return answer


async def test_a_reply_comes_back_as_json_and_the_key_goes_along(play: Any) -> None:
    played = play(replies(200), key="secret")
    assert await played.caller.post("/classify", {"a": 1}) == {"code": 200}
    assert played.asked == [("/v1/classify", {"a": 1})]
    assert played.headers[0]["authorization"] == "Bearer secret"


async def test_no_key_sends_no_header(play: Any) -> None:
    played = play(replies(200))
    await played.caller.post("/classify", {})
    assert "authorization" not in played.headers[0]


async def test_an_error_that_may_pass_is_tried_again_after_longer_and_longer_waits(
    play: Any,
) -> None:
    played = play(replies(503, 429, 200))
    assert await played.caller.post("/classify", {}) == {"code": 200}
    assert played.waits == [0.25, 0.5]


async def test_the_server_says_how_long_to_wait_up_to_a_bound(play: Any) -> None:
    played = play(replies(429, 429, 200, **{"retry-after": "3"}))
    await played.caller.post("/classify", {})
    assert played.waits == [3.0, 3.0]
    patient = play(replies(429, 200, **{"retry-after": "3600"}))
    await patient.caller.post("/classify", {})
    assert patient.waits == [8.0]


async def test_tries_are_bounded(play: Any) -> None:
    played = play(replies(500, 500, 500, 500), retries=2)
    with pytest.raises(EndpointFailed, match="HTTP 500"):
        await played.caller.post("/classify", {})
    assert len(played.asked) == 3


async def test_an_error_that_will_not_pass_is_not_tried_again(play: Any) -> None:
    played = play(replies(404, 200))
    with pytest.raises(EndpointFailed, match="HTTP 404"):
        await played.caller.post("/classify", {})
    assert len(played.asked) == 1


async def test_no_json_is_a_failure(play: Any) -> None:
    played = play(lambda _route, _body: httpx.Response(200, text="<html>"))
    with pytest.raises(EndpointFailed, match="no JSON"):
        await played.caller.post("/classify", {})


async def test_no_connection_is_tried_again_and_then_a_failure(play: Any) -> None:
    def refuse(_route: str, _body: Any) -> httpx.Response:
        raise httpx.ConnectError("refused")

    played = play(refuse, retries=1)
    with pytest.raises(EndpointFailed, match="ConnectError"):
        await played.caller.post("/classify", {})
    assert len(played.asked) == 2


async def test_a_reply_that_never_comes_is_given_up() -> None:
    async def hang(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    client = httpx.AsyncClient(transport=httpx.MockTransport(hang))
    caller = Caller(Endpoint(url="http://judge", timeout_s=0.01, retries=0), client)
    async with asyncio.timeout(5):
        with pytest.raises(EndpointFailed, match="no reply within 0.01 s"):
            await caller.post("/classify", {})
    await caller.aclose()
    assert client.is_closed


async def test_calls_at_a_time_are_bounded() -> None:
    under_way, most, gate = 0, 0, asyncio.Event()

    async def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 2:
            gate.set()
        await gate.wait()
        under_way -= 1
        return httpx.Response(200, json={})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    caller = Caller(Endpoint(url="http://judge", connections=2), client)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(caller.post("/classify", {}))
    assert most == 2


async def test_a_caller_makes_its_own_client() -> None:
    caller = Caller(Endpoint(url="https://judge", retries=0, timeout_s=5))
    await caller.aclose()


def test_an_endpoint_never_shows_its_key() -> None:
    assert "secret" not in repr(Endpoint(url="http://judge", key="secret"))


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "judge:8000"},
        {"url": "http://judge", "timeout_s": 0},
        {"url": "http://judge", "retries": -1},
        {"url": "http://judge", "connections": 0},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Endpoint(**settings)
