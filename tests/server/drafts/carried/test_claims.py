"""Drafts that nobody holds are all taken, though the store fails for one of them or half way."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server.drafts.memory import MemoryStore
from server.drafts.sqlite import SqliteStore
from server.drafts.store import Entry, Kind, Record, State, Store
from server.engine.scripted import Say
from server.errors import StoreUnavailable

BOUND_S = 8.0
Start = Callable[..., Awaitable[Any]]
META = {
    "model": "scripted",
    "head": {"id": "cmpl-a", "model": "scripted", "created": 1},
    "asked": {"low_words": None, "high_words": None, "source": "none"},
}
SAID = b'[["o",0],[0," upon",[1]],["=",0,"a"]]\n'
REST = [Say(" a time.")]
NAMES = ("draft_a", "draft_b", "draft_c")


@pytest.fixture
def abandon(a_record: Callable[..., Record]) -> Callable[..., Awaitable[None]]:
    """Puts three completions into a store that were interrupted behind their first word."""

    async def put(store: Store, *, is_interrupted: bool = True) -> None:
        for name in NAMES:
            record = a_record(
                name,
                kind=Kind.COMPLETION,
                request=b'{"prompt": "Once", "max_tokens": 9}',
                meta=json.dumps(META).encode(),
            )
            await store.create(record, "the dead", 1.0)
            await store.append([Entry(draft_id=name, body=SAID)])
            if is_interrupted:
                await store.update(name, state=State.INTERRUPTED)

    return put


class Sick(MemoryStore):
    """A store that cannot read the logs of some drafts, with a code that says why."""

    def __init__(self) -> None:
        super().__init__()
        self.sick: dict[str, str] = {}
        self.renewed: set[str] = set()

    async def entries(self, draft_id: str) -> tuple[bytes, ...]:
        if draft_id in self.sick:
            raise StoreUnavailable("it cannot be read", code=self.sick[draft_id])
        return await super().entries(draft_id)

    async def renew(self, draft_ids: Any, *given: Any) -> tuple[str, ...]:
        self.renewed.update(draft_ids)
        return await super().renew(draft_ids, *given)


async def finished(app: Any, name: str) -> dict[str, Any]:
    """A draft once it has ended."""
    async with asyncio.timeout(BOUND_S):
        await app.client.get(f"/v1/drafts/{name}/events")
    draft: dict[str, Any] = (await app.client.get(f"/v1/drafts/{name}")).json()
    return draft


async def test_a_draft_whose_log_is_damaged_keeps_no_other_one_waiting(
    keeping: Start, abandon: Start
) -> None:
    store = Sick()
    await abandon(store)
    store.sick["draft_a"] = "store_damaged"
    app = await keeping(store, REST)
    for name in NAMES[1:]:
        assert (await finished(app, name))["answer"] == " upon a time."
    assert app.service.shelf.scribe.num_live == 0
    # It is tried again, and stays held meanwhile.
    tending = app.service.shelf.scribe.tending
    await tending.tend()
    assert "draft_a" in store.renewed
    store.sick.clear()
    await tending.tend()
    assert (await finished(app, "draft_a"))["answer"] == " upon a time."


async def test_drafts_that_were_claimed_as_the_store_went_are_taken_when_it_is_back(
    keeping: Start, abandon: Start
) -> None:
    store = Sick()
    await abandon(store)
    store.sick["draft_b"] = "store_unavailable"
    app = await keeping(store, REST)
    assert (await finished(app, "draft_a"))["state"] == "finished"
    store.sick.clear()
    await app.service.shelf.scribe.tending.tend()
    for name in NAMES[1:]:
        assert (await finished(app, name))["answer"] == " upon a time."


async def test_a_draft_that_ends_elsewhere_before_it_could_be_taken_is_left_alone(
    keeping: Start, abandon: Start
) -> None:
    store = Sick()
    await abandon(store)
    store.sick["draft_b"] = "store_unavailable"
    app = await keeping(store, REST)
    await finished(app, "draft_a")
    await store.delete("draft_b")
    assert await store.take("draft_c", "another", 60) is not None
    store.sick.clear()
    await app.service.shelf.scribe.tending.tend()
    assert app.service.shelf.scribe.num_live == 0
    assert len(app.engine.jobs) == 1


async def test_drafts_that_could_not_be_marked_are_marked_later(
    keeping: Start, abandon: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    await abandon(store, is_interrupted=False)
    for name in NAMES:
        await store.update(name, state=State.INTERRUPTED)
        await store.update(name, state=State.WRITING)

    async def fail(*given: Any, **named: Any) -> None:
        raise StoreUnavailable("the disk is full", code="store_full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "update", fail)
        app = await keeping(store, REST, drafts_recover="mark")
    await app.service.shelf.scribe.tending.tend()
    drafts = (await app.client.get("/v1/drafts")).json()["data"]
    assert {draft["state"] for draft in drafts} == {"interrupted"}


async def test_a_log_that_can_be_read_in_part_fails_with_that_part(
    keeping: Start, abandon: Start
) -> None:
    store = MemoryStore()
    await abandon(store, is_interrupted=False)
    await store.append([Entry(draft_id="draft_a", body=b"no JSON\n")])
    for name in NAMES:
        await store.update(name, state=State.INTERRUPTED)
    app = await keeping(store, REST)
    draft = await finished(app, "draft_a")
    assert (draft["state"], draft["answer"]) == ("failed", " upon")
    assert (await finished(app, "draft_b"))["state"] == "finished"


async def test_a_damaged_row_of_the_file_is_one_draft_that_fails(
    keeping: Start, abandon: Start, tmp_path: Path
) -> None:
    path = tmp_path / "drafts.sqlite"
    before = SqliteStore(path)
    await before.open()
    await abandon(before)
    await before.close()
    file = sqlite3.connect(path)
    file.execute("UPDATE requests SET body = x'00' WHERE number = 1")
    file.commit()
    file.close()
    app = await keeping(SqliteStore(path), REST)
    assert (await app.client.get("/health/ready")).status_code == 200
    for name in NAMES[1:]:
        assert (await finished(app, name))["answer"] == " upon a time."
    [damaged] = [
        draft
        for draft in (await app.client.get("/v1/drafts")).json()["data"]
        if draft["id"] == "draft_a"
    ]
    assert damaged["state"] == "failed"
