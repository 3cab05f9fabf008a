"""Drafts that are deleted, taken, or let down by their store or engine while they are written."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.drafts.memory import MemoryStore
from server.drafts.store import Entry, Kind, Record, State
from server.engine.scripted import Die, Say, ScriptedEngine, Stall
from server.errors import CannotServe, StoreUnavailable

BOUND_S = 8.0
Start = Callable[..., Awaitable[Any]]
Until = Callable[[Callable[[], object]], Awaitable[None]]
Made = Callable[..., Record]
STORY = [Say("<think> Plan. </think> <answer>\nOnce upon a time they slept. </answer>")]
META = {
    "model": "scripted",
    "head": {"id": "cmpl-a", "model": "scripted", "created": 1},
    "asked": {"low_words": None, "high_words": None, "source": "none"},
}


def away(patch: pytest.MonkeyPatch, store: MemoryStore, name: str) -> None:
    """A method of the store fails from now on."""

    async def fail(*given: Any, **named: Any) -> None:
        raise StoreUnavailable("the disk is full", code="store_full")

    patch.setattr(store, name, fail)


async def left_alone(store: MemoryStore, a_record: Made) -> None:
    """Puts a draft into a store that was interrupted before it had begun."""
    record = a_record(
        "draft_a",
        kind=Kind.COMPLETION,
        state=State.QUEUED,
        request=b'{"prompt": "Once", "max_tokens": 9}',
        meta=json.dumps(META).encode(),
    )
    await store.create(record, "the dead", 1.0)
    await store.update("draft_a", state=State.INTERRUPTED)


async def state_of(store: MemoryStore, draft_id: str = "draft_a") -> State:
    record = await store.get(draft_id)
    assert record is not None
    return record.state


@pytest.fixture
def begun(until: Until) -> Callable[..., Awaitable[tuple[asyncio.Task[Any], str]]]:
    """Has a draft begun that says something; returns who waits for it, and its id."""

    async def begin(app: Any) -> tuple[asyncio.Task[Any], str]:
        asking = asyncio.create_task(app.chat(store=True))
        lives = app.service.shelf.scribe._lives
        await until(lambda: any(live.output.position for live in lives.values()))
        [draft_id] = lives
        return asking, draft_id

    return begin


async def answered(asking: asyncio.Task[Any]) -> Any:
    async with asyncio.timeout(BOUND_S):
        return await asking


async def last_event(app: Any, draft_id: str = "draft_a") -> tuple[str, Any]:
    async with asyncio.timeout(BOUND_S):
        response = await app.client.get(f"/v1/drafts/{draft_id}/events")
    name, data = response.text.strip().split("\n\n")[-1].splitlines()[-2:]
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def test_a_draft_that_is_deleted_elsewhere_is_written_no_further(
    keeping: Start, until: Until, begun: Start
) -> None:
    store, gate = MemoryStore(), asyncio.Event()
    play = [Say("<think> a"), Stall(gate=gate), Say(" b"), Stall(gate=asyncio.Event())]
    app = await keeping(store, play)
    asking, draft_id = await begun(app)
    await store.delete(draft_id)
    gate.set()
    response = await answered(asking)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "draft_deleted")
    await until(lambda: not app.service.shelf.scribe.num_live)
    assert app.engine.open_streams == 0


async def test_a_draft_that_is_deleted_here_is_ended_first(keeping: Start, begun: Start) -> None:
    store = MemoryStore()
    app = await keeping(store, [Say("<think> a"), Stall(gate=asyncio.Event())])
    asking, draft_id = await begun(app)
    async with asyncio.timeout(BOUND_S):
        assert (await app.client.delete(f"/v1/drafts/{draft_id}")).json()["deleted"] is True
    assert app.engine.open_streams == 0
    assert (await answered(asking)).json()["error"]["code"] == "draft_cancelled"
    assert await store.get(draft_id) is None


async def test_a_draft_may_be_cancelled_by_two_at_once(keeping: Start, begun: Start) -> None:
    app = await keeping(MemoryStore(), [Say("<think> a"), Stall(gate=asyncio.Event())])
    asking, draft_id = await begun(app)
    cancel = f"/v1/drafts/{draft_id}/cancel"
    async with asyncio.timeout(BOUND_S):
        both = await asyncio.gather(app.client.post(cancel), app.client.post(cancel))
    assert [response.json()["state"] for response in both] == ["cancelled", "cancelled"]
    await answered(asking)


async def test_a_draft_that_ends_elsewhere_just_before_it_does_here_is_what_it_is_there(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    end = store.end

    async def late(draft_id: str, **how: Any) -> None:
        await end(draft_id, state=State.CANCELLED, meta=b"{}", whole=b'[["s",0,"a","Once"]]\n')
        await end(draft_id, **how)

    monkeypatch.setattr(store, "end", late)
    async with asyncio.timeout(BOUND_S):
        response = await app.chat(store=True)
    assert response.json()["error"]["code"] == "draft_cancelled"
    [draft] = (await app.client.get("/v1/drafts")).json()["data"]
    assert (await last_event(app, draft["id"]))[1]["state"] == "cancelled"


async def test_the_readers_of_a_draft_that_is_lost_to_a_fault_are_told(
    keeping: Start, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(*given: Any, **named: Any) -> None:
        raise RuntimeError("odd")

    store = MemoryStore()
    app = await keeping(store, STORY)
    monkeypatch.setattr(store, "end", odd)
    async with asyncio.timeout(BOUND_S):
        response = await app.chat(store=True)
    assert response.json()["error"]["code"] == "draft_interrupted"
    assert not app.service.shelf.scribe.num_live
    assert app.service.desk.admission.running == 0


async def test_a_store_that_hangs_does_not_hold_up_the_end_of_the_process(
    keeping: Start, begun: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    app = await keeping(store, [Say("<think> a"), Stall(gate=asyncio.Event())])
    asking, _ = await begun(app)

    async def hang(*given: Any, **named: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(store, "update", hang)
    monkeypatch.setattr("server.drafts.scribe._HAND_OVER_S", 0.0)
    async with asyncio.timeout(BOUND_S):
        await app.service.shelf.scribe.close()
    assert (await answered(asking)).json()["error"]["code"] == "draft_interrupted"
    assert app.engine.open_streams == 0


async def test_a_draft_that_is_handed_over_before_it_began_is_left_for_the_next(
    keeping: Start, a_record: Made
) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    await left_alone(store, a_record)
    scribe = app.service.shelf.scribe
    await scribe.tending.tend()
    assert scribe.num_live == 1
    async with asyncio.timeout(BOUND_S):
        await scribe.hand_over()
    assert await state_of(store) is State.INTERRUPTED
    assert app.engine.jobs == []


async def test_drafts_that_nobody_writes_are_looked_for_again_and_again(
    keeping: Start, until: Until, a_record: Made
) -> None:
    store = MemoryStore()
    app = await keeping(store, [Say(" upon a time.")], drafts_lease_s=0.03)
    await left_alone(store, a_record)
    await until(lambda: app.value("longhand_drafts_kept_total", state="finished") == 1)
    assert await state_of(store) is State.FINISHED


async def test_a_draft_that_ends_while_its_lease_is_renewed_has_ended(
    keeping: Start, begun: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    app = await keeping(store, [Say("<think> a"), Stall(gate=asyncio.Event())])
    asking, draft_id = await begun(app)
    scribe, renew = app.service.shelf.scribe, store.renew

    async def late(*given: Any) -> tuple[str, ...]:
        await scribe.cancel(draft_id)
        return await renew(*given)

    monkeypatch.setattr(store, "renew", late)
    async with asyncio.timeout(BOUND_S):
        await scribe.tending.tend()
    assert (await answered(asking)).json()["error"]["code"] == "draft_cancelled"
    assert await state_of(store, draft_id) is State.CANCELLED


async def test_a_draft_that_goes_on_without_its_store_is_not_written_twice_when_that_is_back(
    keeping: Start, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate = MemoryStore(), asyncio.Event()
    play = [Say("<think> a </think> <answer> Once"), Stall(gate=gate), Say(" upon. </answer>")]
    app = await keeping(store, play, drafts_on_failure="stream")
    with monkeypatch.context() as patch:
        away(patch, store, "append")
        asking = asyncio.create_task(app.chat(store=True))
        lives = app.service.shelf.scribe._lives
        await until(lambda: any(live.output.position for live in lives.values()))
    [draft_id] = lives
    # Its lease has run out: it is not renewed any more.
    await store.update(draft_id, state=State.INTERRUPTED)
    await app.service.shelf.scribe.tending.tend()
    gate.set()
    response = await answered(asking)
    assert response.json()["choices"][0]["message"]["content"] == "Once upon."
    assert len(app.engine.jobs) == 1


async def test_old_drafts_are_looked_for_now_and_then_only(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked = MemoryStore(), []
    app = await keeping(store, STORY)
    evict = store.evict

    async def counted(**how: Any) -> int:
        asked.append(how)
        return await evict(**how)

    monkeypatch.setattr(store, "evict", counted)
    for _ in range(2):
        await app.service.shelf.scribe.tending.tend()
    assert len(asked) == 1


async def test_a_draft_whose_beginning_could_not_be_stored_is_written(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    away(monkeypatch, store, "update")
    async with asyncio.timeout(BOUND_S):
        response = await app.chat(store=True)
    assert response.status_code == 200
    assert await state_of(store, response.headers["longhand-draft-id"]) is State.FINISHED


async def test_a_draft_without_a_store_fails_with_its_engine(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    play = [Say("<think> a"), Die("of this")]
    app = await keeping(store, play, drafts_on_failure="stream", on_engine_death="restart")
    away(monkeypatch, store, "create")
    async with asyncio.timeout(BOUND_S):
        response = await app.chat(store=True)
    assert response.json()["error"]["code"].startswith("engine_")
    assert app.value("longhand_drafts_kept_total", state="failed") == 1


async def test_a_draft_whose_last_words_were_not_stored_is_not_carried_on(
    keeping: Start, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate, dying = MemoryStore(), asyncio.Event(), asyncio.Event()

    async def fail(entries: list[Entry]) -> tuple[str, ...]:
        await gate.wait()
        raise StoreUnavailable("the disk is full")

    def build() -> ScriptedEngine:
        return ScriptedEngine(plays=[[Say("<think> a"), Stall(gate=dying), Die("of this")]])

    settings = {"on_engine_death": "restart", "max_engine_restarts": 9}
    app = await keeping(store, build=build, drafts_on_failure="stream", **settings)
    monkeypatch.setattr(store, "append", fail)
    asking = asyncio.create_task(app.chat(store=True))
    lives = app.service.shelf.scribe._lives
    await until(lambda: any(live.writing for live in lives.values()))
    [live] = lives.values()
    first = live.writing
    dying.set()
    await until(lambda: live.writing is not first)
    gate.set()
    error = (await answered(asking)).json()["error"]
    assert error["code"] == "draft_not_carried_on"
    assert "its log was not stored" in error["message"]


async def test_a_draft_is_left_alone_where_no_engine_can_be_started(
    keeping: Start, a_record: Made
) -> None:
    def build() -> ScriptedEngine:
        raise CannotServe("no such model")

    store = MemoryStore()
    await left_alone(store, a_record)
    app = await keeping(store, build=build, ready=False)
    async with asyncio.timeout(BOUND_S):
        await app.service.engine.failed.wait()
        for live in app.service.shelf.scribe._lives.values():
            await live.closed()
    assert await state_of(store) is State.INTERRUPTED


async def test_a_draft_that_is_carried_on_waits_until_the_queue_has_room_for_it(
    keeping: Start, until: Until, begun: Start, a_record: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate = MemoryStore(), asyncio.Event()
    first = [Say("<think> a </think> <answer> Once"), Stall(gate=gate), Say(". </answer>")]
    app = await keeping(store, first, [Say(" upon a time.")], max_running=1, max_queued=0)
    asking, _ = await begun(app)
    await left_alone(store, a_record)
    admission, refused = app.service.desk.admission, []
    enter = type(admission).enter

    def counted(*given: Any) -> Any:
        try:
            return enter(*given)
        except Exception as error:
            refused.append(error)
            raise

    monkeypatch.setattr(type(admission), "enter", counted)
    await app.service.shelf.scribe.tending.tend()
    await until(lambda: len(refused) > 1)
    gate.set()
    assert (await answered(asking)).status_code == 200
    assert (await last_event(app))[1]["state"] == "finished"
    assert (await app.client.get("/v1/drafts/draft_a")).json()["answer"] == " upon a time."


@pytest.mark.parametrize("num_read", [0, 1])
async def test_a_draft_whose_log_cannot_be_had_now_is_carried_on_later(
    keeping: Start, until: Until, a_record: Made, monkeypatch: pytest.MonkeyPatch, num_read: int
) -> None:
    store = MemoryStore()
    app = await keeping(store, [Say(" upon a time.")])
    await left_alone(store, a_record)
    scribe = app.service.shelf.scribe
    entries, asked = store.entries, []

    async def fail(draft_id: str) -> tuple[bytes, ...]:
        asked.append(draft_id)
        if len(asked) > num_read:
            raise StoreUnavailable("the disk is full", code="store_full")
        return await entries(draft_id)

    with monkeypatch.context() as patch:
        patch.setattr(store, "entries", fail)
        await scribe.tending.tend()
        await until(lambda: len(asked) > num_read and not scribe.num_live)
    assert await state_of(store) is State.INTERRUPTED
    assert app.engine.jobs == []
    await scribe.tending.tend()
    assert (await last_event(app))[1]["state"] == "finished"
