"""Drafts that are written again from their tape: cut at every piece, they say the same."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from planner.length import from_field
from server.drafts.entries import Jotter, Kept, kept
from server.drafts.replay import Diverged, TapedEngine
from server.drafts.tape import Stretch
from server.engine.base import End, Job, Passage, Piece, Sampling, Text
from server.engine.scripted import Play, Say, ScriptedEngine
from server.engine.seam import seeded
from server.events import CarriedOn, Ended, Event, Fragment
from server.policies.assembly import policies_for
from server.rules import ENGINE_STOPS, Rules
from server.write import write

BOUND_S = 10.0
OPENING = "<think> Plan. </think> <answer>\n"
SAMPLING = Sampling(temperature=0.0, top_p=1.0)
PLAIN = Rules(max_tokens=4_000, reasoning_tokens=500, thinking=True)
JOB = Job(
    id="a",
    prompt=Passage(text="Write.", token_ids=(900_000,), num_tokens=1),
    written=Passage(text="", token_ids=(), num_tokens=0),
    sampling=SAMPLING,
    max_tokens=4_000,
    stop=ENGINE_STOPS,
)


def words(count: int, word: str = "word") -> str:
    return " ".join(f"{word}{at}" for at in range(count)) + "."


LOOPED = "\n\n".join(["The road went on through the valley and nobody asked where it led."] * 12)
SECTIONS = "\n\n".join(f"## {at}. Part {at}\n\n{words(18, f'w{at}x')}" for at in range(1, 5))
OUTLINED = (
    "<think>1. Part 1: 20 words\n2. Part 2: 20 words\n3. Part 3: 20 words\n"
    "4. Part 4: 20 words\n</think> <answer>\n# Parts\n\n"
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A draft: what the engine says to each stream, what it keeps to, how it is asked for."""

    plays: Sequence[Play]
    rules: Rules = PLAIN
    job: Job = JOB
    carried: tuple[str, ...] = ()


def governed(control: Any, low: int, high: int) -> Rules:
    asked = from_field((low, high))
    made = policies_for(control=control, asked=asked, loop_guard=True)
    return replace(PLAIN, policies=made, asked=asked)


CASES = {
    "plain": Case(plays=[[Say(OPENING + "Once upon a time. They slept. </answer>")]]),
    "together": Case(plays=[[Say(OPENING, True), Say("Once upon", True), Say(" a </answer>")]]),
    "reasoning over its budget": Case(
        plays=[[Say("<think> and on and on")], [Say("Once upon a time.</answer>")]],
        rules=replace(PLAIN, reasoning_tokens=3),
        carried=("reasoning_budget",),
    ),
    "stop inside thinking": Case(
        plays=[[Say("<think> It ends </answer>")], [Say(" so. </think> <answer> Once.")]],
        carried=("stop_in_reasoning",),
    ),
    "no answer": Case(
        plays=[[Say("<think> One.")], [Say("Two. </answer>")]], carried=("no_answer",)
    ),
    "a caller's stop": Case(
        plays=[[Say(OPENING + "Once upon a time. They slept.")]],
        rules=replace(PLAIN, stops=("time. They",)),
    ),
    "cut for length": Case(
        plays=[[Say(OPENING + words(50))]],
        rules=replace(PLAIN, max_tokens=20),
        job=replace(JOB, max_tokens=20),
    ),
    "extended": Case(
        plays=[
            [Say(OPENING + words(30) + "\n\nIn conclusion, roads.</answer>")],
            [Say(words(30, "more") + "</answer>")],
            [Say(words(50, "again") + "</answer>")],
        ],
        rules=governed("extend", 100, 120),
        carried=("extend",),
    ),
    "a loop": Case(
        plays=[[Say(OPENING + LOOPED)], [Say(words(20) + "</answer>")]],
        rules=governed("off", 100, 200),
        carried=("loop",),
    ),
    "paced": Case(
        plays=[
            [Say(OUTLINED + SECTIONS[:150].rstrip() + "</answer>")],
            [Say(words(12, "v") + "</answer>")],
            [Say(words(10, "u") + "\n\n## 4. Part 4\n\n" + words(15, "t") + "</answer>")],
            [Say(words(20, "s") + "</answer>")],
            [Say(words(10, "r") + "</answer>")],
        ],
        rules=governed("pace", 72, 88),
        carried=("pace",),
    ),
    "raw with log-probabilities": Case(
        plays=[[Say(" upon a time")]],
        rules=Rules(max_tokens=50, reasoning_tokens=0, thinking=False, raw=True),
        job=replace(JOB, stop=(), sampling=replace(SAMPLING, logprobs=2)),
    ),
    "raw with a stop": Case(
        plays=[[Say(" upon a time they slept")]],
        rules=Rules(
            max_tokens=50, reasoning_tokens=0, thinking=False, raw=True, stops=("me they",)
        ),
        job=replace(JOB, stop=("me they",)),
    ),
}  # fmt: skip


@dataclass
class Cutter(Jotter):
    """Notes like any other, and takes each note as an entry of its own."""

    entries: list[bytes] = field(default_factory=list)

    def opened(self, index: int) -> None:
        super().opened(index)
        self.entries.append(self.take())

    def said(self, index: int, piece: Piece) -> None:
        super().said(index, piece)
        self.entries.append(self.take())


def taped(engine: ScriptedEngine, notes: Jotter, known: Kept | None = None) -> TapedEngine:
    tape = {} if known is None else known.tape.stretches
    return TapedEngine(engine=engine, indexes={"a": 0}, notes=notes, tape=tape)


async def written(engine: TapedEngine, case: Case) -> list[Event]:
    async with asyncio.timeout(BOUND_S), aclosing(write(engine, case.job, case.rules)) as events:
        return [event async for event in events]


async def recorded(case: Case) -> tuple[ScriptedEngine, list[bytes], list[Event]]:
    engine, notes = ScriptedEngine(plays=case.plays), Cutter()
    events = await written(taped(engine, notes), case)
    return engine, notes.entries, events


def silent(first: ScriptedEngine) -> ScriptedEngine:
    """One that numbers tokens as ``first`` does, and shall not be asked."""
    return ScriptedEngine(plays=[[]], _ids=first._ids, _numbers=first._numbers)


Mind = Callable[[ScriptedEngine], ScriptedEngine]


@pytest.mark.parametrize("name", CASES)
async def test_the_cases_are_what_they_are_called(name: str) -> None:
    _, _, events = await recorded(CASES[name])
    found = {event.why for event in events if isinstance(event, CarriedOn)}
    assert set(CASES[name].carried) <= found
    assert isinstance(events[-1], Ended)


@pytest.mark.parametrize("name", CASES)
async def test_a_whole_tape_says_the_same_without_an_engine(name: str) -> None:
    case = CASES[name]
    first, entries, events = await recorded(case)
    engine = silent(first)
    assert await written(taped(engine, Jotter(), kept(entries)), case) == events
    assert engine.jobs == []


@pytest.mark.parametrize("name", CASES)
async def test_a_tape_cut_at_any_piece_is_carried_on_to_the_same_text(
    name: str, minded: Mind
) -> None:
    case = CASES[name]
    first, entries, events = await recorded(case)
    for cut in range(len(entries) + 1):
        known = kept(entries[:cut])
        if known.tape.stretches and _ends_with_its_stream(known, entries, cut):
            # A piece and the end that comes with it are stored together.
            continue
        notes = Cutter()
        again = await written(taped(minded(first), notes, known), case)
        assert flat(again) == flat(events), cut
        if cut % 5:
            continue
        # What is noted now continues the tape: cut and written once more, it is the same again.
        engine = silent(first)
        twice = await written(taped(engine, Jotter(), kept(entries[:cut] + notes.entries)), case)
        assert flat(twice) == flat(events), cut
        assert engine.jobs == []


def _ends_with_its_stream(known: Kept, entries: Sequence[bytes], cut: int) -> bool:
    """Whether the next thing that was noted is the end of the last stream."""
    return (
        cut < len(entries)
        and entries[cut].startswith(b'[["e"')
        and not known.tape.stretches[0][-1].heard.stop_met(ENGINE_STOPS)
    )


def flat(events: Sequence[Event]) -> list[Any]:
    """The events with adjoining text put together."""
    found: list[Any] = []
    for event in events:
        if isinstance(event, Fragment):
            if found and isinstance(found[-1], list) and found[-1][0] is event.channel:
                found[-1][1] += event.text
                found[-1][2].extend(event.logprobs)
            else:
                found.append([event.channel, event.text, list(event.logprobs)])
        else:
            found.append(event)
    return found


async def test_the_engine_carries_on_from_exactly_what_was_heard(minded: Mind) -> None:
    case = CASES["plain"]
    first, entries, _ = await recorded(case)
    known = kept(entries[:6])
    engine = minded(first)
    await written(taped(engine, Jotter(), known), case)
    heard = "<think> Plan. </think> <answer>\nOnce"
    passage = await engine.tokenize(heard)
    assert engine.jobs == [JOB.after(passage, max_tokens=4_000 - passage.num_tokens)]


@pytest.mark.parametrize("cut", range(1, len("</answer>")))
async def test_a_stop_is_met_across_the_place_where_the_stream_was_cut(cut: int) -> None:
    mark = "</answer>"
    job = replace(JOB, stop=(mark, "never met"))
    stretch = Stretch([Text(text="Once. " + mark[:cut], token_ids=(1,))])
    engine = ScriptedEngine(plays=[[Say(mark[cut:] + " and on", True), Say(" and on")]])
    tape = TapedEngine(engine=engine, indexes={"a": 0}, notes=Jotter(), tape={0: [stretch]})
    async with asyncio.timeout(BOUND_S), aclosing(tape.stream(job)) as pieces:
        found = [piece async for piece in pieces]
    assert "".join(p.text for p in found if isinstance(p, Text)) == "Once. " + mark
    assert found[-1] == End(reason="stop", stop=mark)
    assert engine.open_streams == 0


async def test_what_looks_like_a_stop_across_the_cut_and_is_none_passes() -> None:
    stretch = Stretch([Text(text="Once. </ans", token_ids=(1,))])
    engine = ScriptedEngine(plays=[[Say("wers> and on. And now </ans"), Say("wer> never")]])
    tape = TapedEngine(engine=engine, indexes={"a": 0}, notes=Jotter(), tape={0: [stretch]})
    async with asyncio.timeout(BOUND_S), aclosing(tape.stream(JOB)) as pieces:
        found = [piece async for piece in pieces]
    heard = "".join(p.text for p in found if isinstance(p, Text))
    assert heard == "Once. </answers> and on. And now </answer>"


async def test_a_stream_whose_allowance_was_heard_is_at_its_end() -> None:
    stretch = Stretch([Text(text="one two", token_ids=(1, 2))])
    engine = ScriptedEngine(plays=[[Say("never")]])
    tape = TapedEngine(engine=engine, indexes={"a": 0}, notes=Jotter(), tape={0: [stretch]})
    async with aclosing(tape.stream(replace(JOB, max_tokens=2))) as pieces:
        found = [piece async for piece in pieces]
    assert found == [*stretch.pieces, End(reason="length")]
    assert engine.jobs == []


async def test_more_than_was_wanted_then_is_another_draft() -> None:
    stretches = [Stretch([Text(text="one", token_ids=(1,))]), Stretch()]
    engine = ScriptedEngine(plays=[[Say("never")]])
    tape = TapedEngine(engine=engine, indexes={"a": 0}, notes=Jotter(), tape={0: stretches})
    with pytest.raises(Diverged):
        async with aclosing(tape.stream(JOB)) as pieces:
            assert [piece async for piece in pieces]


async def test_a_stream_carried_on_tells_no_more_of_the_cache_than_the_prompt() -> None:
    stretch = Stretch([Text(text="one", token_ids=(1,))])
    engine = ScriptedEngine(plays=[[Say(" two"), End(reason="stop", cached_tokens=64)]])
    tape = TapedEngine(engine=engine, indexes={"a": 0}, notes=Jotter(), tape={0: [stretch]})
    async with aclosing(tape.stream(JOB)) as pieces:
        found = [piece async for piece in pieces]
    assert found[-1] == End(reason="stop", cached_tokens=1)


async def test_the_taped_engine_is_the_engine_behind_it_in_all_else() -> None:
    engine = ScriptedEngine()
    tape = taped(engine, Jotter())
    assert tape.card is engine.card
    assert await tape.tokenize("a b") == await engine.tokenize("a b")
    async with tape:
        pass
    engine.die("of this")
    assert await tape.watch() == "of this"


def test_a_seeded_stream_does_not_draw_the_same_numbers_again() -> None:
    sampling = replace(SAMPLING, seed=7, min_tokens=20)
    assert seeded(sampling, 0) == sampling
    assert seeded(sampling, 15) != replace(sampling, min_tokens=5)
    assert seeded(sampling, 15).min_tokens == 5
    assert seeded(sampling, 50).min_tokens == 0
    assert seeded(SAMPLING, 50).seed is None


def test_text_without_ids_stays_without() -> None:
    stretch = Stretch([Text(text="one", token_ids=(1,))])
    unnumbered = replace(JOB, written=Passage(text="So ", token_ids=None, num_tokens=1))
    following = stretch.following(unnumbered)
    assert isinstance(following, Job)
    assert following.written == Passage(text="So one", token_ids=None, num_tokens=2)


def test_a_tape_counts_how_often_it_was_carried_on_for_nothing() -> None:
    tape = Kept().tape
    tape.open(0)
    tape.resume()
    tape.resume()
    assert tape.idle_resumes == 2
    tape.add(0, Text(text="one", token_ids=(1,)))
    assert tape.idle_resumes == 0


@pytest.mark.parametrize("token_ids", [(1, 2), None])
def test_moves_are_kept_with_the_piece_that_told_them(token_ids: tuple[int, ...] | None) -> None:
    jotter = Jotter()
    counted = 2 if token_ids is None else 0
    moved = Text(text="one", token_ids=token_ids, estimated_tokens=counted, moves=2)
    end = End(reason="stop", moves=1)
    jotter.opened(0)
    for piece in (moved, replace(moved, moves=0), end):
        jotter.said(0, piece)
    [stretch] = kept([jotter.take()]).tape.stretches[0]
    assert stretch == Stretch([moved, replace(moved, moves=0)], end)


def test_a_tape_of_before_there_were_moves_is_read() -> None:
    old = b'[["o",0],[0,"one",[1]],["e",0,"stop",null,0,false]]\n'
    [stretch] = kept([old]).tape.stretches[0]
    assert stretch == Stretch([Text(text="one", token_ids=(1,))], End(reason="stop"))
