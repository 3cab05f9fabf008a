"""The scripted engine keeps the contract of an engine."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.engine.base import NOTHING_WRITTEN, End, Job, Passage, Piece, Sampling, Text
from server.engine.scripted import (
    DEMO,
    Break,
    Die,
    Refuse,
    Say,
    ScriptedEngine,
    Stall,
    read_script,
)
from server.errors import BadRequest, EngineDied, EngineUnavailable
from server.events import TokenLogprob

BOUND_S = 5.0
JOB = Job(
    id="a",
    prompt=Passage(text="Write.", token_ids=(1,), num_tokens=1),
    written=NOTHING_WRITTEN,
    sampling=Sampling(temperature=0.6, top_p=0.95),
    max_tokens=100,
)


async def played(engine: ScriptedEngine, job: Job = JOB) -> list[Piece]:
    async with asyncio.timeout(BOUND_S), aclosing(engine.stream(job)) as pieces:
        return [piece async for piece in pieces]


def text(pieces: list[Piece]) -> list[str]:
    return [piece.text for piece in pieces if isinstance(piece, Text)]


async def test_a_play_is_written_a_token_at_a_time_with_one_end() -> None:
    pieces = await played(ScriptedEngine(plays=[[Say("One two\n"), Say("three")]]))
    assert text(pieces) == ["One", " two", "\n", "three"]
    assert pieces[-1] == End(reason="stop")
    assert pieces.count(End(reason="stop")) == 1


async def test_tokens_are_numbered_as_they_are_first_met() -> None:
    engine = ScriptedEngine(plays=[[Say("a b a")]])
    assert await engine.tokenize(" b a") == Passage(text=" b a", token_ids=(0, 1), num_tokens=2)
    pieces = await played(engine)
    assert [p.token_ids for p in pieces if isinstance(p, Text)] == [(2,), (0,), (1,)]
    assert await engine.tokenize("") == NOTHING_WRITTEN


async def test_text_may_come_together() -> None:
    pieces = await played(ScriptedEngine(plays=[[Say("One two three", together=True)]]))
    assert pieces == [Text(text="One two three", token_ids=(0, 1, 2)), End(reason="stop")]


async def test_plays_are_played_in_order_and_the_last_one_again() -> None:
    engine = ScriptedEngine(plays=[[Say("One")], [Say("Two")]])
    assert [text(await played(engine)) for _ in range(3)] == [["One"], ["Two"], ["Two"]]
    assert engine.jobs == [JOB] * 3


async def test_the_demo_is_a_draft_with_both_channels() -> None:
    whole = "".join(text(await played(ScriptedEngine(plays=[DEMO]), replace(JOB, max_tokens=200))))
    tags = ["<think>", "</think>", "<answer>", "</answer>"]
    assert sorted(tags, key=whole.index) == tags


@pytest.mark.parametrize("together", [True, False])
async def test_a_stop_string_ends_the_stream_and_stays_in_the_text(together: bool) -> None:
    engine = ScriptedEngine(plays=[[Say("One </answer>", together=together), Say(" two")]])
    pieces = await played(engine, replace(JOB, stop=("x", "</answer>")))
    assert "".join(text(pieces)) == "One </answer>"
    assert pieces[-1] == End(reason="stop", stop="</answer>")


async def test_no_more_tokens_are_written_than_asked_for() -> None:
    pieces = await played(ScriptedEngine(plays=[[Say("a b c d")]]), replace(JOB, max_tokens=2))
    assert text(pieces) == ["a", " b"]
    assert pieces[-1] == End(reason="length")


@pytest.mark.parametrize("rivals", [0, 1, 5])
async def test_a_script_is_certain_of_every_word(rivals: int) -> None:
    job = replace(JOB, sampling=replace(JOB.sampling, logprobs=rivals))
    [piece, _] = await played(ScriptedEngine(plays=[[Say("One")]]), job)
    sure = TokenLogprob(token="One", token_id=0, logprob=0.0)
    assert isinstance(piece, Text)
    assert piece.logprobs == (replace(sure, top=(sure,) if rivals else ()),)


async def test_no_log_probabilities_unless_asked_for() -> None:
    [piece, _] = await played(ScriptedEngine(plays=[[Say("One")]]))
    assert isinstance(piece, Text)
    assert piece.logprobs == ()


async def test_a_break_ends_the_stream_without_an_end() -> None:
    pieces = await played(ScriptedEngine(plays=[[Say("One"), Break(), Say("Two")]]))
    assert pieces == [Text(text="One", token_ids=(0,))]


async def test_a_refusal_is_a_bad_request() -> None:
    with pytest.raises(BadRequest, match="too strange"):
        await played(ScriptedEngine(plays=[[Refuse("too strange")]]))


async def test_a_stall_of_no_time_is_over_at_once() -> None:
    assert text(await played(ScriptedEngine(plays=[[Stall(), Say("One")]]))) == ["One"]


async def test_a_stall_waits_for_its_gate() -> None:
    gate = asyncio.Event()
    engine = ScriptedEngine(plays=[[Say("One"), Stall(gate=gate), Say("Two")]])
    async with asyncio.timeout(BOUND_S), aclosing(engine.stream(JOB)) as pieces:
        await anext(pieces)
        waiting = asyncio.ensure_future(anext(pieces))
        done, _ = await asyncio.wait([waiting], timeout=0.01)
        assert not done
        gate.set()
        assert (await waiting) == Text(text="Two", token_ids=(1,))


async def test_a_death_ends_every_stream_with_the_reason() -> None:
    engine = ScriptedEngine(
        plays=[[Say("One"), Stall(gate=asyncio.Event())], [Say("One"), Die("out of paper")]]
    )
    first = engine.stream(JOB)
    async with asyncio.timeout(BOUND_S), aclosing(first):
        await anext(first)
        waiting = asyncio.ensure_future(anext(first))
        watching = asyncio.ensure_future(engine.watch())
        with pytest.raises(EngineDied, match="out of paper"):
            await played(engine)
        with pytest.raises(EngineDied, match="out of paper"):
            await waiting
        assert await watching == "out of paper"
    assert engine.open_streams == 0
    with pytest.raises(EngineUnavailable, match="out of paper"):
        await played(engine)


async def test_an_engine_dies_once() -> None:
    engine = ScriptedEngine()
    engine.die("first")
    engine.die("second")
    assert await engine.watch() == "first"


async def test_leaving_an_engine_ends_its_streams() -> None:
    async with asyncio.timeout(BOUND_S), ScriptedEngine(plays=[[Say("a b c")]]) as engine:
        pieces = engine.stream(JOB)
        await anext(pieces)
    with pytest.raises(EngineDied, match="closed"):
        await anext(pieces)


async def test_an_engine_may_be_made_to_start_slowly() -> None:
    starting = asyncio.Event()
    engine = ScriptedEngine(starting=starting)
    entering = asyncio.ensure_future(engine.__aenter__())
    done, _ = await asyncio.wait([entering], timeout=0.01)
    assert not done
    starting.set()
    async with asyncio.timeout(BOUND_S):
        assert await entering is engine


async def test_closing_a_stream_frees_its_slot() -> None:
    engine = ScriptedEngine()
    pieces = engine.stream(JOB)
    await anext(pieces)
    assert engine.open_streams == 1
    await pieces.aclose()
    assert engine.open_streams == 0


def test_a_script_is_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    acts = [{"say": "春"}, {"stall": 1}, {"stall": 0.5}, {"die": "a"}, {"refuse": "b"}]
    path.write_text(json.dumps([*acts, {"break": True}]), encoding="utf-8")
    assert read_script(path) == (
        Say("春"), Stall(1), Stall(0.5), Die("a"), Refuse("b"), Break(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({"say": "One"}, "a script is a JSON list"),
        ([{"say": "One"}, {"sing": "Two"}], "entry 1: unknown act {'sing': 'Two'}"),
        ([{"say": 1}], "entry 0: unknown act {'say': 1}"),
        (["say"], "entry 0"),
        ([{"break": False}], "entry 0"),
    ],
)
def test_a_script_that_is_none_is_refused_with_the_place(
    tmp_path: Path, script: Any, message: str
) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script), encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        read_script(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_script_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text("[", encoding="utf-8")
    with pytest.raises(ValueError, match="Expecting value"):
        read_script(path)
