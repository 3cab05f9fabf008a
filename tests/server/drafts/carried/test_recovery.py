"""Drafts of a gateway that is gone: found, carried on from their log, marked, or told why not."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from server.drafts.memory import MemoryStore
from server.drafts.store import Entry, Kind, Record, State
from server.engine.scripted import Die, Say, ScriptedEngine, Stall

BOUND_S = 8.0
Start = Callable[..., Awaitable[Any]]
Mind = Callable[[ScriptedEngine], ScriptedEngine]
PLAYS = (
    [Say("<think> One, and two. </think> <answer>\nOnce upon a time.</answer>")],
    [Say(" Then they all went on and on, and it was late in the year. </answer>")],
    [Say(" The roads were long, and nobody knew the way any more. </answer>")],
    [Say(" At last they slept. </answer>")],
)
FIELDS = {"writing": {"words": [40, 50], "length_control": "extend"}, "temperature": 0}


@dataclass
class Recorder(MemoryStore):
    """A store that remembers each commit, so that a crash can be put behind any of them."""

    commits: list[tuple[Entry, ...]] = field(default_factory=list)
    made: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def create(self, record: Record, holder: str, lease_s: float) -> Record:
        self.made.append(record)
        return await super().create(record, holder, lease_s)

    async def append(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        self.commits.append(tuple(entries))
        return await super().append(entries)

    async def until(self, num_commits: int) -> MemoryStore:
        """What a crash behind so many commits would have left."""
        left = MemoryStore()
        for record in self.made:
            await left.create(record, "the dead", 1.0)
        for entries in self.commits[:num_commits]:
            await left.append(entries)
        for record in self.made:
            # Nobody holds it: its gateway is gone.
            await left.update(record.id, state=State.INTERRUPTED)
            await left.update(record.id, state=State.WRITING)
        return left


@pytest.fixture
def keeping(gateway: Start, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[Any]]:
    """Starts an application over a store: ``await keeping(store, play, ...)``."""

    async def start(store: MemoryStore, *plays: Any, **settings: Any) -> Any:
        monkeypatch.setattr("server.shelving._store", lambda settings: store)
        # So that there are many commits for a crash to be behind of.
        monkeypatch.setattr("server.drafts.committer._INTERVAL_S", 0.0)
        return await gateway(*plays, **settings)

    return start


async def events(app: Any, draft_id: str, after: int = 0) -> list[tuple[str, Any]]:
    async with asyncio.timeout(BOUND_S):
        response = await app.client.get(f"/v1/drafts/{draft_id}/events", params={"after": after})
    assert response.status_code == 200, response.text
    blocks = [block.splitlines() for block in response.text.split("\n\n") if "event: " in block]
    return [
        (lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: ")))
        for lines in blocks
    ]


def text(found: Sequence[tuple[str, Any]]) -> str:
    return "".join(data["text"] for name, data in found if name == "delta")


async def test_a_crash_behind_any_commit_changes_nothing_that_is_read(
    keeping: Start, minded: Mind
) -> None:
    recorder = Recorder()
    app = await keeping(recorder, *PLAYS)
    draft_id = (await app.chat(store=True, **FIELDS)).headers["longhand-draft-id"]
    whole = await events(app, draft_id)
    finished = (await app.client.get(f"/v1/drafts/{draft_id}")).json()
    assert "Once upon a time.\n\n Then they" in text(whole)
    assert finished["writing"]["extensions"] > 0
    assert len(recorder.commits) > 5
    for num_commits in range(len(recorder.commits) + 1):
        left = await recorder.until(num_commits)
        seen = await _shown(left, draft_id)
        assert text(whole).startswith(seen)
        engine = minded(app.engine)
        after = await keeping(left, build=lambda engine=engine: engine)
        found = await events(after, draft_id, after=len(seen))
        assert seen + text(found) == text(whole), num_commits
        assert found[-1][1]["state"] == "finished"
        again = (await after.client.get(f"/v1/drafts/{draft_id}")).json()
        assert again["writing"] == finished["writing"], num_commits
        assert again["usage"] == finished["usage"]


async def _shown(store: MemoryStore, draft_id: str) -> str:
    """What a client can have seen: all that was committed."""
    from server.drafts.entries import kept
    from server.events import Fragment

    choices = kept(await store.entries(draft_id)).output.choices()
    return "".join(c.event.text for c in choices if isinstance(c.event, Fragment))


@pytest.mark.parametrize("best_of", [False, True])
async def test_several_drafts_are_carried_on_together(
    keeping: Start, minded: Mind, best_of: bool
) -> None:
    recorder = Recorder()
    play = [Say("<think> Plan. </think> <answer>\nOnce upon a time they slept. </answer>")]
    app = await keeping(recorder, play)
    fields: dict[str, Any] = {"writing": {"best_of": 3}} if best_of else {"n": 3}
    response = await app.chat(store=True, temperature=0, **fields)
    draft_id = response.headers["longhand-draft-id"]
    whole = (await app.client.get(f"/v1/drafts/{draft_id}")).json()
    for num_commits in range(len(recorder.commits) + 1):
        left = await recorder.until(num_commits)
        engine = minded(app.engine)
        after = await keeping(left, build=lambda engine=engine: engine)
        assert (await events(after, draft_id))[-1][1]["state"] == "finished"
        again = (await after.client.get(f"/v1/drafts/{draft_id}")).json()
        assert again.get("choices") == whole.get("choices")
        assert again.get("answer") == whole.get("answer")


@pytest.mark.parametrize(
    ("fields", "before", "others"),
    [
        ({"n": 2}, {}, {"best_of": 4}),
        ({}, {"best_of": 2, "rewards": {"length": 1.0}}, {"best_of": 1, "rewards": {"format": 1}}),
    ],
)
async def test_a_draft_is_carried_on_as_it_was_begun_under_other_settings(
    keeping: Start, minded: Mind, fields: Any, before: Any, others: Any
) -> None:
    recorder = Recorder()
    play = [Say("<think> Plan. </think> <answer>\nOnce upon a time they slept. </answer>")]
    app = await keeping(recorder, play, **before)
    response = await app.chat(store=True, temperature=0, **fields)
    draft_id = response.headers["longhand-draft-id"]
    whole = (await app.client.get(f"/v1/drafts/{draft_id}")).json()
    for num_commits in (0, 1):
        left = await recorder.until(num_commits)
        engine = minded(app.engine)
        after = await keeping(left, build=lambda engine=engine: engine, **others)
        assert (await events(after, draft_id))[-1][1]["state"] == "finished"
        again = (await after.client.get(f"/v1/drafts/{draft_id}")).json()
        assert len(engine.jobs) == 2
        for name in ("choices", "answer", "usage", "writing"):
            assert again.get(name) == whole.get(name)


async def test_a_conversation_that_was_shortened_is_no_longer_and_no_shorter_after_a_restart(
    keeping: Start, minded: Mind
) -> None:
    recorder = Recorder()
    said = [{"role": role, "content": "Once " * 60} for role in ("user", "assistant") * 3]
    asked = {
        "input": [*said, {"role": "user", "content": "Go on."}],
        "truncation": "auto",
        "temperature": 0,
    }
    roomy = await keeping(MemoryStore(), PLAYS[0])
    await roomy.client.post("/v1/responses", json=asked)
    # What is left out is one turn, longer than the answer.
    window_tokens = roomy.engine.jobs[0].prompt.num_tokens - 30
    app = await keeping(recorder, PLAYS[0], max_model_len=window_tokens)
    told = (await app.client.post("/v1/responses", json=asked)).json()
    [job] = app.engine.jobs
    assert 0 < job.prompt.text.count("Once") < 60 * len(said)
    left = await recorder.until(0)
    # Now all of it would fit.
    engine = minded(app.engine)
    after = await keeping(left, build=lambda: engine, max_model_len=20_000)
    name = told["id"]
    assert (await events(after, name.replace("resp_", "draft_")))[-1][1]["state"] == "finished"
    again = (await after.client.get(f"/v1/responses/{name}")).json()
    assert [again_job.prompt.text for again_job in engine.jobs] == [job.prompt.text]
    assert {**again, "completed_at": 0} == {**told, "completed_at": 0}


async def test_a_reader_has_what_there_is_while_the_engine_loads(
    keeping: Start, minded: Mind
) -> None:
    recorder = Recorder()
    app = await keeping(recorder, *PLAYS)
    draft_id = (await app.chat(store=True, **FIELDS)).headers["longhand-draft-id"]
    left, starting = await recorder.until(3), asyncio.Event()
    engine = minded(app.engine)
    engine.starting = starting
    after = await keeping(left, build=lambda: engine, ready=False)
    draft = (await after.client.get(f"/v1/drafts/{draft_id}")).json()
    assert draft["state"] == "queued"
    assert draft["position"] == len(await _shown(left, draft_id)) > 0
    starting.set()
    assert (await events(after, draft_id))[-1][1]["state"] == "finished"
    assert after.value("longhand_drafts_carried_on_total") == 1


async def test_a_finished_draft_whose_end_was_not_stored_is_ended(keeping: Start) -> None:
    recorder = Recorder()
    app = await keeping(recorder, *PLAYS)
    draft_id = (await app.chat(store=True, **FIELDS)).headers["longhand-draft-id"]
    left = await recorder.until(len(recorder.commits))
    after = await keeping(left, [Say("never")])
    assert (await events(after, draft_id))[-1][1]["state"] == "finished"
    assert after.engine.jobs == []


async def test_interrupted_drafts_are_only_marked_where_that_is_set(keeping: Start) -> None:
    recorder = Recorder()
    app = await keeping(recorder, *PLAYS)
    draft_id = (await app.chat(store=True, **FIELDS)).headers["longhand-draft-id"]
    left = await recorder.until(3)
    after = await keeping(left, [Say("never")], drafts_recover="mark")
    found = await events(after, draft_id)
    assert text(found) == await _shown(left, draft_id)
    assert (found[-1][0], found[-1][1]["state"]) == ("end", "interrupted")
    assert after.engine.jobs == []


async def test_a_draft_of_another_model_is_left_for_a_gateway_that_has_it(keeping: Start) -> None:
    recorder = Recorder()
    app = await keeping(recorder, *PLAYS)
    draft_id = (await app.chat(store=True, **FIELDS)).headers["longhand-draft-id"]
    left = await recorder.until(3)
    after = await keeping(left, [Say("never")], served_model_name="other")
    assert (await after.client.get(f"/v1/drafts/{draft_id}")).json()["state"] == "interrupted"


async def test_what_would_be_written_otherwise_now_fails_and_shows_no_other_text(
    keeping: Start, minded: Mind
) -> None:
    recorder = Recorder()
    app = await keeping(recorder, *PLAYS)
    draft_id = (await app.chat(store=True, **FIELDS)).headers["longhand-draft-id"]
    # As if the answer's first word had been taken for reasoning then.
    recorder.commits = [
        tuple(replace(entry, body=entry.body.replace(b'"a"', b'"r"')) for entry in entries)
        for entries in recorder.commits[:-1]
    ]
    left = await recorder.until(len(recorder.commits))
    shown = await _shown(left, draft_id)
    engine = minded(app.engine)
    after = await keeping(left, build=lambda: engine)
    found = await events(after, draft_id)
    assert text(found) == shown
    assert (found[-1][0], found[-1][1]["error"]["code"]) == ("error", "draft_not_carried_on")


async def test_a_log_that_cannot_be_read_fails(keeping: Start) -> None:
    recorder = Recorder()
    app = await keeping(recorder, *PLAYS)
    draft_id = (await app.chat(store=True, **FIELDS)).headers["longhand-draft-id"]
    recorder.commits = [(Entry(draft_id=draft_id, body=b"no JSON\n"),)]
    after = await keeping(await recorder.until(1), [Say("never")])
    assert (await events(after, draft_id))[-1][1]["error"]["code"] == "internal_error"


async def test_a_draft_that_kills_its_engine_every_time_fails_in_the_end(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.drafts.writing._RETRY_S", 0.0)
    store = MemoryStore()
    deadly = [Say("<think> a </think> <answer> Once"), Die("of this")]
    made: list[ScriptedEngine] = []

    def build() -> ScriptedEngine:
        made.append(ScriptedEngine(plays=[deadly if not made else [Die("again")]]))
        return made[-1]

    app = await keeping(store, build=build, on_engine_death="restart", max_engine_restarts=20)
    response = await app.chat(store=True, stream=True)
    assert "draft_not_carried_on" in response.text
    assert len(made) == 10
    draft = (await app.client.get("/v1/drafts")).json()["data"][0]
    assert draft["state"] == "failed"


async def test_a_draft_goes_on_when_its_engine_was_started_again(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.drafts.writing._RETRY_S", 0.0)
    plays = [
        [Say("<think> a </think> <answer> Once"), Die("of this")],
        [Say(" upon a time. </answer>")],
    ]

    def build() -> ScriptedEngine:
        return ScriptedEngine(plays=[plays.pop(0)])

    app = await keeping(MemoryStore(), build=build, on_engine_death="restart")
    body = (await app.chat(store=True)).json()
    assert body["choices"][0]["message"]["content"] == "Once upon a time."


async def test_a_draft_that_was_still_queued_is_begun(keeping: Start) -> None:
    store = MemoryStore()
    record = Record(
        id="draft_a",
        owner="",
        kind=Kind.COMPLETION,
        state=State.QUEUED,
        created_s=1.0,
        updated_s=1.0,
        expires_s=None,
        request=b'{"prompt": "Once", "max_tokens": 9}',
        meta=json.dumps(
            {
                "model": "scripted",
                "head": {"id": "cmpl-a", "model": "scripted", "created": 1},
                "asked": {"low_words": None, "high_words": None, "source": "none"},
            }
        ).encode(),
    )
    await store.create(record, "the dead", 1.0)
    await store.update("draft_a", state=State.INTERRUPTED)
    app = await keeping(store, [Say(" upon a time.")])
    found = await events(app, "draft_a")
    assert text(found) == " upon a time."
    assert app.engine.jobs[0].id == "cmpl-a"


async def test_what_is_written_is_handed_over_at_the_end_and_goes_on_after_it(
    keeping: Start, served: Start, minded: Mind, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate = MemoryStore(), asyncio.Event()
    monkeypatch.setattr("server.shelving._store", lambda settings: store)
    script = Say("<think> a </think> <answer> Once upon a time.")
    app = await served([script, Stall(gate=gate)], shutdown_grace_s=0.0)
    async with app.stream(store=True) as chunks:
        first = await anext(chunks)
        draft_id = first["writing"]["draft_id"]
        said = ""
        async for chunk in chunks:
            said += chunk["choices"][0]["delta"].get("content") or ""
            if said == "Once upon a time.":
                break
        app.host.should_exit = True
        rest = [chunk async for chunk in chunks]
    assert rest[-2]["error"]["code"] == "draft_interrupted"
    assert f"/v1/drafts/{draft_id}/events?after=18" in rest[-2]["error"]["message"]
    assert app.serving is not None
    await app.serving
    record = await store.get(draft_id)
    assert record is not None
    assert record.state is State.INTERRUPTED
    after = await keeping(store, [Say(" They slept. </answer>")])
    found = await events(after, draft_id, after=18)
    assert text(found) == " They slept."
    assert found[-1][1]["state"] == "finished"
