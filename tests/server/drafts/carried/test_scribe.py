"""Drafts whose store is away, taken over by another gateway, or left too long."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from server.drafts.memory import MemoryStore
from server.drafts.output import Told
from server.drafts.reading import Over, Quiet, read_live
from server.drafts.store import Entry, Kind, Record, State
from server.engine.scripted import Say, Stall
from server.errors import NotFound, StoreUnavailable
from server.events import Fragment

BOUND_S = 8.0
Start = Callable[..., Awaitable[Any]]
Until = Callable[[Callable[[], object]], Awaitable[None]]
STORY = [Say("<think> Plan. </think> <answer>\nOnce upon a time they slept. </answer>")]
TEXT = "Plan.Once upon a time they slept."
_LATER = [Say(" time they slept. </answer>")]


class Failing(MemoryStore):
    """A store whose named methods fail for as long as they are in ``away``."""

    def __init__(self, *away: str) -> None:
        super().__init__()
        self.away = set(away)
        self.is_open = False

    def _check(self, name: str) -> None:
        if name in self.away:
            raise StoreUnavailable("the disk is full", code="store_full")

    async def open(self) -> None:
        self._check("open")

    async def create(self, record: Record, holder: str, lease_s: float) -> Record:
        self._check("create")
        return await super().create(record, holder, lease_s)

    async def append(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        self._check("append")
        return await super().append(entries)

    async def update(self, *given: Any, **named: Any) -> None:
        self._check("update")
        await super().update(*given, **named)

    async def end(self, *given: Any, **named: Any) -> None:
        self._check("end")
        await super().end(*given, **named)

    async def renew(self, *given: Any) -> tuple[str, ...]:
        self._check("renew")
        return await super().renew(*given)


async def read(app: Any, draft_id: str, after: int = 0) -> tuple[str, Over]:
    """All that a reader gets, and how it ends."""
    scribe, said = app.service.shelf.scribe, ""
    async with asyncio.timeout(BOUND_S), aclosing(scribe.follow(draft_id, after=after)) as found:
        async for reading in found:
            if isinstance(reading, Told) and isinstance(reading.choice.event, Fragment):
                said += reading.choice.event.text
            if isinstance(reading, Over):
                return said, reading
    raise AssertionError("no end")


async def test_a_draft_that_cannot_be_stored_is_refused(keeping: Start) -> None:
    app = await keeping(Failing("create"), STORY)
    refused = await app.chat(store=True)
    assert refused.status_code == 503
    assert refused.json()["error"] == {
        "message": "the disk is full", "type": "server_error", "param": None, "code": "store_full",
    }  # fmt: skip
    assert app.service.desk.admission.running == 0
    assert app.engine.jobs == []
    assert (await app.chat()).status_code == 200


@pytest.mark.parametrize("away", ["create", "append"])
async def test_a_draft_is_written_without_a_store_where_that_is_set(
    keeping: Start, away: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = await keeping(Failing(away), STORY, drafts_on_failure="stream")
    response = await app.chat(store=True)
    body = response.json()
    assert body["choices"][0]["message"]["content"] == TEXT.removeprefix("Plan.")
    assert body["writing"]["stored"] is False
    assert app.value("longhand_drafts_unstored_total") == 1
    [told] = [one for one in caplog.records if one.message == "a draft is not stored"]
    assert vars(told)["draft"] == response.headers["longhand-draft-id"]
    assert vars(told)["reason"] == "the disk is full"
    if away == "create":
        assert response.headers["longhand-draft-stored"] == "false"
    assert (await app.client.get("/health/ready")).status_code == 200


async def test_a_stream_that_loses_its_store_on_the_way_says_so_at_its_end(
    keeping: Start, until: Until
) -> None:
    store, gate = Failing(), asyncio.Event()
    play = [Say("<think> Plan. </think> <answer>\nOnce upon a"), Stall(gate=gate), *_LATER]
    app = await keeping(store, play, drafts_on_failure="stream")
    asking = asyncio.create_task(app.chat(store=True, stream=True, n=2))
    lives = app.service.shelf.scribe._lives
    await until(lambda: any(live.output.position for live in lives.values()))
    store.away.add("append")
    gate.set()
    async with asyncio.timeout(BOUND_S):
        response = await asking
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    ends = [chunk for chunk in chunks if chunk["choices"][0]["finish_reason"]]
    assert [end["writing"]["stored"] for end in ends] == [False, False]
    assert app.value("longhand_drafts_unstored_total") == 1


async def test_a_store_that_is_away_for_a_moment_holds_drafts_up_and_loses_nothing(
    keeping: Start, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Failing("append")
    app = await keeping(store, STORY)
    monkeypatch.setattr("server.drafts.committer._PATIENCE_S", BOUND_S)
    asking = asyncio.create_task(app.chat(store=True))
    await until(lambda: (app.value("longhand_drafts_store_failures_total") or 0) > 1)
    ready = await app.client.get("/health/ready")
    assert (ready.status_code, ready.json()["reason"]) == (503, "drafts: the disk is full")
    assert not asking.done()
    store.away.clear()
    async with asyncio.timeout(BOUND_S):
        body = (await asking).json()
    assert body["choices"][0]["message"]["content"] == TEXT.removeprefix("Plan.")
    assert (await app.client.get("/health/ready")).status_code == 200
    draft_id = body["writing"]["draft_id"]
    assert (await read(app, draft_id))[0] == TEXT


async def test_a_store_that_stays_away_ends_the_stream_and_keeps_what_it_has(
    keeping: Start,
) -> None:
    store = Failing("append")
    app = await keeping(store, STORY)
    async with asyncio.timeout(BOUND_S):
        failed = await app.chat(store=True)
    assert failed.json()["error"]["code"] == "store_unavailable"
    draft = (await app.client.get("/v1/drafts")).json()["data"][0]
    assert draft["state"] == "interrupted"
    store.away.clear()
    await app.service.shelf.scribe.tending.tend()
    assert (await read(app, draft["id"]))[1].state is State.FINISHED


async def test_an_end_that_cannot_be_stored_is_made_up_for_later(keeping: Start) -> None:
    store = Failing("end")
    app = await keeping(store, STORY)
    async with asyncio.timeout(BOUND_S):
        body = (await app.chat(store=True)).json()
    draft_id = body["writing"]["draft_id"]
    record = await store.get(draft_id)
    assert record is not None
    assert not record.state.over
    store.away.clear()
    # Its lease has run out.
    await store.update(draft_id, state=State.INTERRUPTED)
    await app.service.shelf.scribe.tending.tend()
    assert (await read(app, draft_id))[0] == TEXT
    assert len(app.engine.jobs) == 1


async def test_a_store_that_cannot_be_opened_is_a_reason_not_to_be_ready(
    keeping: Start,
) -> None:
    store = Failing("open")
    app = await keeping(store, STORY)
    assert (await app.client.get("/health/ready")).json()["reason"] == "drafts: the disk is full"
    store.away.clear()
    await app.service.shelf.scribe.tending.tend()
    assert (await app.client.get("/health/ready")).status_code == 200


async def test_tending_goes_on_when_the_store_is_away(keeping: Start) -> None:
    store = Failing()
    app = await keeping(store, [*STORY[:0], Stall(gate=asyncio.Event())])
    asking = asyncio.create_task(app.chat(store=True))
    await asyncio.wait([asking], timeout=0.05)
    store.away.add("renew")
    await app.service.shelf.scribe.tending.tend()
    asking.cancel()


async def test_a_draft_that_another_gateway_took_is_read_on_from_the_store(
    keeping: Start, until: Until
) -> None:
    store, gate = MemoryStore(), asyncio.Event()
    app = await keeping(store, [Say("<think> a </think> <answer> Once"), Stall(gate=gate)])
    asking = asyncio.create_task(app.chat(store=True))
    scribe = app.service.shelf.scribe
    await until(lambda: any(live.output.position for live in scribe._lives.values()))
    [draft_id] = scribe._lives
    reading = asyncio.create_task(read(app, draft_id))
    assert await store.take(draft_id, "another", 60) is not None
    await scribe.tending.tend()
    await until(lambda: not scribe.num_live)
    assert app.engine.open_streams == 0
    await store.append([Entry(draft_id=draft_id, body=b'[["s",0,"a"," upon."]]\n')])
    await store.end(draft_id, state=State.FINISHED, meta=b"{}", whole=b'[["s",0,"r","a"]]\n')
    async with asyncio.timeout(BOUND_S):
        said, over = await reading
    assert (said, over.state) == ("aOnce upon.", State.FINISHED)
    await asking


async def test_what_another_gateway_writes_can_be_cancelled_here(keeping: Start) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    record = Record(
        id="draft_a", owner="", kind=Kind.CHAT, state=State.WRITING, created_s=1.0, updated_s=1.0,
        expires_s=None, request=b"{}", meta=b'{"model": "scripted"}',
    )  # fmt: skip
    await store.create(record, "another", 60)
    await store.append([Entry(draft_id="draft_a", body=b'[["s",0,"a","Once"]]\n')])
    reading = asyncio.create_task(read(app, "draft_a"))
    draft = (await app.client.post("/v1/drafts/draft_a/cancel")).json()
    assert (draft["state"], draft["answer"], draft["position"]) == ("cancelled", "Once", 4)
    async with asyncio.timeout(BOUND_S):
        said, over = await reading
    assert (said, over.state) == ("Once", State.CANCELLED)
    await app.service.shelf.scribe.cancel("draft_a")


async def test_the_reader_of_a_draft_that_is_deleted_elsewhere_is_told(
    keeping: Start, until: Until
) -> None:
    store = MemoryStore()
    app = await keeping(store, STORY)
    record = Record(
        id="draft_a", owner="", kind=Kind.CHAT, state=State.WRITING, created_s=1.0, updated_s=1.0,
        expires_s=None, request=b"{}", meta=b"{}",
    )  # fmt: skip
    await store.create(record, "another", 60)
    scribe = app.service.shelf.scribe
    seen: list[Any] = []

    async def follow() -> None:
        async with aclosing(scribe.follow("draft_a", quiet_s=0.01)) as readings:
            async for reading in readings:
                seen.append(reading)  # noqa: PERF401  # looked at while it grows

    following = asyncio.create_task(follow())
    await until(lambda: seen)
    assert seen[0] == Quiet()
    await scribe.delete("draft_a")
    with pytest.raises(NotFound):
        async with asyncio.timeout(BOUND_S):
            await following


async def test_nothing_new_is_started_while_drafts_are_handed_over(keeping: Start) -> None:
    app = await keeping(MemoryStore(), STORY)
    await app.service.shelf.scribe.hand_over()
    refused = await app.chat(store=True)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert app.service.desk.admission.running == 0


async def test_a_client_that_waits_sees_that_there_is_life(keeping: Start) -> None:
    gate = asyncio.Event()
    app = await keeping(MemoryStore(), [Stall(gate=gate), *STORY], heartbeat_s=0.01)
    asking = asyncio.create_task(app.chat(store=True, stream=True))
    await asyncio.wait([asking], timeout=0.1)
    gate.set()
    async with asyncio.timeout(BOUND_S):
        response = await asking
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [c for c in chunks if c["choices"][0]["delta"] == {"content": ""}]


async def test_a_waiting_draft_takes_its_place_when_one_is_free(
    keeping: Start, until: Until
) -> None:
    gate = asyncio.Event()
    app = await keeping(
        MemoryStore(), [Stall(gate=gate), *STORY], STORY, max_running=1, heartbeat_s=0.01
    )
    first, second = (asyncio.create_task(app.chat(store=True)) for _ in range(2))
    await until(lambda: app.value("longhand_queue_depth") == 1)
    gate.set()
    async with asyncio.timeout(BOUND_S):
        bodies = [(await each).json() for each in (first, second)]
    assert [body["choices"][0]["finish_reason"] for body in bodies] == ["stop", "stop"]


async def test_how_candidates_get_on_is_told_to_who_follows(keeping: Start) -> None:
    # Progress that the end overtakes is not told: this draft takes its time.
    slow = [Say("<think> Plan. </think> <answer>\nOnce upon a"), Stall(0.1), *_LATER]
    app = await keeping(MemoryStore(), slow, progress_s=0.001)
    writing = {"best_of": 2, "progress": True}
    response = await app.chat(store=True, stream=True, writing=writing)
    assert '"progress":[' in response.text
    draft_id = response.headers["longhand-draft-id"]
    assert (await read(app, draft_id))[0] == TEXT


async def test_old_drafts_are_deleted(keeping: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    app = await keeping(MemoryStore(), STORY, drafts_ttl_s=0.001)
    draft_id = (await app.chat(store=True)).headers["longhand-draft-id"]
    tending = app.service.shelf.scribe.tending
    monkeypatch.setattr("server.drafts.tending.now_s", lambda: 1e12)
    tending._next_eviction_s = 0.0
    await tending.tend()
    assert (await app.client.get(f"/v1/drafts/{draft_id}")).status_code == 404
    assert app.value("longhand_drafts_evicted_total") == 1


async def test_every_backend_is_made_by_its_name(gateway: Start, tmp_path: Any) -> None:
    app = await gateway(STORY, drafts="sqlite", drafts_path=tmp_path / "drafts.sqlite")
    draft_id = (await app.chat(store=True)).headers["longhand-draft-id"]
    assert (await read(app, draft_id))[0] == TEXT
    away = await gateway(STORY, drafts="redis", drafts_url="redis://127.0.0.1:1/0")
    assert (await away.client.get("/health/ready")).status_code == 503
    assert (await away.chat(store=True)).json()["error"]["code"] == "store_unavailable"


async def test_a_store_that_stays_away_is_told_of_once(
    gateway: Start, caplog: pytest.LogCaptureFixture
) -> None:
    away = await gateway(STORY, drafts="redis", drafts_url="redis://127.0.0.1:1/0")
    for _ in range(2):
        await away.service.shelf.scribe.tending.tend()
    assert caplog.messages.count("drafts cannot be stored") == 1


async def test_a_reader_that_goes_is_no_reader_any_more(keeping: Start, until: Until) -> None:
    app = await keeping(MemoryStore(), [Say("<think> a"), Stall(gate=asyncio.Event())])
    asking = asyncio.create_task(app.chat(store=True))
    scribe = app.service.shelf.scribe
    await until(lambda: any(live.output.position for live in scribe._lives.values()))
    [live] = scribe._lives.values()
    before = live.num_readers
    async with aclosing(read_live(live, 0, None)) as readings:
        assert isinstance(await anext(readings), Told)
        assert live.num_readers == before + 1
    assert live.num_readers == before
    asking.cancel()
