"""A slow call beside the event loop, in a thread that does not keep the process alive, and what
its error says in a line. It must not know what is called."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def first_line(error: BaseException) -> str:
    """What a model library's error says, in one line; its name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


async def in_daemon_thread(call: Callable[[], T], *, name: str) -> T:
    """What ``call`` returns or raises. Unlike with ``asyncio.to_thread``, whoever interrupts a
    ten-minute load is not made to wait for it."""
    result: Future[T] = Future()
    # Running from here on: cancelling the wait leaves the call, and its result, alone.
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(result)
