"""Drafts in this process's memory: they outlive their clients, not the gateway. No files here."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from server.drafts.followers import Followers, Line, told
from server.drafts.packing import plain, small
from server.drafts.store import Entry, Record, State, live_states, now_s
from server.errors import LeaseLost


@dataclass(slots=True, kw_only=True)
class _Draft:
    """``record`` without its request, which is kept compressed, as ``whole`` is."""

    record: Record
    request: bytes
    holder: str | None
    log: list[bytes] = field(default_factory=list)
    whole: bytes | None = None

    @property
    def size_bytes(self) -> int:
        return self.record.size_bytes + sum(map(len, self.log))

    def full(self) -> Record:
        return replace(self.record, request=plain(self.request))


class MemoryStore:
    """A ``Store`` that is gone with its process. Drafts are kept in the order of their making."""

    def __init__(self) -> None:
        self._drafts: dict[str, _Draft] = {}
        self._keys: dict[str, str] = {}
        self._followers = Followers(lambda tell, body: tell(body))

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def create(self, record: Record, holder: str, lease_s: float) -> Record:
        there = self._keys.get(record.idempotency or "", record.id)
        if there not in self._drafts:
            self._drafts[there] = _made(record, holder)
            if record.idempotency:
                self._keys[record.idempotency] = there
        return self._drafts[there].full()

    async def append(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        refused = []
        for entry in entries:
            draft = self._live(entry.draft_id)
            if draft is None or draft.holder is None:
                refused.append(entry.draft_id)
                continue
            draft.log.append(entry.body)
            self._followers.tell(entry.draft_id, entry.body)
        return tuple(dict.fromkeys(refused))

    async def update(
        self, draft_id: str, *, state: State | None = None, meta: bytes | None = None
    ) -> None:
        draft = self._drafts.get(draft_id)
        if draft is None:
            return
        if draft.record.state.over:
            state = None
        if state is State.INTERRUPTED:
            draft.holder = None
        draft.record = _changed(draft.record, state, meta)

    async def end(self, draft_id: str, *, state: State, meta: bytes, whole: bytes) -> None:
        compressed = await asyncio.to_thread(small, whole)
        draft = self._live(draft_id)
        if draft is None:
            raise LeaseLost(f"the draft {draft_id} is over or gone")
        record = _changed(draft.record, state, meta)
        draft.record = replace(record, size_bytes=record.size_bytes + len(compressed))
        draft.whole, draft.log, draft.holder = compressed, [], None
        self._followers.over(draft_id)

    async def get(self, draft_id: str) -> Record | None:
        draft = self._drafts.get(draft_id)
        return None if draft is None else draft.full()

    async def list(
        self, owner: str, *, limit: int, before: str | None = None
    ) -> tuple[Record, ...]:
        newest_first = [d.record for d in reversed(self._drafts.values())]
        if before is not None:
            ids = [record.id for record in newest_first]
            newest_first = newest_first[ids.index(before) + 1 :] if before in ids else []
        return tuple([record for record in newest_first if record.owner == owner][:limit])

    async def entries(self, draft_id: str) -> tuple[bytes, ...]:
        draft = self._drafts.get(draft_id)
        return tuple(draft.log) if draft else ()

    async def whole(self, draft_id: str) -> bytes | None:
        draft = self._drafts.get(draft_id)
        return plain(draft.whole) if draft and draft.whole is not None else None

    async def delete(self, draft_id: str) -> bool:
        draft = self._drafts.pop(draft_id, None)
        if draft and draft.record.idempotency:
            del self._keys[draft.record.idempotency]
        self._followers.over(draft_id)
        return draft is not None

    async def evict(self, *, now_s: float, max_bytes: int | None) -> int:
        gone = [d.record.id for d in self._drafts.values() if _expired(d, now_s)]
        for draft_id in gone:
            await self.delete(draft_id)
        if max_bytes is None:
            return len(gone)
        return len(gone) + await self._evict_by_size(max_bytes)

    async def _evict_by_size(self, max_bytes: int) -> int:
        excess_bytes = sum(d.size_bytes for d in self._drafts.values()) - max_bytes
        over = [d for d in self._drafts.values() if d.record.state.over]
        num_gone = 0
        for draft in sorted(over, key=lambda d: d.record.updated_s):
            if excess_bytes <= 0:
                break
            excess_bytes -= draft.size_bytes
            num_gone += await self.delete(draft.record.id)
        return num_gone

    async def claim(
        self, holder: str, lease_s: float, limit: int, *, interrupted: bool = True
    ) -> tuple[Record, ...]:
        free = [
            draft
            for draft in self._drafts.values()
            if draft.holder is None and draft.record.state in live_states(interrupted=interrupted)
        ][:limit]
        for draft in free:
            draft.holder = holder
        return tuple(draft.full() for draft in free)

    async def take(self, draft_id: str, holder: str, lease_s: float) -> Record | None:
        draft = self._live(draft_id)
        if draft is None:
            return None
        draft.holder = holder
        return draft.full()

    async def renew(self, draft_ids: Sequence[str], holder: str, lease_s: float) -> tuple[str, ...]:
        held = {id for id, draft in self._drafts.items() if draft.holder == holder}
        return tuple(draft_id for draft_id in draft_ids if draft_id in held)

    async def follow(self, draft_id: str) -> AsyncGenerator[bytes, None]:
        draft = self._live(draft_id)
        if draft is None:
            return
        line = Line()
        self._followers.join(draft_id, line, draft.log)
        try:
            async with aclosing(told(line)) as bodies:
                async for body in bodies:
                    yield body
        finally:
            self._followers.leave(draft_id, line)

    def _live(self, draft_id: str) -> _Draft | None:
        draft = self._drafts.get(draft_id)
        return None if draft is None or draft.record.state.over else draft


def _made(record: Record, holder: str) -> _Draft:
    request = small(record.request)
    size_bytes = len(request) + len(record.meta)
    return _Draft(
        record=replace(record, request=b"", size_bytes=size_bytes), request=request, holder=holder
    )


def _changed(record: Record, state: State | None, meta: bytes | None) -> Record:
    told_of = record.meta if meta is None else meta
    return replace(
        record,
        state=state or record.state,
        meta=told_of,
        updated_s=now_s(),
        size_bytes=record.size_bytes + len(told_of) - len(record.meta),
    )


def _expired(draft: _Draft, at_s: float) -> bool:
    record = draft.record
    left = record.state is State.INTERRUPTED and draft.holder is None
    past = record.expires_s is not None and record.expires_s <= at_s
    return past and (record.state.over or left)
