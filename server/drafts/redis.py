"""Drafts in a Redis that several gateways share. No Lua here, and nothing of what drafts say.

How safe a draft is, is Redis's own setting: with ``appendonly yes`` and ``appendfsync always``
what a reader saw survives a power cut; with ``everysec`` up to a second of it may be lost there,
which the gateway that writes the draft stores again if it lives; without, a restart of Redis
loses all drafts (redis.io/docs/latest/operate/oss_and_stack/management/persistence/).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from server.drafts import redis_scripts as scripts
from server.drafts.packing import plain, small
from server.drafts.redis_eviction import evict_beyond, evict_expired
from server.drafts.redis_link import Link, told
from server.drafts.redis_logs import RedisLogs
from server.drafts.redis_records import LISTED, fields, record
from server.drafts.store import Entry, Record, State, now_s
from server.errors import LeaseLost

logger = logging.getLogger(__name__)

_BLOCK_S = 5.0
_READ_AT_ONCE = 256


class RedisStore:
    """A ``Store`` at ``url``; gateways with the same ``prefix`` share their drafts."""

    def __init__(self, url: str, *, prefix: str = "longhand:") -> None:
        self._link = Link(url, prefix=prefix)
        # Reads that wait for what comes; each has a connection for as long.
        self._waiting = Link(url, prefix=prefix, wait_s=_BLOCK_S)
        self._logs = RedisLogs(self._link)

    async def open(self) -> None:
        with told():
            persistence = await self._link.client.info("persistence")
        if not persistence["aof_enabled"]:
            logger.warning("Redis keeps no append-only file: its restart loses drafts")

    async def close(self) -> None:
        await self._link.close()
        await self._waiting.close()

    async def create(self, record: Record, holder: str, lease_s: float) -> Record:
        request = small(record.request)
        made = replace(record, size_bytes=len(request) + len(record.meta))
        answer = await self._link.run(
            scripts.CREATE,
            made.id,
            made.idempotency or "",
            made.owner,
            "" if made.expires_s is None else repr(made.expires_s),
            made.size_bytes,
            holder,
            _ms(lease_s),
            *fields(made, request),
        )
        there: str = answer.decode()
        if there != made.id:
            return await self.get(there) or await self.create(record, holder, lease_s)
        self._logs.hold(made.id, holder, 0)
        return made

    async def append(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        return await self._logs.append(entries)

    async def update(
        self, draft_id: str, *, state: State | None = None, meta: bytes | None = None
    ) -> None:
        told_of = (0, b"") if meta is None else (1, meta)
        holder = self._logs.holder(draft_id)
        args = (draft_id, holder, state or "", *told_of, repr(now_s()))
        await self._link.run(scripts.UPDATE, *args)
        if state is State.INTERRUPTED:
            self._logs.release(draft_id)

    async def end(self, draft_id: str, *, state: State, meta: bytes, whole: bytes) -> None:
        compressed = await asyncio.to_thread(small, whole)
        holder = self._logs.holder(draft_id)
        args = (draft_id, holder, state, meta, repr(now_s()), compressed)
        ended = await self._link.run(scripts.END, *args)
        self._logs.release(draft_id)
        if not ended:
            raise LeaseLost(f"the draft {draft_id} is over, gone or another gateway's")

    async def get(self, draft_id: str) -> Record | None:
        with told():
            there = await self._link.client.hgetall(self._of("draft", draft_id))
        return record(there) if there else None

    async def list(
        self, owner: str, *, limit: int, before: str | None = None
    ) -> tuple[Record, ...]:
        owned = self._of("owner", owner)
        with told():
            highest = "+inf"
            if before is not None:
                number = await self._link.client.zscore(owned, before)
                highest = "-inf" if number is None else f"({number:.0f}"
            ids = await self._link.client.zrevrangebyscore(
                owned, highest, "-inf", start=0, num=limit
            )
            async with self._link.client.pipeline(transaction=False) as pipeline:
                for draft_id in ids:
                    pipeline.hmget(self._of("draft", draft_id.decode()), LISTED)
                rows = await pipeline.execute()
        named = [dict(zip(LISTED, row, strict=True)) for row in rows]
        return tuple(record(row) for row in named if row[b"id"] is not None)

    async def entries(self, draft_id: str) -> tuple[bytes, ...]:
        with told():
            if not await self._lives(draft_id):
                return ()
            log = await self._link.client.xrange(self._of("log", draft_id))
        return tuple(entry[b"b"] for _, entry in log if b"b" in entry)

    async def whole(self, draft_id: str) -> bytes | None:
        with told():
            body = await self._link.client.get(self._of("whole", draft_id))
        return None if body is None else plain(body)

    async def delete(self, draft_id: str) -> bool:
        self._logs.release(draft_id)
        return bool(await self._link.run(scripts.DELETE, draft_id))

    async def evict(self, *, now_s: float, max_bytes: int | None) -> int:
        num_evicted = await evict_expired(self._link, now_s)
        if max_bytes is None:
            return num_evicted
        return num_evicted + await evict_beyond(self._link, max_bytes)

    async def claim(
        self, holder: str, lease_s: float, limit: int, *, interrupted: bool = True
    ) -> tuple[Record, ...]:
        args = (holder, _ms(lease_s), limit, int(interrupted))
        told_of = await self._link.run(scripts.CLAIM, *args)
        claimed = []
        for draft_id, num_entries in zip(told_of[::2], told_of[1::2], strict=True):
            self._logs.hold(draft_id.decode(), holder, num_entries)
            claimed.append(await self.get(draft_id.decode()))
        return tuple(there for there in claimed if there is not None)

    async def take(self, draft_id: str, holder: str, lease_s: float) -> Record | None:
        num_entries = await self._link.run(scripts.TAKE, draft_id, holder, _ms(lease_s))
        if num_entries < 0:
            return None
        self._logs.hold(draft_id, holder, num_entries)
        return await self.get(draft_id)

    async def renew(self, draft_ids: Sequence[str], holder: str, lease_s: float) -> tuple[str, ...]:
        held = await self._link.run(scripts.RENEW, holder, _ms(lease_s), *draft_ids)
        return tuple(draft_id.decode() for draft_id in held)

    async def follow(self, draft_id: str) -> AsyncGenerator[bytes, None]:
        log, at, lives = self._of("log", draft_id), b"0", True
        read: Any = []
        while lives or read:
            with told():
                if not read:
                    lives = await self._lives(draft_id)
                block_ms = _ms(_BLOCK_S) if lives else None
                read = await self._waiting.client.xread(
                    {log: at}, count=_READ_AT_ONCE, block=block_ms
                )
            for id, entry in read[0][1] if read else ():
                if b"over" in entry:
                    return
                at = id
                yield entry[b"b"]

    def _of(self, kind: str, name: str) -> str:
        return self._link.key(f"{kind}:{name}")

    async def _lives(self, draft_id: str) -> bool:
        return await self._link.client.zscore(self._link.key("live"), draft_id) is not None


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
