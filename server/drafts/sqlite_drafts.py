"""Drafts in a SQLite file, call by call, all in one thread. It must not know an event loop."""

import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.drafts.followers import Followers, Line
from server.drafts.packing import plain, small
from server.drafts.schema import migrate
from server.drafts.sqlite_file import connected, locked, told, transaction
from server.drafts.sqlite_journal import FOLD_OVER_BYTES, Live, TickJournal
from server.drafts.store import Entry, Kind, Record, State, live_states, now_s
from server.errors import LeaseLost

_COLUMNS = (
    "number, id, owner, kind, state, created_s, updated_s, expires_s, meta, idempotency,"
    " body_hash, size_bytes"
)
_Rows = list[tuple[Any, ...]]
_LIVE = ", ".join(f"'{state}'" for state in State if not state.over)
_OVER = ", ".join(f"'{state}'" for state in State if state.over)
# So many drafts go at once: a tick waits for it, about 5 ms at 20 kB each.
_EVICTED_AT_ONCE = 20
# Pages of 4 kB given back to the disk at once.
_FREED_AT_ONCE = 1000


class SqliteDrafts:
    """The file while it is open. Raises what ``Store`` says."""

    def __init__(self, path: Path, *, full_sync: bool, followers: Followers) -> None:
        self._followers = followers
        self._lock = locked(path)
        try:
            with told():
                self._file = connected(path, full_sync=full_sync)
                migrate(self._file)
                rows = self._file.execute(f"SELECT id, number FROM drafts WHERE state IN ({_LIVE})")
                self._live = {id: Live(number=number, holder=None) for id, number in rows}
                self._journal = TickJournal(self._file, self._live)
            self._fold_all()
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._file.close()
        os.close(self._lock)

    def create(self, record: Record, holder: str) -> Record:
        request = small(record.request)
        made = replace(record, size_bytes=len(request) + len(record.meta))
        with self._transaction():
            there = self._rows("id = ? OR idempotency = ?", record.id, record.idempotency)
            if there:
                return self._full(there[0])
            number = self._insert(made, request)
        self._live[record.id] = Live(number=number, holder=holder)
        return made

    def append(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        ours = {id: live for id, live in self._live.items() if live.holder is not None}
        taken = [(ours[e.draft_id], e.body) for e in entries if e.draft_id in ours]
        if taken:
            with self._transaction():
                if self._journal.size_bytes > FOLD_OVER_BYTES:
                    self._journal.fold()
                self._journal.add(taken)
        for entry in entries:
            if entry.draft_id in ours:
                self._followers.tell(entry.draft_id, entry.body)
        return tuple(dict.fromkeys(e.draft_id for e in entries if e.draft_id not in ours))

    def update(self, draft_id: str, state: State | None, meta: bytes | None) -> None:
        live = self._live.get(draft_id)
        with self._transaction():
            self._file.execute(
                "UPDATE drafts SET state = COALESCE(?, state), updated_s = ?,"
                " size_bytes = size_bytes + COALESCE(LENGTH(?) - LENGTH(meta), 0),"
                " meta = COALESCE(?, meta) WHERE id = ?",
                (state if live else None, now_s(), meta, meta, draft_id),
            )
        if live and state is State.INTERRUPTED:
            live.holder = None

    def end(self, draft_id: str, state: State, meta: bytes, whole: bytes) -> None:
        """``whole`` comes compressed."""
        live = self._live.get(draft_id)
        if live is None:
            raise LeaseLost(f"the draft {draft_id} is over or gone")
        with self._transaction():
            self._file.execute(
                "UPDATE drafts SET state = ?, updated_s = ?,"
                " size_bytes = size_bytes - LENGTH(meta) + ?, meta = ? WHERE number = ?",
                (state, now_s(), len(meta) + len(whole), meta, live.number),
            )
            self._file.execute("INSERT INTO wholes VALUES (?, ?)", (live.number, whole))
            self._journal.forget(live.number)
        self._over(draft_id)

    def get(self, draft_id: str) -> Record | None:
        with told():
            return next(map(self._full, self._rows("id = ?", draft_id)), None)

    def list(self, owner: str, limit: int, before: str | None) -> tuple[Record, ...]:
        with told():
            rows = self._rows(
                "owner = ?1 AND (?2 IS NULL OR number < (SELECT number FROM drafts WHERE id = ?2))"
                " ORDER BY number DESC LIMIT ?3",
                owner,
                before,
                limit,
            )
        return tuple(map(_record, rows))

    def entries(self, draft_id: str) -> tuple[bytes, ...]:
        live = self._live.get(draft_id)
        if live is None:
            return ()
        with told():
            return self._journal.of(live.number)

    def follow(self, draft_id: str, line: Line) -> None:
        """Tells ``line`` of the draft from its first entry on."""
        self._followers.join(draft_id, line, self.entries(draft_id))
        if draft_id not in self._live:
            self._followers.over(draft_id)

    def leave(self, draft_id: str, line: Line) -> None:
        self._followers.leave(draft_id, line)

    def whole(self, draft_id: str) -> bytes | None:
        with told():
            row = self._file.execute(
                "SELECT body FROM drafts JOIN wholes USING (number) WHERE id = ?", (draft_id,)
            ).fetchone()
            return None if row is None else plain(row[0])

    def delete(self, draft_id: str) -> bool:
        with told():
            rows = self._rows("id = ?", draft_id)
        self._remove(rows)
        return bool(rows)

    def evict(self, at_s: float, max_bytes: int | None) -> int:
        """How many went; call it till none does."""
        with told():
            rows = self._expired(at_s)
            if not rows and max_bytes is not None:
                rows = self._beyond(max_bytes)
        if rows:
            self._remove(rows)
            with told():
                # Only executescript() runs a pragma that returns no rows to its end.
                self._file.executescript(f"PRAGMA incremental_vacuum({_FREED_AT_ONCE})")
        return len(rows)

    def claim(self, holder: str, limit: int, *, interrupted: bool) -> tuple[Record, ...]:
        states = live_states(interrupted=interrupted)
        with told():
            rows = self._rows(f"state IN ({_LIVE}) ORDER BY number")
            free = [row for row in rows if row[4] in states and self._live[row[1]].holder is None]
            records = tuple(map(self._full_or_bare, free[:limit]))
        for record in records:
            self._live[record.id].holder = holder
        return records

    def take(self, draft_id: str, holder: str) -> Record | None:
        live = self._live.get(draft_id)
        record = self.get(draft_id) if live else None
        if live and record:
            live.holder = holder
        return record

    def renew(self, draft_ids: Sequence[str], holder: str) -> tuple[str, ...]:
        held = {id for id, live in self._live.items() if live.holder == holder}
        return tuple(draft_id for draft_id in draft_ids if draft_id in held)

    def _fold_all(self) -> None:
        """What a process before left in the journal is kept by draft, so that it pins nothing."""
        while self._journal.size_bytes:
            with self._transaction():
                self._journal.fold()

    def _insert(self, record: Record, request: bytes) -> int:
        number = self._file.execute(
            f"INSERT INTO drafts ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " RETURNING number",
            (
                record.id,
                record.owner,
                record.kind,
                record.state,
                record.created_s,
                record.updated_s,
                record.expires_s,
                record.meta,
                record.idempotency,
                record.body_hash,
                record.size_bytes,
            ),
        ).fetchone()[0]
        self._file.execute("INSERT INTO requests VALUES (?, ?)", (number, request))
        return int(number)

    def _rows(self, condition: str, *values: object) -> _Rows:
        query = f"SELECT {_COLUMNS} FROM drafts WHERE {condition}"
        return self._file.execute(query, values).fetchall()

    def _full(self, row: tuple[Any, ...]) -> Record:
        body = self._file.execute("SELECT body FROM requests WHERE number = ?", row[:1]).fetchone()
        return replace(_record(row), request=plain(body[0]))

    def _full_or_bare(self, row: tuple[Any, ...]) -> Record:
        """Without its request where that is damaged: such a draft fails when it is carried on, and
        no other one waits for it."""
        try:
            return self._full(row)
        except (struct.error, zlib.error):
            return _record(row)

    def _expired(self, at_s: float) -> _Rows:
        held = [live.number for live in self._live.values() if live.holder is not None]
        rows = self._rows(
            f"expires_s <= ? AND state IN ({_OVER}, '{State.INTERRUPTED}')"
            " ORDER BY expires_s LIMIT ?",
            at_s,
            _EVICTED_AT_ONCE + len(held),
        )
        return [row for row in rows if row[0] not in held][:_EVICTED_AT_ONCE]

    def _beyond(self, max_bytes: int) -> _Rows:
        kept = "SELECT COALESCE(SUM(size_bytes), 0) FROM drafts"
        excess_bytes = self._file.execute(kept).fetchone()[0] + self._journal.size_bytes - max_bytes
        rows = []
        for row in self._rows(f"state IN ({_OVER}) ORDER BY updated_s LIMIT {_EVICTED_AT_ONCE}"):
            if excess_bytes <= 0:
                break
            excess_bytes -= row[-1]
            rows.append(row)
        return rows

    def _remove(self, rows: _Rows) -> None:
        with self._transaction():
            for number, id, *_ in rows:
                for table in ("drafts", "requests", "wholes"):
                    self._file.execute(f"DELETE FROM {table} WHERE number = ?", (number,))
                if id in self._live:
                    self._journal.forget(number)
        for _, id, *_ in rows:
            self._over(id)

    def _over(self, draft_id: str) -> None:
        self._live.pop(draft_id, None)
        self._followers.over(draft_id)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with told(), transaction(self._file):
                yield
        except BaseException:
            self._journal.doubt()
            raise


def _record(row: tuple[Any, ...]) -> Record:
    """Without its request."""
    _, id, owner, kind, state, created_s, updated_s, expires_s, meta, key, body_hash, size = row
    return Record(
        id=id,
        owner=owner,
        kind=Kind(kind),
        state=State(state),
        created_s=created_s,
        updated_s=updated_s,
        expires_s=expires_s,
        request=b"",
        meta=meta,
        idempotency=key,
        body_hash=body_hash,
        size_bytes=size,
    )
