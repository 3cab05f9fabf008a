"""A slow call beside the event loop."""

import asyncio
import threading

import pytest

from server.engine.daemon_thread import first_line, in_daemon_thread

_BOUND_S = 10.0


async def test_what_the_call_returns_or_raises_comes_back() -> None:
    def fail() -> None:
        raise KeyError("weights")

    assert await in_daemon_thread(lambda: 42, name="call") == 42
    with pytest.raises(KeyError, match="weights"):
        await in_daemon_thread(fail, name="call")


async def test_the_event_loop_goes_on_meanwhile_and_the_process_could_end() -> None:
    go_on = threading.Event()
    seen: list[bool] = []

    def call() -> None:
        seen.append(threading.current_thread().daemon)
        assert go_on.wait(_BOUND_S)

    async with asyncio.timeout(_BOUND_S):
        waiting = asyncio.create_task(in_daemon_thread(call, name="call"))
        await asyncio.sleep(0)
        assert not waiting.done()
        go_on.set()
        await waiting
    assert seen == [True]


async def test_who_stops_waiting_leaves_the_call_to_itself() -> None:
    go_on, over = threading.Event(), threading.Event()

    def call() -> str:
        assert go_on.wait(_BOUND_S)
        over.set()
        return "too late"

    waiting = asyncio.create_task(in_daemon_thread(call, name="call"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    assert await asyncio.to_thread(over.wait, _BOUND_S)


def test_an_errors_first_line_speaks_for_it_and_its_name_where_it_says_nothing() -> None:
    assert first_line(RuntimeError("\n no memory\nat step 3")) == "no memory"
    assert first_line(KeyError()) == "KeyError"
