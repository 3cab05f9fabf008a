"""Interrupted drafts that are only marked: their readers are told at once, and they are carried on
when somebody asks for it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from server.drafts.memory import MemoryStore
from server.drafts.reading import Over, Quiet
from server.drafts.store import Entry, Kind, Record, State
from server.engine.scripted import Say, Stall
from server.errors import StoreUnavailable

BOUND_S = 8.0
Start = Callable[..., Awaitable[Any]]
Until = Callable[[Callable[[], object]], Awaitable[None]]
META = {
    "model": "scripted",
    "head": {"id": "cmpl-a", "model": "scripted", "created": 1},
    "asked": {"low_words": None, "high_words": None, "source": "none"},
}
SAID = b'[["o",0],[0," upon",[1]],["=",0,"a"]]\n'
REST = [Say(" a time.")]


@pytest.fixture
def abandon(a_record: Callable[..., Record]) -> Callable[..., Awaitable[None]]:
    """Puts a completion into a store that was interrupted behind its first word."""

    async def put(store: MemoryStore, state: State = State.INTERRUPTED, **meta: Any) -> None:
        record = a_record(
            "draft_a",
            kind=Kind.COMPLETION,
            request=b'{"prompt": "Once", "max_tokens": 9}',
            meta=json.dumps({**META, **meta}).encode(),
        )
        await store.create(record, "the dead", 1.0)
        await store.append([Entry(draft_id="draft_a", body=SAID)])
        await store.update("draft_a", state=state)

    return put


async def events(app: Any, after: int = 0) -> list[tuple[str, Any]]:
    async with asyncio.timeout(BOUND_S):
        response = await app.client.get(f"/v1/drafts/draft_a/events?after={after}")
    blocks = [block.splitlines() for block in response.text.strip().split("\n\n")]
    return [
        (lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: ")))
        for lines in blocks
    ]


async def resume(app: Any) -> Any:
    async with asyncio.timeout(BOUND_S):
        return await app.client.post("/v1/drafts/draft_a/resume")


async def test_a_marked_draft_is_carried_on_when_that_is_asked_for(
    keeping: Start, abandon: Start
) -> None:
    store = MemoryStore()
    await abandon(store)
    app = await keeping(store, REST, drafts_recover="mark")
    name, end = (await events(app, after=5))[-1]
    assert (name, end["state"], app.engine.jobs) == ("end", "interrupted", [])
    resumed = await resume(app)
    assert (resumed.status_code, resumed.json()["state"]) == (202, "queued")
    assert resumed.json()["answer"] == " upon"
    rest = await events(app, after=5)
    assert "".join(data["text"] for name, data in rest if name == "delta") == " a time."
    assert rest[-1][1]["state"] == "finished"
    draft = (await app.client.get("/v1/drafts/draft_a")).json()
    assert (draft["state"], draft["answer"]) == ("finished", " upon a time.")
    assert app.value("longhand_drafts_carried_on_total") == 1


@pytest.mark.parametrize("recover", ["mark", "carry_on"])
async def test_a_draft_that_is_over_is_not_carried_on(
    keeping: Start, abandon: Start, recover: str
) -> None:
    store = MemoryStore()
    await abandon(store)
    await store.end("draft_a", state=State.FINISHED, meta=json.dumps(META).encode(), whole=b"")
    app = await keeping(store, REST, drafts_recover=recover)
    refused = await resume(app)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "draft_not_interrupted")
    assert "this draft is finished" in refused.json()["error"]["message"]


async def test_a_draft_that_ends_while_it_is_asked_for_is_not_carried_on(
    keeping: Start, abandon: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    await abandon(store)
    app = await keeping(store, REST, drafts_recover="mark")
    take = store.take

    async def late(*given: Any) -> Record | None:
        await store.end("draft_a", state=State.CANCELLED, meta=b"{}", whole=b"")
        return await take(*given)

    monkeypatch.setattr(store, "take", late)
    assert (await resume(app)).status_code == 409
    assert app.service.shelf.scribe.num_live == 0


async def test_a_draft_that_is_being_written_is_not_carried_on(
    keeping: Start, until: Until
) -> None:
    gate = asyncio.Event()
    app = await keeping(MemoryStore(), [Say("<think> a </think> Once"), Stall(gate=gate)])
    asking = asyncio.create_task(app.chat(store=True))
    scribe = app.service.shelf.scribe
    await until(lambda: any(live.output.position for live in scribe._lives.values()))
    [draft_id] = scribe._lives
    refused = await app.client.post(f"/v1/drafts/{draft_id}/resume")
    assert refused.status_code == 409
    assert refused.json()["error"]["message"].startswith("this draft is writing")
    gate.set()
    async with asyncio.timeout(BOUND_S):
        await asking


async def test_a_draft_of_another_model_is_carried_on_by_nobody_here(
    keeping: Start, abandon: Start
) -> None:
    store = MemoryStore()
    await abandon(store, model="other")
    app = await keeping(store, REST)
    refused = await resume(app)
    assert refused.status_code == 409
    assert "another model than 'scripted'" in refused.json()["error"]["message"]


async def test_a_draft_that_is_asked_for_twice_at_once_is_written_once(
    keeping: Start, abandon: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    await abandon(store)
    app = await keeping(store, REST, drafts_recover="mark")
    take, both = store.take, asyncio.Event()
    asked: list[Any] = []

    async def late(*given: Any) -> Record | None:
        asked.append(given)
        if len(asked) == 2:
            both.set()
        await both.wait()
        return await take(*given)

    monkeypatch.setattr(store, "take", late)
    answers = await asyncio.gather(resume(app), resume(app))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert (await events(app))[-1][1]["state"] == "finished"
    assert len(app.engine.jobs) == 1


async def test_a_server_that_ends_carries_nothing_on(keeping: Start, abandon: Start) -> None:
    store = MemoryStore()
    await abandon(store)
    app = await keeping(store, REST, drafts_recover="mark")
    await app.service.shelf.scribe.hand_over()
    refused = await resume(app)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draft_interrupted")


async def test_a_draft_whose_store_goes_as_it_is_asked_for_is_marked_again(
    keeping: Start, abandon: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    await abandon(store)
    app = await keeping(store, REST, drafts_recover="mark")

    async def fail(*given: Any, **named: Any) -> None:
        raise StoreUnavailable("the disk is full", code="store_full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "entries", fail)
        assert (await resume(app)).json()["error"]["code"] == "store_full"
    await app.service.shelf.scribe.tending.tend()
    assert (await events(app))[-1][1]["state"] == "interrupted"
    assert (await resume(app)).status_code == 202
    assert (await events(app))[-1][1]["state"] == "finished"


@pytest.mark.parametrize("quiet_s", [None, 0.01])
async def test_who_reads_a_draft_as_it_is_marked_is_told_though_another_gateway_held_it(
    keeping: Start, abandon: Start, monkeypatch: pytest.MonkeyPatch, quiet_s: float | None
) -> None:
    monkeypatch.setattr("server.drafts.reading._LOOK_S", 0.01)
    store = MemoryStore()
    app = await keeping(store, REST, drafts_recover="mark")
    await abandon(store, State.WRITING)
    get, looks = store.get, []

    async def last_look(draft_id: str) -> Record | None:
        looks.append(draft_id)
        if len(looks) == 3:
            # The lease of its gateway has run out.
            await store.update(draft_id, state=State.INTERRUPTED)
        return await get(draft_id)

    monkeypatch.setattr(store, "get", last_look)
    follow = app.service.shelf.scribe.follow("draft_a", quiet_s=quiet_s)
    async with asyncio.timeout(BOUND_S), aclosing(follow) as readings:
        seen = [reading async for reading in readings]
    assert isinstance(seen[-1], Over)
    assert seen[-1].state is State.INTERRUPTED
    assert quiet_s is not None or Quiet() not in seen


async def test_who_reads_a_draft_that_goes_on_elsewhere_waits_for_it(
    keeping: Start, abandon: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.drafts.reading._LOOK_S", 0.01)
    store = MemoryStore()
    app = await keeping(store, REST, drafts_recover="mark")
    await abandon(store, State.WRITING)
    follow = app.service.shelf.scribe.follow("draft_a", quiet_s=0.01)
    async with asyncio.timeout(BOUND_S), aclosing(follow) as readings:
        assert (await anext(readings)).position == 5
        assert [await anext(readings) for _ in range(2)] == [Quiet(), Quiet()]


async def test_a_server_that_only_marks_says_at_its_end_how_a_draft_goes_on(
    keeping: Start, until: Until
) -> None:
    gate = asyncio.Event()
    play = [Say("<think> a </think> Once"), Stall(gate=gate)]
    app = await keeping(MemoryStore(), play, drafts_recover="mark")
    asking = asyncio.create_task(app.chat(store=True, stream=True))
    scribe = app.service.shelf.scribe
    await until(lambda: any(live.output.position for live in scribe._lives.values()))
    [draft_id] = scribe._lives
    await scribe.hand_over()
    async with asyncio.timeout(BOUND_S):
        told = (await asking).text
    assert f"POST /v1/drafts/{draft_id}/resume has it carried on" in told
    again = await app.chat(store=True, stream=True)
    assert again.status_code == 503


async def test_the_same_request_again_is_told_that_its_draft_is_marked(
    keeping: Start, until: Until
) -> None:
    store = MemoryStore()
    gate = asyncio.Event()
    play = [Say("<think> a </think> Once"), Stall(gate=gate)]
    app = await keeping(store, play, drafts_recover="mark")
    asked = {"json": {"messages": [{"role": "user", "content": "Write."}]},
             "headers": {"idempotency-key": "one"}}  # fmt: skip
    asking = asyncio.create_task(app.client.post("/v1/chat/completions", **asked))
    scribe = app.service.shelf.scribe
    await until(lambda: any(live.output.position for live in scribe._lives.values()))
    await scribe.hand_over()
    await asking
    after = await keeping(store, play, drafts_recover="mark")
    async with asyncio.timeout(BOUND_S):
        again = await after.client.post("/v1/chat/completions", **asked)
    assert again.status_code == 503
    assert "POST /v1/drafts/{id}/resume" in again.json()["error"]["message"]
