"""A SQLite file that one process writes, and what its failures mean. Nothing of drafts here."""

import fcntl
import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.errors import StoreUnavailable

# By SQLite's primary result code (sqlite.org/rescode.html).
_FAILURES = {
    sqlite3.SQLITE_FULL: ("store_full", "the disk or the file of the drafts is full"),
    sqlite3.SQLITE_CORRUPT: ("store_damaged", "the file of the drafts is damaged"),
    sqlite3.SQLITE_NOTADB: ("store_damaged", "the file of the drafts is no SQLite database"),
    sqlite3.SQLITE_BUSY: ("store_locked", "another process holds the file of the drafts"),
}
# The write-ahead log is cut back to this after a checkpoint; SQLite's own default never cuts it.
_WAL_BYTES = 16 * 2**20


def locked(path: Path) -> int:
    """A lock beside ``path`` that goes with this process, as an open file; ``os.close`` it.

    Two gateways on one file would each take the other's live drafts for abandoned. fcntl's lock,
    because a child that an engine forks does not inherit it (fcntl(2)).
    Raises ``StoreUnavailable`` where another process has it, or where nothing can be written. It
    names the file: the operator is told of it, on the health page and in the log, and no caller.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(beside, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreUnavailable("the file of the drafts cannot be made") from error
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        message = (
            f"another gateway keeps its drafts in {path.absolute()}; give this one a file of its "
            "own (LONGHAND_DRAFTS_PATH), or have it keep none (LONGHAND_DRAFTS=off)"
        )
        raise StoreUnavailable(message, code="store_locked") from error
    return lock


def connected(path: Path, *, full_sync: bool) -> sqlite3.Connection:
    """The file, made if it is not there, for its owner's eyes only. Raises ``sqlite3.Error``.

    full_sync: a commit is on the disk when it returns, and survives a power cut; otherwise it
    survives whatever ends the process, not the machine (sqlite.org/pragma.html#pragma_synchronous).
    """
    with suppress(OSError):  # SQLite says better what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    file = sqlite3.connect(path, isolation_level=None)
    try:
        # Takes effect in a file without tables only; so freed pages can be given back.
        file.execute("PRAGMA auto_vacuum = INCREMENTAL")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute(f"PRAGMA synchronous = {'FULL' if full_sync else 'NORMAL'}")
        file.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def told() -> Iterator[None]:
    """Raises ``StoreUnavailable`` for what SQLite or a damaged row raises.

    The message names no path and no value of the file: callers are told of it.
    """
    try:
        yield
    except sqlite3.Error as error:
        primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        code, why = _FAILURES.get(primary, (None, "the file of the drafts cannot be used"))
        raise StoreUnavailable(why, code=code) from error
    except (struct.error, zlib.error) as error:
        code, why = _FAILURES[sqlite3.SQLITE_CORRUPT]
        raise StoreUnavailable(why, code=code) from error


@contextmanager
def transaction(file: sqlite3.Connection) -> Iterator[None]:
    """All of what is within, or nothing. Raises ``sqlite3.Error``."""
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
        file.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # it may have rolled back by itself (lang_transaction.html)
            file.execute("ROLLBACK")
        raise
