"""Work that goes to its end whoever waits for it no longer. It must not know what the work is."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Unbroken:
    """What a client that goes must not break off half way. tasks: those under way; the event loop
    alone would let them be collected."""

    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of ``work``; it goes on where the one who waits here is cancelled."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return await asyncio.shield(task)
