"""Many requests, so many at a time, with a progress bar; knows nothing of what is asked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import httpx
from rich.progress import Progress

_READ_S = 3_600.0
_Ask = TypeVar("_Ask")
_Answer = TypeVar("_Answer")


async def together(
    url: str,
    asks: Sequence[_Ask],
    send: Callable[[httpx.AsyncClient, _Ask], Awaitable[_Answer]],
    *,
    at_once: int,
    named: str,
) -> list[_Answer]:
    """Every ask's answer, in the order of the asks, ``at_once`` of them under way."""
    gate = asyncio.Semaphore(at_once)
    with Progress() as bar:
        task = bar.add_task(named, total=len(asks))
        async with httpx.AsyncClient(base_url=url, timeout=_READ_S) as client:

            async def one(ask: _Ask) -> _Answer:
                async with gate:
                    answer = await send(client, ask)
                bar.advance(task)
                return answer

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(ask)) for ask in asks]
    return [task.result() for task in tasks]
