"""What one gateway adds to the logs of its drafts in Redis. It must not know what entries say.

Each entry has its place in its draft's log. So one whose answer was lost can be sent again, and a
Redis that lost its last second (a power cut, a replica that took over) is noticed.
"""

import logging
import struct
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.drafts import redis_scripts as scripts
from server.drafts.redis_link import Link
from server.drafts.store import Entry

logger = logging.getLogger(__name__)

# Entries of a draft kept to store again what Redis lost: at 50 a second, five seconds of them.
_RECENT = 256
_SHORT = struct.Struct("<H")
_LONGS = struct.Struct("<II")


@dataclass(slots=True, kw_only=True)
class _Held:
    """A draft that this gateway writes: how many entries its log has, and the last of them."""

    holder: str
    num_entries: int
    recent: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=_RECENT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """An entry, who writes it and its place in its draft's log, from 1 on."""

    draft_id: str
    holder: str
    n: int
    body: bytes


class RedisLogs:
    """The logs of the drafts that this gateway holds."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._held: dict[str, _Held] = {}

    def hold(self, draft_id: str, holder: str, num_entries: int) -> None:
        """``num_entries``: how many the log has."""
        self._held[draft_id] = _Held(holder=holder, num_entries=num_entries)

    def release(self, draft_id: str) -> None:
        """Nothing is added to this one any more."""
        self._held.pop(draft_id, None)

    def holder(self, draft_id: str) -> str:
        """As whom we hold it, "" if we do not."""
        held = self._held.get(draft_id)
        return held.holder if held else ""

    async def append(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        """See ``Store.append``. Raises ``StoreUnavailable``."""
        writes = self._placed(entries)
        failed = await self._write(writes)
        if any(answer < 0 for answer in failed.values()):
            writes = self._lost(writes, failed) + writes
            failed = await self._write(writes)
        for number, write in enumerate(writes, 1):
            self._note(write, stored=number not in failed)
        return tuple(dict.fromkeys(e.draft_id for e in entries if e.draft_id not in self._held))

    def _placed(self, entries: Iterable[Entry]) -> list[Write]:
        """The entries of drafts that we hold, each with its place in its log."""
        ahead: dict[str, int] = {}
        writes = []
        for entry in entries:
            if (held := self._held.get(entry.draft_id)) is not None:
                n = ahead.get(entry.draft_id, held.num_entries) + 1
                ahead[entry.draft_id] = n
                writes.append(
                    Write(draft_id=entry.draft_id, holder=held.holder, n=n, body=entry.body)
                )
        return writes

    def _lost(self, writes: Sequence[Write], failed: Mapping[int, int]) -> list[Write]:
        """What stood before these writes and is not there any more, as far as we know it."""
        kept = {writes[i - 1].draft_id: -1 - answer for i, answer in failed.items() if answer < 0}
        logger.warning("Redis lost the last entries of %d drafts; they are sent again", len(kept))
        return [
            Write(draft_id=draft_id, holder=held.holder, n=n, body=body)
            for draft_id, num_kept in kept.items()
            for held in [self._held[draft_id]]
            for n, body in held.recent
            if n > num_kept
        ]

    async def _write(self, writes: Sequence[Write]) -> dict[int, int]:
        """By number, from 1 on, why a write was not stored; see ``redis_scripts.APPEND``."""
        if not writes:
            return {}
        told = await self._link.run(scripts.APPEND, packed(writes))
        return dict(zip(told[::2], told[1::2], strict=True))

    def _note(self, write: Write, *, stored: bool) -> None:
        held = self._held.get(write.draft_id)
        if not stored:
            self.release(write.draft_id)
        elif held is not None and write.n > held.num_entries:
            held.num_entries = write.n
            held.recent.append((write.n, write.body))


def packed(writes: Iterable[Write]) -> bytes:
    """Writes as ``redis_scripts.APPEND`` reads them.

    Of ``Write(draft_id="d", holder="us", n=3, body=b"ab")`` it makes
    ``b"\\1\\0d" b"\\2\\0us" b"\\3\\0\\0\\0" b"\\2\\0\\0\\0ab"``.
    """
    parts: list[bytes] = []
    for write in writes:
        draft_id, holder = write.draft_id.encode(), write.holder.encode()
        parts += (
            _SHORT.pack(len(draft_id)),
            draft_id,
            _SHORT.pack(len(holder)),
            holder,
            _LONGS.pack(write.n, len(write.body)),
            write.body,
        )
    return b"".join(parts)
