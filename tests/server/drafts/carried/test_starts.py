"""Drafts whose client goes, or comes again, at the very moment that they begin or end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.drafts.again import Left
from server.drafts.memory import MemoryStore
from server.drafts.store import Entry, Record, State
from server.engine.scripted import Say, Stall
from server.errors import StoreUnavailable

BOUND_S = 8.0
Start = Callable[..., Awaitable[Any]]
Until = Callable[[Callable[[], object]], Awaitable[None]]
STORY = [Say("<think> Plan. </think> <answer>\nOnce upon a time they slept. </answer>")]


class Slow:
    """Holds what a method has done back until ``gate`` is set, or fails then."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        store: MemoryStore,
        name: str,
        error: Exception | None = None,
    ) -> None:
        self.done, self.gate = asyncio.Event(), asyncio.Event()
        self._method, self._error = getattr(store, name), error
        patch.setattr(store, name, self._call)

    async def _call(self, *given: Any) -> Any:
        found = await self._method(*given)
        self.done.set()
        await self.gate.wait()
        if self._error is not None:
            raise self._error
        return found


async def go(asking: asyncio.Task[Any]) -> None:
    """The client goes."""
    asking.cancel()
    async with asyncio.timeout(BOUND_S):
        await asyncio.wait([asking])
    assert asking.cancelled()


async def test_a_draft_whose_client_goes_while_it_is_stored_is_written_and_there_for_its_retry(
    keeping: Start, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    creating = Slow(monkeypatch, store, "create")
    asking = asyncio.create_task(app.chat(store=True))
    await until(creating.done.is_set)
    await go(asking)
    creating.gate.set()
    await until(lambda: app.value("longhand_drafts_kept_total", state="finished") == 1)
    assert app.service.desk.admission.running == 0
    body = {"messages": [{"role": "user", "content": "Write a line."}], "store": True}
    again = await app.client.post(
        "/v1/chat/completions", json=body, headers={"x-stainless-retry-count": "1"}
    )
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["choices"][0]["message"]["content"] == "Once upon a time they slept."
    assert len(app.engine.jobs) == 1


async def test_a_draft_that_cannot_be_stored_gives_its_place_back_though_its_client_is_gone(
    keeping: Start, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    creating = Slow(monkeypatch, store, "create", StoreUnavailable("the disk is full"))
    asking = asyncio.create_task(app.chat(store=True))
    await until(creating.done.is_set)
    await go(asking)
    assert app.service.desk.admission.running == 1
    creating.gate.set()
    await until(lambda: app.service.desk.admission.running == 0)
    assert app.engine.jobs == []


async def test_a_draft_that_is_just_being_stored_is_handed_over_too(
    keeping: Start, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    creating = Slow(monkeypatch, store, "create")
    asking = asyncio.create_task(app.chat(store=True))
    await until(creating.done.is_set)
    handing = asyncio.create_task(app.service.shelf.scribe.hand_over())
    creating.gate.set()
    async with asyncio.timeout(BOUND_S):
        await handing
        refused = await asking
    assert refused.json()["error"]["code"] == "draft_interrupted"
    [record] = await store.claim("the next", 60, 9)
    assert record.state is State.INTERRUPTED


async def test_a_draft_that_another_gateway_wrote_is_cancelled_though_who_asked_for_it_goes(
    keeping: Start, until: Until, monkeypatch: pytest.MonkeyPatch, a_record: Callable[..., Record]
) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    await store.create(a_record("draft_a"), "another", 60)
    await store.append([Entry(draft_id="draft_a", body=b'[["s",0,"a","Once"]]\n')])
    taking = Slow(monkeypatch, store, "take")
    asking = asyncio.create_task(app.client.post("/v1/drafts/draft_a/cancel"))
    await until(taking.done.is_set)
    await go(asking)
    taking.gate.set()
    scribe = app.service.shelf.scribe
    await until(lambda: not scribe._unbroken.tasks)
    draft = (await app.client.get("/v1/drafts/draft_a")).json()
    assert (draft["state"], draft["answer"]) == ("cancelled", "Once")


async def test_each_key_attaches_to_its_own_of_several_drafts(keeping: Start, until: Until) -> None:
    gate = asyncio.Event()
    app = await keeping(MemoryStore(), [Stall(gate=gate), *STORY])

    async def ask(key: str) -> Any:
        body = {"messages": [{"role": "user", "content": "Write."}]}
        headers = {"Idempotency-Key": key}
        return await app.client.post("/v1/chat/completions", json=body, headers=headers)

    async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as group:
        first = [group.create_task(ask(key)) for key in ("one", "other")]
        await until(lambda: len(app.engine.jobs) == 2)
        again = [group.create_task(ask(key)) for key in ("other", "one")]
        await until(lambda: app.value("longhand_requests_in_flight") == 4)
        gate.set()
    ids = [task.result().headers["longhand-draft-id"] for task in (*first, *again)]
    assert ids == [ids[0], ids[1], ids[1], ids[0]]
    assert ids[0] != ids[1]
    assert len(app.engine.jobs) == 2


def test_the_latest_clients_that_went_are_remembered_once(
    monkeypatch: pytest.MonkeyPatch, a_record: Callable[..., Record]
) -> None:
    monkeypatch.setattr("server.drafts.again._MAX_LEFT", 2)
    left = Left()
    for name in ("a", "b", "c"):
        left.add(a_record(name, body_hash=f"body of {name}"))
    left.add(a_record("d"))
    assert [left.take("", f"body of {name}") for name in "abcc"] == [None, "b", "c", None]
