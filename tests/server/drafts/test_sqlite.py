"""The drafts' file: what survives, and what is said when the file or its disk does not."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server.drafts import sqlite_journal
from server.drafts.packing import framed, unframed
from server.drafts.sqlite import SqliteStore
from server.drafts.store import Entry, Record, State
from server.errors import StoreUnavailable

Made = Callable[..., Record]
Finished = Callable[..., Awaitable[None]]

# Commits without end, and says how many it has once each is done.
WRITER = """
import asyncio, sys
from pathlib import Path
from server.drafts.sqlite import SqliteStore
from server.drafts.store import Entry, Kind, Record, State

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    for id in ("d1", "d2"):
        record = Record(id=id, owner="", kind=Kind.CHAT, state=State.WRITING, created_s=1.0,
                        updated_s=1.0, expires_s=None, request=b"{}")
        await store.create(record, "us", 60)
    n = 0
    while True:
        n += 1
        await store.append([Entry(draft_id=id, body=b"%d" % n) for id in ("d1", "d2")])
        print(n, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "drafts.db"


@pytest.fixture
async def store(path: Path) -> SqliteStore:
    opened = SqliteStore(path)
    await opened.open()
    return opened


async def reopened(store: SqliteStore) -> None:
    await store.close()
    await store.open()


async def refusal(awaited: Awaitable[object]) -> str | None:
    """The code of the ``StoreUnavailable`` that comes of it."""
    with pytest.raises(StoreUnavailable) as raised:
        await awaited
    return raised.value.code


def writing(path: Path) -> "subprocess.Popen[str]":
    """A process that runs ``WRITER``."""
    command = [sys.executable, "-c", WRITER, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def size_bytes(path: Path) -> int:
    return path.stat().st_size


def overwrite(path: Path, start: int, body: bytes) -> None:
    """From byte ``start`` on, in a file that is made if it is not there."""
    path.parent.mkdir(exist_ok=True)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(start)
        file.write(body)


def rows_of_journal(path: Path) -> int:
    file = sqlite3.connect(path)
    number: int = file.execute("SELECT COUNT(*) FROM journal").fetchone()[0]
    file.close()
    return number


@pytest.mark.parametrize("killed_after", [1, 7, 50])
async def test_what_was_committed_outlives_a_kill(path: Path, killed_after: int) -> None:
    writer = writing(path)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(killed_after)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    writer.stdout.close()
    store = SqliteStore(path)
    await store.open()
    assert [record.id for record in await store.claim("us", 60, 10)] == ["d1", "d2"]
    for id in ("d1", "d2"):
        numbers = [int(body) for body in await store.entries(id)]
        assert numbers == list(range(1, len(numbers) + 1))
        # One more than was told of may have been committed; none fewer.
        assert len(numbers) in (told[-1], told[-1] + 1)
    await store.close()


async def test_all_is_there_after_a_restart(
    store: SqliteStore, a_record: Made, finished: Finished
) -> None:
    await finished(store, "over", b"the whole")
    made = await store.create(a_record("d1", idempotency="key"), "us", 60)
    await store.append([Entry(draft_id="d1", body=b"a")])
    for _ in range(2):
        await reopened(store)
        assert await store.entries("d1") == (b"a",)
    assert await store.whole("over") == b"the whole"
    assert await store.append([Entry(draft_id="d1", body=b"x")]) == ("d1",)
    assert await store.claim("them", 60, 10) == (made,)
    assert await store.append([Entry(draft_id="d1", body=b"b")]) == ()
    assert await store.entries("d1") == (b"a", b"b")
    assert (await store.create(a_record("d2", idempotency="key"), "us", 60)).id == "d1"
    await store.close()


@pytest.mark.parametrize("full_sync", [False, True])
async def test_commits_wait_for_the_disk_if_asked_to(
    path: Path, a_record: Made, full_sync: bool
) -> None:
    store = SqliteStore(path, full_sync=full_sync)
    await store.open()
    assert store._drafts is not None
    connection = store._drafts._file
    level = await store._in_thread(lambda: connection.execute("PRAGMA synchronous").fetchone()[0])
    assert level == (2 if full_sync else 1)
    await store.close()


async def test_rows_of_the_journal_go_with_the_last_draft_in_them(
    store: SqliteStore, path: Path, a_record: Made
) -> None:
    for id in ("d1", "d2", "queued"):
        await store.create(a_record(id), "us", 60)
    for ids in (["d1"], ["d1", "d2"], ["d2"]):
        await store.append([Entry(draft_id=id, body=b"x") for id in ids])
    assert rows_of_journal(path) == 3
    await store.end("d1", state=State.FINISHED, meta=b"{}", whole=b"")
    assert rows_of_journal(path) == 2
    await store.delete("d2")
    assert rows_of_journal(path) == 0
    await store.close()


async def test_a_long_draft_does_not_pin_the_entries_of_others(
    store: SqliteStore, path: Path, a_record: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_journal, "FOLD_BYTES", 200)
    monkeypatch.setattr("server.drafts.sqlite_drafts.FOLD_OVER_BYTES", 1000)
    await store.create(a_record("long"), "us", 60)
    await store.append([Entry(draft_id="long", body=b"first")])
    expected = [b"first"]
    for number in range(40):
        await store.create(a_record(f"d{number}"), "us", 60)
        tick = [Entry(draft_id=f"d{number}", body=b"-" * 100)]
        if number % 7 == 0:
            expected.append(b"%d" % number)
            tick.append(Entry(draft_id="long", body=b"%d" % number))
        await store.append(tick)
        await store.end(f"d{number}", state=State.FINISHED, meta=b"{}", whole=b"")
        assert await store.entries("long") == tuple(expected)
    assert rows_of_journal(path) < 20
    await reopened(store)
    assert await store.entries("long") == tuple(expected)
    assert rows_of_journal(path) == 0
    await store.close()


async def test_eviction_gives_room_back_to_the_disk(
    store: SqliteStore, path: Path, finished: Finished
) -> None:
    for number in range(20):
        await finished(store, f"d{number}", os.urandom(50_000))
    await reopened(store)
    before_bytes = size_bytes(path)
    assert await store.evict(now_s=1.0, max_bytes=100_000) == 19
    await store.close()
    assert size_bytes(path) < before_bytes / 5


async def test_the_file_is_for_its_owner_alone(store: SqliteStore, path: Path) -> None:
    assert os.stat(path).st_mode & 0o777 == 0o600
    await store.close()


async def test_a_second_gateway_is_kept_out_until_the_first_is_gone(path: Path) -> None:
    writer = writing(path)
    assert writer.stdout is not None
    writer.stdout.readline()
    store = SqliteStore(path)
    assert await refusal(store.open()) == "store_locked"
    writer.kill()
    writer.communicate()
    await store.open()
    await store.close()


async def test_a_gateway_whose_file_another_one_has_says_which_and_what_to_set(
    path: Path, gateway: Callable[..., Awaitable[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    writer = writing(path)
    assert writer.stdout is not None
    writer.stdout.readline()
    app = await gateway(drafts="sqlite", drafts_path=path)
    ready = await app.client.get("/health/ready")
    [told] = [one for one in caplog.records if one.message == "drafts cannot be stored"]
    writer.kill()
    writer.communicate()
    assert ready.status_code == 503
    assert ready.json()["reason"] == f"drafts: {vars(told)['reason']}"
    assert f"keeps its drafts in {path};" in ready.json()["reason"]
    assert "LONGHAND_DRAFTS_PATH" in ready.json()["reason"]
    await app.service.shelf.scribe.tending.tend()
    assert (await app.client.get("/health/ready")).status_code == 200


async def test_a_file_that_is_held_by_a_tool_is_told_of(
    store: SqliteStore, path: Path, a_record: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store._drafts is not None
    connection = store._drafts._file
    await store._in_thread(lambda: connection.execute("PRAGMA busy_timeout = 1"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await refusal(store.create(a_record("d1"), "us", 60)) == "store_locked"
    other.execute("ROLLBACK")
    other.close()
    assert (await store.create(a_record("d1"), "us", 60)).id == "d1"
    await store.close()


async def test_a_file_that_is_no_database_is_told_of(path: Path) -> None:
    overwrite(path, 0, b"Dear diary, " * 1000)
    store = SqliteStore(path)
    for _ in range(2):
        assert await refusal(store.open()) == "store_damaged"
    await store.close()


async def test_a_damaged_page_is_told_of(
    store: SqliteStore, path: Path, finished: Finished
) -> None:
    for number in range(20):
        await finished(store, f"d{number}", os.urandom(10_000))
    await store.close()
    overwrite(path, 4096, os.urandom(size_bytes(path) - 4096))
    assert await refusal(store.open()) == "store_damaged"


async def test_a_damaged_text_is_told_of(
    store: SqliteStore, path: Path, finished: Finished, a_record: Made
) -> None:
    await finished(store, "over")
    await store.create(a_record("live"), "us", 60)
    await store.append([Entry(draft_id="live", body=b"a")])
    file = sqlite3.connect(path)
    file.execute("UPDATE wholes SET body = x'00'")
    file.execute("UPDATE journal SET body = SUBSTR(body, 1, 8)")
    file.commit()
    file.close()
    assert await refusal(store.whole("over")) == "store_damaged"
    assert await refusal(store.entries("live")) == "store_damaged"
    await store.close()


async def test_a_file_of_a_newer_version_is_left_alone(store: SqliteStore, path: Path) -> None:
    await store.close()
    file = sqlite3.connect(path)
    file.execute("PRAGMA user_version = 99")
    file.close()
    assert await refusal(store.open()) == "store_too_new"


async def test_a_place_where_nothing_can_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert await refusal(SqliteStore(tmp_path / "file" / "drafts.db").open()) == "store_unavailable"
    assert await refusal(SqliteStore(tmp_path).open()) == "store_unavailable"


async def test_a_store_that_is_not_open_says_so(path: Path) -> None:
    assert await refusal(SqliteStore(path).get("d1")) == "store_unavailable"


async def test_a_follower_may_leave_after_the_store_is_closed(
    store: SqliteStore, a_record: Made
) -> None:
    await store.create(a_record("d1"), "us", 60)
    await store.append([Entry(draft_id="d1", body=b"a")])
    bodies = store.follow("d1")
    assert await asyncio.wait_for(anext(bodies), 10) == b"a"
    await store.close()
    await bodies.aclose()
    assert await refusal(store.get("d1")) == "store_unavailable"


async def test_a_full_disk_is_told_of_and_what_was_stored_stays(
    store: SqliteStore, a_record: Made, finished: Finished
) -> None:
    await finished(store, "old", os.urandom(200_000))
    await store.create(a_record("d1"), "us", 60)
    await store.append([Entry(draft_id="d1", body=b"a")])
    assert store._drafts is not None
    connection = store._drafts._file
    used = await store._in_thread(lambda: connection.execute("PRAGMA page_count").fetchone()[0])
    limit = f"PRAGMA max_page_count = {used + 2}"
    await store._in_thread(lambda: connection.execute(limit).fetchone())
    for _ in range(2):
        big = [Entry(draft_id="d1", body=b"b" * 100_000)]
        assert await refusal(store.append(big)) == "store_full"
        end = store.end("d1", state=State.FINISHED, meta=b"{}", whole=os.urandom(100_000))
        assert await refusal(end) == "store_full"
    assert await store.entries("d1") == (b"a",)
    await store.delete("old")
    assert await store.append([Entry(draft_id="d1", body=b"b" * 100_000)]) == ()
    assert await store.entries("d1") == (b"a", b"b" * 100_000)
    await store.close()
    await store.open()
    assert await store.entries("d1") == (b"a", b"b" * 100_000)
    await store.close()


async def test_a_disk_that_takes_no_more_is_told_of(tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        limited + WRITER.replace('b"%d" % n', 'b"%d," % n * 2000'),
        str(tmp_path / "drafts.db"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, error = await asyncio.wait_for(writer.communicate(), 15)
    assert b"server.errors.StoreUnavailable: the file of the drafts cannot be used" in error
    store = SqliteStore(tmp_path / "drafts.db")
    await store.open()
    assert len(await store.entries("d1")) == int(told.split()[-1])
    await store.close()


def test_a_frame_has_the_form_that_is_documented() -> None:
    assert framed([(7, b"ab")]) == b"\x07\0\0\0\x02\0\0\0ab"
    entries = [(1, b"a"), (2**32 - 1, b""), (1, bytes(range(256)))]
    assert list(unframed(framed(entries))) == entries
    assert list(unframed(b"")) == []
