"""How a draft is read: what is stored of it, and on as it is written, here or by another gateway.

It must not change a draft, nor know a wire format.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from server.drafts.entries import Kept, kept
from server.drafts.live import Live
from server.drafts.output import Output, Told
from server.drafts.report import endings_of, error_of, unpacked
from server.drafts.store import Record, State, Store
from server.errors import LonghandError
from server.events import Choice, Ended
from server.tasks import end

# How often a reader who is not to wait for an interrupted draft looks whether his is one.
_LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing has come for as long as the reader wanted to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """The last thing a reader is told: how the draft stands, the report on it, why it failed."""

    state: State
    meta: dict[str, Any] = field(default_factory=dict)
    error: LonghandError | None = None

    @property
    def ended(self) -> dict[int, Ended]:
        return endings_of(self.meta)


Reading = Told | Quiet | Over


async def read_live(live: Live, after: int, quiet_s: float | None) -> AsyncGenerator[Reading, None]:
    """A draft that this process writes. It ends without ``Over`` where another one takes it."""
    live.num_readers += 1
    try:
        cursor, num_progress = live.output.cursor(after), 0
        while True:
            told, cursor = live.output.read(cursor)
            for one in told:
                yield one
            if live.progress is not None and live.num_progress != num_progress:
                num_progress = live.num_progress
                if not live.output.position:
                    yield Told(choice=Choice(index=0, event=live.progress), position=0)
                continue
            if live.is_closed and not told:
                if not live.is_lost:
                    yield Over(state=live.state, meta=live.meta, error=live.error)
                return
            if not told and not await live.news(quiet_s):
                yield Quiet()
    finally:
        live.num_readers -= 1


async def output_of(store: Store, record: Record) -> Output:
    """All that was stored of what a draft showed."""
    if record.state.over:
        body = await store.whole(record.id)
        return kept([body] if body else []).output
    return kept(await store.entries(record.id)).output


async def read_over(store: Store, record: Record, after: int) -> AsyncGenerator[Reading, None]:
    """A draft to which nothing is added, as it stands in the store."""
    output = await output_of(store, record)
    for told in output.read(output.cursor(after))[0]:
        yield told
    meta = unpacked(record.meta)
    yield Over(state=record.state, meta=meta, error=error_of(meta))


async def read_elsewhere(
    store: Store, draft_id: str, after: int, quiet_s: float | None, *, marks: bool
) -> AsyncGenerator[Reading, None]:
    """A draft that another gateway writes, or will: its entries as they are stored. It ends when
    nothing more is added; the record says why.

    marks: whether interrupted drafts are left as they are, so that nobody waits for one.
    """
    found = Kept()
    cursor = found.output.cursor(after)
    wait_s = min(_LOOK_S, quiet_s or _LOOK_S) if marks else quiet_s
    async with aclosing(_waited(store.follow(draft_id), wait_s)) as bodies:
        async for body in bodies:
            if body is None:
                if marks and await _is_left(store, draft_id):
                    return
                if quiet_s is not None:
                    yield Quiet()
                continue
            found.take(body)
            told, cursor = found.output.read(cursor)
            for one in told:
                yield one


async def _is_left(store: Store, draft_id: str) -> bool:
    record = await store.get(draft_id)
    return record is not None and record.state is State.INTERRUPTED


async def _waited(
    bodies: AsyncGenerator[bytes, None], quiet_s: float | None
) -> AsyncGenerator[bytes | None, None]:
    """What comes, and None whenever nothing has for ``quiet_s`` seconds."""
    async with aclosing(bodies):
        while True:
            coming = asyncio.ensure_future(anext(bodies))
            try:
                while not (await asyncio.wait([coming], timeout=quiet_s))[0]:
                    yield None
                body = coming.result()
            except StopAsyncIteration:
                return
            finally:
                await end(coming)
            yield body
