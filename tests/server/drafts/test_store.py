"""What every store promises, asked of each."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from server.drafts.store import Entry, Kind, Record, State, Store, live_states
from server.errors import LeaseLost

Made = Callable[..., Record]
Finished = Callable[..., Awaitable[None]]
ReadAll = Callable[[AsyncGenerator[bytes, None]], Awaitable[list[bytes]]]


def entry(draft_id: str, body: bytes) -> Entry:
    return Entry(draft_id=draft_id, body=body)


async def ids(store: Store, owner: str = "", **asked: object) -> list[str]:
    return [record.id for record in await store.list(owner, **{"limit": 10, **asked})]  # type: ignore[arg-type]  # "limit" and "before", by name


def test_a_draft_that_is_over_is_not_live() -> None:
    assert {state for state in State if state.over} == set(State) - live_states()
    assert live_states() - live_states(interrupted=False) == {State.INTERRUPTED}


async def test_a_record_comes_back_as_it_was_given(store: Store, a_record: Made) -> None:
    given = a_record(
        "d1",
        owner="hash",
        kind=Kind.RESPONSE,
        state=State.QUEUED,
        created_s=1700000000.123456,
        expires_s=1700000001.5,
        request='{"input": "Ünïcödé"}'.encode(),
        meta=b'{"model": "m"}',
        idempotency="key",
        body_hash="body",
    )
    made = await store.create(given, "us", 60)
    assert made == replace(given, size_bytes=made.size_bytes)
    assert made.size_bytes > len(given.meta)
    assert await store.get("d1") == made


async def test_a_sparse_record_comes_back_as_it_was_given(store: Store, a_record: Made) -> None:
    made = await store.create(a_record("d1"), "us", 60)
    assert await store.get("d1") == made
    assert (made.idempotency, made.body_hash, made.expires_s) == (None, None, None)


async def test_what_is_not_there_is_told_so(store: Store, read_all: ReadAll) -> None:
    assert await store.get("none") is None
    assert await store.whole("none") is None
    assert await store.entries("none") == ()
    assert await store.take("none", "us", 60) is None
    assert await store.renew(["none"], "us", 60) == ()
    assert not await store.delete("none")
    assert await read_all(store.follow("none")) == []
    await store.update("none", state=State.WRITING, meta=b"{}")
    assert await store.get("none") is None
    with pytest.raises(LeaseLost):
        await store.end("none", state=State.FINISHED, meta=b"{}", whole=b"")


async def test_the_same_idempotency_key_finds_the_draft_that_is_there(
    store: Store, a_record: Made
) -> None:
    first = await store.create(a_record("d1", idempotency="key", body_hash="a"), "us", 60)
    assert await store.create(a_record("d2", idempotency="key", body_hash="b"), "us", 60) == first
    assert await store.get("d2") is None
    assert await store.append([entry("d2", b"x")]) == ("d2",)
    await store.delete("d1")
    assert (await store.create(a_record("d2", idempotency="key"), "us", 60)).id == "d2"


async def test_drafts_without_a_key_are_each_their_own(store: Store, a_record: Made) -> None:
    for id in ("d1", "d2"):
        assert (await store.create(a_record(id), "us", 60)).id == id


async def test_a_draft_that_is_made_twice_is_there_once(store: Store, a_record: Made) -> None:
    first = await store.create(a_record("d1"), "us", 60)
    assert await store.create(a_record("d1"), "us", 60) == first
    assert await ids(store) == ["d1"]


async def test_entries_are_kept_in_order_draft_by_draft(store: Store, a_record: Made) -> None:
    for id in ("d1", "d2"):
        await store.create(a_record(id), "us", 60)
    assert await store.append([entry("d1", b"a"), entry("d2", b"\x00"), entry("d1", b"b")]) == ()
    assert await store.append([entry("d2", b"\xff" * 70000)]) == ()
    assert await store.append([entry("d1", b"c")]) == ()
    assert await store.append([]) == ()
    assert await store.entries("d1") == (b"a", b"b", b"c")
    assert await store.entries("d2") == (b"\x00", b"\xff" * 70000)


async def test_one_draft_that_is_over_does_not_hold_back_the_others(
    store: Store, a_record: Made, finished: Finished
) -> None:
    await finished(store, "over")
    await store.create(a_record("gone"), "us", 60)
    await store.delete("gone")
    await store.create(a_record("d1"), "us", 60)
    tick = [entry("over", b"x"), entry("d1", b"a"), entry("gone", b"y"), entry("over", b"z")]
    assert await store.append(tick) == ("over", "gone")
    assert await store.entries("d1") == (b"a",)


async def test_a_draft_that_is_over_has_its_whole_and_no_entries(
    store: Store, a_record: Made
) -> None:
    made = await store.create(a_record("d1"), "us", 60)
    await store.append([entry("d1", b"a")])
    assert await store.whole("d1") is None
    whole = os.urandom(1000) + b"and then " * 10000
    await store.end("d1", state=State.CANCELLED, meta=b'{"more": 1}', whole=whole)
    record = await store.get("d1")
    assert record is not None
    assert (record.state, record.meta) == (State.CANCELLED, b'{"more": 1}')
    assert record.updated_s > made.updated_s
    assert record.request == made.request
    assert made.size_bytes + 1000 < record.size_bytes < 5000
    assert await store.whole("d1") == whole
    assert await store.entries("d1") == ()


async def test_a_draft_ends_once(store: Store, finished: Finished) -> None:
    await finished(store, "d1", b"the one")
    with pytest.raises(LeaseLost):
        await store.end("d1", state=State.FAILED, meta=b"{}", whole=b"the other")
    record = await store.get("d1")
    assert record is not None
    assert record.state is State.FINISHED
    assert await store.whole("d1") == b"the one"


async def test_an_update_changes_what_it_names(store: Store, a_record: Made) -> None:
    made = await store.create(a_record("d1", state=State.QUEUED), "us", 60)
    await store.update("d1", state=State.WRITING)
    writing = await store.get("d1")
    assert writing is not None
    assert writing == replace(made, state=State.WRITING, updated_s=writing.updated_s)
    await store.update("d1", meta=b'{"a": 1}')
    told = await store.get("d1")
    assert told is not None
    size_bytes = made.size_bytes + len(b'{"a": 1}') - len(made.meta)
    expected = replace(writing, meta=b'{"a": 1}', size_bytes=size_bytes, updated_s=told.updated_s)
    assert told == expected
    assert told.updated_s > made.updated_s


async def test_a_draft_that_is_over_keeps_its_state(store: Store, finished: Finished) -> None:
    await finished(store, "d1")
    await store.update("d1", state=State.WRITING, meta=b'{"title": "x"}')
    record = await store.get("d1")
    assert record is not None
    assert (record.state, record.meta) == (State.FINISHED, b'{"title": "x"}')
    assert await store.claim("us", 60, 10) == ()


async def test_a_list_is_of_one_owner_newest_first_and_goes_on_behind_an_id(
    store: Store, a_record: Made
) -> None:
    for number in range(5):
        await store.create(a_record(f"a{number}", owner="a", created_s=100.0), "us", 60)
        await store.create(a_record(f"b{number}", owner="b", created_s=100.0), "us", 60)
    assert await ids(store, "a") == ["a4", "a3", "a2", "a1", "a0"]
    assert await ids(store, "a", limit=2) == ["a4", "a3"]
    assert await ids(store, "a", limit=2, before="a3") == ["a2", "a1"]
    assert await ids(store, "a", before="a0") == []
    assert await ids(store, "a", before="none") == []
    assert await ids(store, "c") == []
    assert {record.request for record in await store.list("b", limit=9)} == {b""}


async def test_a_deleted_draft_is_gone(store: Store, a_record: Made, finished: Finished) -> None:
    await finished(store, "over", idempotency="key", expires_s=1.0)
    await store.create(a_record("live"), "us", 60)
    await store.append([entry("live", b"a")])
    for id in ("over", "live"):
        assert await store.delete(id)
        assert await store.get(id) is None
        assert await store.whole(id) is None
        assert await store.entries(id) == ()
        assert not await store.delete(id)
    assert await ids(store) == []
    assert await store.evict(now_s=2.0, max_bytes=0) == 0


async def test_a_draft_past_its_time_is_evicted_when_it_is_over(
    store: Store, a_record: Made, finished: Finished
) -> None:
    await finished(store, "past", expires_s=200.0)
    await finished(store, "later", expires_s=200.5)
    await finished(store, "never", expires_s=None)
    await store.create(a_record("live", expires_s=1.0), "us", 60)
    assert await store.evict(now_s=200.0, max_bytes=None) == 1
    assert await ids(store) == ["live", "never", "later"]


async def test_a_draft_that_nobody_carries_on_is_evicted_in_its_time(
    store: Store, a_record: Made
) -> None:
    for id in ("left", "taken", "kept"):
        await store.create(a_record(id, expires_s=200.0 if id != "kept" else None), "us", 60)
        await store.append([entry(id, b"a")])
        await store.update(id, state=State.INTERRUPTED)
    assert await store.take("taken", "us", 60) is not None
    assert await store.evict(now_s=300.0, max_bytes=0) == 1
    assert await ids(store) == ["kept", "taken"]
    assert await store.entries("kept") == (b"a",)


async def test_many_drafts_past_their_time_go_at_once(
    store: Store, a_record: Made, finished: Finished
) -> None:
    for number in range(130):
        await store.create(a_record(f"live{number}", expires_s=1.0), "us", 60)
        await finished(store, f"d{number}", expires_s=2.0)
    assert await store.evict(now_s=3.0, max_bytes=None) == 130
    assert len(await store.list("", limit=1000)) == 130


async def test_the_longest_ended_go_first_till_the_rest_has_room(
    store: Store, a_record: Made, finished: Finished
) -> None:
    await store.create(a_record("live", request=os.urandom(5000)), "us", 60)
    await store.create(a_record("last"), "us", 60)
    for id in ("first", "second"):
        await finished(store, id, os.urandom(10000))
    await store.end("last", state=State.FAILED, meta=b"{}", whole=os.urandom(10000))
    sizes = {record.id: record.size_bytes for record in await store.list("", limit=9)}
    kept = sizes["live"] + sizes["last"]
    assert await store.evict(now_s=1.0, max_bytes=sum(sizes.values())) == 0
    assert await store.evict(now_s=1.0, max_bytes=sum(sizes.values()) - 1) == 1
    assert await ids(store) == ["second", "last", "live"]
    assert await store.evict(now_s=1.0, max_bytes=kept) == 1
    assert await ids(store) == ["last", "live"]
    assert await store.evict(now_s=1.0, max_bytes=0) == 1
    assert await ids(store) == ["live"]
    assert await store.append([entry("live", b"a")]) == ()


async def test_many_drafts_beyond_the_room_go_at_once(store: Store, finished: Finished) -> None:
    for number in range(130):
        await finished(store, f"d{number}")
    assert await store.evict(now_s=1.0, max_bytes=0) == 130


async def test_a_held_draft_is_not_claimed(store: Store, a_record: Made) -> None:
    await store.create(a_record("d1"), "us", 60)
    assert await store.claim("them", 60, 10) == ()
    assert await store.renew(["d1", "none"], "us", 60) == ("d1",)
    assert await store.renew(["d1"], "them", 60) == ()


async def test_a_draft_that_is_handed_over_is_claimed_with_its_request(
    store: Store, a_record: Made, finished: Finished
) -> None:
    await finished(store, "over")
    for id in ("d1", "d2", "d3"):
        await store.create(a_record(id), "us", 60)
        await store.append([entry(id, b"a")])
        await store.update(id, state=State.INTERRUPTED)
    assert await store.append([entry("d1", b"late")]) == ("d1",)
    assert await store.claim("them", 60, 10, interrupted=False) == ()
    claimed = await store.claim("them", 60, 2)
    assert [record.id for record in claimed] == ["d1", "d2"]
    assert claimed[0] == await store.get("d1")
    assert claimed[0].request == a_record().request
    assert await store.renew(["d1", "d2", "d3"], "them", 60) == ("d1", "d2")
    assert [record.id for record in await store.claim("them", 60, 9)] == ["d3"]
    assert await store.append([entry("d1", b"b")]) == ()
    assert await store.entries("d1") == (b"a", b"b")


async def test_an_interrupted_draft_can_be_ended_by_anyone(store: Store, a_record: Made) -> None:
    await store.create(a_record("d1"), "us", 60)
    await store.update("d1", state=State.INTERRUPTED)
    await store.end("d1", state=State.CANCELLED, meta=b"{}", whole=b"so far")
    assert await store.whole("d1") == b"so far"


async def test_a_taken_draft_has_another_holder(store: Store, a_record: Made) -> None:
    made = await store.create(a_record("d1"), "us", 60)
    assert await store.take("d1", "them", 60) == made
    assert await store.renew(["d1"], "us", 60) == ()
    assert await store.renew(["d1"], "them", 60) == ("d1",)


async def test_a_draft_that_is_over_cannot_be_taken(store: Store, finished: Finished) -> None:
    await finished(store, "d1")
    assert await store.take("d1", "them", 60) is None


async def test_a_follower_has_all_entries_and_is_told_of_the_end(
    store: Store, a_record: Made, read_all: ReadAll
) -> None:
    await store.create(a_record("d1"), "us", 60)
    await store.append([entry("d1", b"a")])
    first, second = (asyncio.create_task(read_all(store.follow("d1"))) for _ in range(2))
    for number in range(10):
        await store.append([entry("d1", b"%d" % number)])
        await asyncio.sleep(0)
    await store.end("d1", state=State.FINISHED, meta=b"{}", whole=b"")
    expected = [b"a", *(b"%d" % number for number in range(10))]
    assert [await first, await second] == [expected, expected]


async def test_a_follower_hears_each_entry_when_it_is_stored(store: Store, a_record: Made) -> None:
    await store.create(a_record("d1"), "us", 60)
    async with asyncio.timeout(10), aclosing(store.follow("d1")) as bodies:
        for body in (b"a", b"b"):
            await store.append([entry("d1", body)])
            assert await anext(bodies) == body


async def test_a_follower_of_a_deleted_draft_is_told_of_the_end(
    store: Store, a_record: Made
) -> None:
    await store.create(a_record("d1"), "us", 60)
    await store.append([entry("d1", b"a")])
    async with asyncio.timeout(10), aclosing(store.follow("d1")) as bodies:
        assert await anext(bodies) == b"a"
        await store.delete("d1")
        assert await anext(bodies, None) is None


async def test_a_follower_that_goes_is_told_nothing(store: Store, a_record: Made) -> None:
    await store.create(a_record("d1"), "us", 60)
    await store.append([entry("d1", b"a")])
    async with (
        asyncio.timeout(10),
        aclosing(store.follow("d1")) as stays,
        aclosing(store.follow("d1")) as goes,
    ):
        assert await anext(stays) == await anext(goes) == b"a"
        await goes.aclose()
        await store.append([entry("d1", b"b")])
        assert await anext(stays) == b"b"


async def test_what_is_over_is_not_followed_from_the_start(
    store: Store, finished: Finished, read_all: ReadAll
) -> None:
    await finished(store, "d1")
    assert await read_all(store.follow("d1")) == []
