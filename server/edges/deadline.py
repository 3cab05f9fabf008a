"""A time by which something must have happened. It must not know what."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls what it was given once its time is up, unless it was stopped or started anew."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        return self._timer is not None

    def start(self, seconds: float, then: Callable[[], None]) -> None:
        self.stop()
        self._timer = self._loop.call_later(seconds, self._up, then)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _up(self, then: Callable[[], None]) -> None:
        self._timer = None
        then()
