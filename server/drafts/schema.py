"""The tables of the drafts' file, version by version. It must not read or write a draft."""

import sqlite3

from server.errors import StoreUnavailable

# Step n brings a file of version n to n + 1. A step that was released is never changed.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE drafts (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            owner TEXT NOT NULL,
            kind TEXT NOT NULL,
            state TEXT NOT NULL,
            created_s REAL NOT NULL,
            updated_s REAL NOT NULL,
            expires_s REAL,
            idempotency TEXT UNIQUE,
            body_hash TEXT,
            size_bytes INTEGER NOT NULL,
            meta BLOB NOT NULL
        )""",
        "CREATE INDEX drafts_of_owner ON drafts (owner)",
        "CREATE INDEX drafts_by_state ON drafts (state, updated_s)",
        "CREATE INDEX drafts_expiring ON drafts (expires_s) WHERE expires_s IS NOT NULL",
        "CREATE INDEX drafts_by_size ON drafts (size_bytes)",
        "CREATE TABLE requests (number INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        "CREATE TABLE wholes (number INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        # What a tick added to all drafts; see packing.framed.
        "CREATE TABLE journal (tick INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        # What was folded out of the journal, by draft, in the same form.
        """CREATE TABLE logs (
            part INTEGER PRIMARY KEY, number INTEGER NOT NULL, body BLOB NOT NULL
        )""",
        "CREATE INDEX logs_of_draft ON logs (number)",
    ),
)


def migrate(file: sqlite3.Connection) -> None:
    """Brings the file to the newest version, all steps in one transaction.

    Raises ``StoreUnavailable`` where a newer Longhand wrote it, and ``sqlite3.Error``.
    """
    version = file.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreUnavailable(
            f"the drafts' file is of version {version}; this Longhand knows {len(MIGRATIONS)}",
            code="store_too_new",
        )
    if version < len(MIGRATIONS):
        file.execute("BEGIN IMMEDIATE")
        for step in MIGRATIONS[version:]:
            for statement in step:
                file.execute(statement)
        file.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        file.execute("COMMIT")
