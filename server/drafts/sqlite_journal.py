"""What ticks added to the live drafts of a SQLite file, one row a tick. It must not open files.

A row is shared by all drafts of its tick, so it can go only when the last of them is over. Where a
long draft holds back too much, the oldest rows are folded: what is still wanted of them is written
once more, by draft, and they go. (So does a log-structured merge tree: O'Neil et al. 1996.)
"""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from server.drafts.packing import framed, unframed

# At 200 streams of 50 tokens/s and 10 bytes a token the journal grows by 100 kB/s: five minutes.
FOLD_OVER_BYTES = 32 * 2**20
# Read and written at once, between two ticks: about 4 ms.
FOLD_BYTES = 2**20
_NEXT = "SELECT COALESCE(MAX(tick), 0) + 1 FROM journal"
_SIZE = "SELECT COALESCE(SUM(LENGTH(body)), 0) FROM journal"


@dataclass(slots=True, kw_only=True)
class Live:
    """A draft that is not over. ``tick``: the first one in the journal that has something of it."""

    number: int
    holder: str | None
    tick: int | None = None


class TickJournal:
    """The journal's rows and the folded logs. Call it in one thread, within transactions."""

    def __init__(self, file: sqlite3.Connection, live: Mapping[str, Live]) -> None:
        self._file = file
        self._live = live
        self._next_tick = file.execute(_NEXT).fetchone()[0]
        self.size_bytes = file.execute(_SIZE).fetchone()[0]

    def add(self, entries: Iterable[tuple[Live, bytes]]) -> None:
        """One row for what a tick added."""
        taken = list(entries)
        body = framed([(draft.number, body) for draft, body in taken])
        self._file.execute("INSERT INTO journal VALUES (?, ?)", (self._next_tick, body))
        for draft, _ in taken:
            if draft.tick is None:
                draft.tick = self._next_tick
        self._next_tick += 1
        self.size_bytes += len(body)

    def of(self, number: int) -> tuple[bytes, ...]:
        """All entries of one draft, in order. Reads the whole journal."""
        folded = self._file.execute(
            "SELECT body FROM logs WHERE number = ? ORDER BY part", (number,)
        )
        rows = [body for (body,) in folded]
        rows += [body for (body,) in self._file.execute("SELECT body FROM journal ORDER BY tick")]
        return tuple(body for row in rows for owner, body in unframed(row) if owner == number)

    def forget(self, number: int) -> None:
        """A draft is over: its log goes, and the rows that are older than all others that live."""
        self._file.execute("DELETE FROM logs WHERE number = ?", (number,))
        others = [draft for draft in self._live.values() if draft.number != number]
        ticks = [draft.tick for draft in others if draft.tick is not None]
        self._drop(min(ticks, default=self._next_tick))

    def fold(self) -> None:
        """Folds the oldest rows."""
        rows = self._oldest()
        numbers = {draft.number for draft in self._live.values()}
        parts: dict[int, list[tuple[int, bytes]]] = {}
        for _, row in rows:
            for number, body in unframed(row):
                if number in numbers:
                    parts.setdefault(number, []).append((number, body))
        self._file.executemany(
            "INSERT INTO logs (number, body) VALUES (?, ?)",
            [(number, framed(entries)) for number, entries in parts.items()],
        )
        folded = max((tick for tick, _ in rows), default=-1)
        self._drop(folded + 1)
        self._move_starts(folded + 1)

    def doubt(self) -> None:
        """A transaction failed: what is remembered of the rows may be wrong. A start that is too
        early only keeps rows longer; one that is too late would lose some."""
        for draft in self._live.values():
            draft.tick = 0
        with suppress(sqlite3.Error):  # the transaction's failure is told of
            self.size_bytes = self._file.execute(_SIZE).fetchone()[0]

    def _oldest(self) -> list[tuple[int, bytes]]:
        rows, taken_bytes = [], 0
        for tick, body in self._file.execute("SELECT tick, body FROM journal ORDER BY tick"):
            rows.append((tick, body))
            taken_bytes += len(body)
            if taken_bytes >= FOLD_BYTES:
                break
        return rows

    def _move_starts(self, tick: int) -> None:
        """Nothing before ``tick`` is in the journal; a start may be named too early, not late."""
        for draft in self._live.values():
            if draft.tick is not None:
                draft.tick = max(draft.tick, tick)

    def _drop(self, tick: int) -> None:
        """Deletes the rows before ``tick``."""
        gone = self._file.execute(
            "DELETE FROM journal WHERE tick < ? RETURNING LENGTH(body)", (tick,)
        ).fetchall()
        self.size_bytes -= sum(size for (size,) in gone)
