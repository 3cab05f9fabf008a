"""How tasks are ended. It must not know what they do."""

import asyncio
from typing import Any


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and waits for it; what they had to say is no longer of interest."""
    for task in tasks:
        task.cancel()
    if tasks:
        for task in (await asyncio.wait(tasks))[0]:
            if not task.cancelled():
                task.exception()
