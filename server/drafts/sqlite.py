"""Drafts in one SQLite file that one gateway writes, in a thread of its own. No SQL here."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TypeVar

from server.drafts.followers import Followers, Line, told
from server.drafts.packing import small
from server.drafts.sqlite_drafts import SqliteDrafts
from server.drafts.store import Entry, Record, State
from server.errors import StoreUnavailable

T = TypeVar("T")


class SqliteStore:
    """A ``Store`` in the file at ``path``. Texts lie there compressed, not encrypted.

    full_sync: commits survive a power cut, at a write to the disk each; otherwise they survive
    the end of the process alone. Leases have no time here: who holds a draft lives in this process.
    """

    def __init__(self, path: Path, *, full_sync: bool = False) -> None:
        self._path = path
        self._full_sync = full_sync
        self._drafts: SqliteDrafts | None = None

    async def open(self) -> None:
        followers = Followers(asyncio.get_running_loop().call_soon_threadsafe)
        make = partial(SqliteDrafts, self._path, full_sync=self._full_sync, followers=followers)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="drafts")
        self._drafts = await self._in_thread(make)

    async def close(self) -> None:
        drafts, self._drafts = self._drafts, None
        if drafts is not None:
            await self._in_thread(drafts.close)
            self._thread.shutdown(wait=False)

    async def create(self, record: Record, holder: str, lease_s: float) -> Record:
        return await self._in_thread(partial(self._open().create, record, holder))

    async def append(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        return await self._in_thread(partial(self._open().append, entries))

    async def update(
        self, draft_id: str, *, state: State | None = None, meta: bytes | None = None
    ) -> None:
        await self._in_thread(partial(self._open().update, draft_id, state, meta))

    async def end(self, draft_id: str, *, state: State, meta: bytes, whole: bytes) -> None:
        # In another thread, so that no tick waits for it.
        compressed = await asyncio.to_thread(small, whole)
        await self._in_thread(partial(self._open().end, draft_id, state, meta, compressed))

    async def get(self, draft_id: str) -> Record | None:
        return await self._in_thread(partial(self._open().get, draft_id))

    async def list(
        self, owner: str, *, limit: int, before: str | None = None
    ) -> tuple[Record, ...]:
        return await self._in_thread(partial(self._open().list, owner, limit, before))

    async def entries(self, draft_id: str) -> tuple[bytes, ...]:
        return await self._in_thread(partial(self._open().entries, draft_id))

    async def whole(self, draft_id: str) -> bytes | None:
        return await self._in_thread(partial(self._open().whole, draft_id))

    async def delete(self, draft_id: str) -> bool:
        return await self._in_thread(partial(self._open().delete, draft_id))

    async def evict(self, *, now_s: float, max_bytes: int | None) -> int:
        num_evicted = 0
        # One call a slice: the ticks between them do not wait for all of it.
        while num := await self._in_thread(partial(self._open().evict, now_s, max_bytes)):
            num_evicted += num
        return num_evicted

    async def claim(
        self, holder: str, lease_s: float, limit: int, *, interrupted: bool = True
    ) -> tuple[Record, ...]:
        claim = partial(self._open().claim, holder, limit, interrupted=interrupted)
        return await self._in_thread(claim)

    async def take(self, draft_id: str, holder: str, lease_s: float) -> Record | None:
        return await self._in_thread(partial(self._open().take, draft_id, holder))

    async def renew(self, draft_ids: Sequence[str], holder: str, lease_s: float) -> tuple[str, ...]:
        return await self._in_thread(partial(self._open().renew, draft_ids, holder))

    async def follow(self, draft_id: str) -> AsyncGenerator[bytes, None]:
        line = Line()
        drafts = self._open()
        try:
            await self._in_thread(partial(drafts.follow, draft_id, line))
            async with aclosing(told(line)) as bodies:
                async for body in bodies:
                    yield body
        finally:
            if drafts is self._drafts:
                self._thread.submit(drafts.leave, draft_id, line)

    def _open(self) -> SqliteDrafts:
        if self._drafts is None:
            raise StoreUnavailable("the file of the drafts is not open")
        return self._drafts

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
