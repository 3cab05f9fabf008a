"""How a draft is turned by its policies, through the write loop over a scripted engine."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from server.engine.base import End, Job, Passage, Sampling
from server.engine.scripted import Play, Say, ScriptedEngine
from server.events import CarriedOn, Channel, Ended, Event, Fragment
from server.policies.policy import Turn
from server.rules import ENGINE_STOPS, Rules
from server.write import otherwise, reseeded, write

BOUND_S = 5.0
OPENING = "<think> Plan. </think> <answer>\n"
SAMPLING = Sampling(temperature=0.6, top_p=0.95)


@dataclass
class Sentinel:
    """Holds everything from ``word`` on and, when it stands there whole, turns the text."""

    word: str
    words: str = ""
    over: bool = False
    other_sampling: bool = False
    times: int = 1
    at_end: str = ""
    text: str = ""

    def feed(self, text: str) -> None:
        self.text += text

    @property
    def _at(self) -> int:
        return self.text.find(self.word) if self.times > 0 else -1

    @property
    def safe_chars(self) -> int:
        at = self._at
        if at >= 0 or self.times <= 0:
            return at if at >= 0 else len(self.text)
        return max(0, len(self.text) - len(self.word))

    @property
    def turn(self) -> Turn | None:
        if self._at < 0:
            return None
        return Turn(
            why="loop",
            back_to_chars=self._at,
            words=self.words,
            over=self.over,
            other_sampling=self.other_sampling,
        )

    def ended(self) -> Turn | None:
        if not self.at_end:
            return None
        words, self.at_end = self.at_end, ""
        return Turn(why="extend", back_to_chars=len(self.text), words=words)

    def rewind(self, chars: int) -> None:
        self.text = self.text[:chars]
        self.times -= 1


class Stubborn(Sentinel):
    """Wants more after every end, and has nothing to add."""

    def ended(self) -> Turn | None:
        return Turn(why="extend", back_to_chars=len(self.text))


async def played(
    *plays: Play, policy: Any = None, of: dict[str, Any] | None = None, **given: Any
) -> tuple[ScriptedEngine, list[Event]]:
    engine = ScriptedEngine(plays=plays)
    job = Job(
        id="a",
        prompt=Passage(text="Write.", token_ids=(900,), num_tokens=1),
        written=Passage(text="", token_ids=(), num_tokens=0),
        sampling=SAMPLING,
        max_tokens=100,
        stop=ENGINE_STOPS,
    )
    rules = Rules(
        max_tokens=100,
        reasoning_tokens=50,
        thinking=True,
        policies=lambda thinking: () if policy is None else (policy,),
    )
    events = write(engine, replace(job, **(of or {})), replace(rules, **given))
    async with asyncio.timeout(BOUND_S), aclosing(events):
        return engine, [event async for event in events]


def answer(events: list[Event]) -> str:
    return "".join(
        e.text for e in events if isinstance(e, Fragment) and e.channel is Channel.ANSWER
    )


@pytest.mark.parametrize("together", [False, True])
async def test_a_turn_cuts_the_log_writes_its_words_and_carries_on(together: bool) -> None:
    first = [Say(OPENING + "Once upon a time. Again and again.", together)]
    engine, events = await played(
        first, [Say(" They slept. </answer>")], policy=Sentinel("Again", words="Then night came.")
    )
    assert answer(events) == "Once upon a time. Then night came. They slept."
    assert engine.jobs[1].written.text == OPENING + "Once upon a time. Then night came."
    ids = engine.jobs[1].written.token_ids
    assert ids is not None
    assert len(ids) == engine.jobs[1].written.num_tokens
    assert events.count(CarriedOn(why="loop")) == 1


@pytest.mark.parametrize("cut", range(1, 12))
async def test_a_turn_lands_at_its_place_however_the_text_was_cut(cut: int) -> None:
    text = OPENING + "One two.  \n\n  Again. "
    at = len(OPENING) + cut
    first = [Say(text[:at], True), Say(text[at:], True)]
    engine, events = await played(
        first, [Say(" End.</answer>")], policy=Sentinel("Again", words="Three.")
    )
    assert answer(events) == "One two.  \n\n  Three. End."
    assert engine.jobs[1].written.text == OPENING + "One two.  \n\n  Three."


async def test_an_ended_answer_is_reopened_when_a_policy_wants_more() -> None:
    engine, events = await played(
        [Say(OPENING + "One. </answer>")],
        [Say(" Three.</answer>")],
        policy=Sentinel("nothing", at_end="\n\nTwo."),
    )
    assert answer(events) == "One.\n\nTwo. Three."
    assert engine.jobs[1].written.text == OPENING + "One.\n\nTwo."
    last = events[-1]
    assert isinstance(last, Ended)
    assert (last.finish_reason, last.faults, last.answer_words) == ("stop", (), 3)


async def test_an_answer_that_simply_stopped_is_carried_on_too() -> None:
    _, events = await played(
        [Say(OPENING + "One."), End(reason="stop")],
        [Say(" Three.</answer>")],
        policy=Sentinel("nothing", at_end=" Two."),
    )
    assert answer(events) == "One. Two. Three."


async def test_an_answer_cut_by_the_token_limit_is_not() -> None:
    _, events = await played(
        [Say(OPENING + "One. Two"), End(reason="length")],
        policy=Sentinel("nothing", at_end=" Three."),
    )
    assert answer(events) == "One. Two"
    assert events[-1].finish_reason == "length"  # type: ignore[union-attr]


async def test_a_turn_may_end_the_answer() -> None:
    engine, events = await played(
        [Say(OPENING + "One. Again. More.")], policy=Sentinel("Again", over=True)
    )
    assert answer(events).rstrip() == "One."
    assert len(engine.jobs) == 1
    assert events[-1].finish_reason == "stop"  # type: ignore[union-attr]


async def test_a_loose_answer_is_turned_as_well() -> None:
    engine, events = await played(
        [Say("Once upon a time. Again and again.")],
        [Say(" They slept.")],
        policy=Sentinel("Again", words="Night came."),
        thinking=False,
    )
    assert answer(events) == "Once upon a time. Night came. They slept."


async def test_a_user_stop_outweighs_a_policy() -> None:
    engine, events = await played(
        [Say(OPENING + "One. STOP two.")],
        policy=Sentinel("nothing", at_end=" More."),
        stops=("STOP",),
    )
    assert answer(events).rstrip() == "One."
    assert len(engine.jobs) == 1


async def test_a_stop_cut_by_a_turn_does_not_come_back() -> None:
    _, events = await played(
        [Say(OPENING + "One. Again ST")],
        [Say(" Two. </answer>")],
        policy=Sentinel("Again", words="OP."),
        stops=("STOP",),
    )
    assert answer(events) == "One. OP. Two."


async def test_a_policy_that_turns_without_end_is_given_up() -> None:
    engine, events = await played(
        [Say(OPENING + "One. </answer>")],
        [Say("</answer>")],
        policy=Stubborn("nothing"),
    )
    assert answer(events) == "One."
    assert len(engine.jobs) < 10


async def test_leaving_a_loop_draws_otherwise_and_later_turns_as_ordered() -> None:
    engine, _ = await played(
        [Say(OPENING + "One. Again. ")],
        [Say("Two. Again. ")],
        [Say("Three. </answer>")],
        [Say("Four. </answer>")],
        policy=Sentinel("Again", other_sampling=True, times=2, at_end=" And"),
    )
    assert [round(job.sampling.temperature, 2) for job in engine.jobs] == [0.6, 0.9, 1.05, 0.6]


@pytest.mark.parametrize(
    ("temperature", "times", "warmer"), [(0.6, 0, 0.6), (0.6, 1, 0.9), (0.0, 1, 0.6), (1.4, 3, 1.5)]
)
def test_other_sampling_is_warmer_and_never_greedy(
    temperature: float, times: int, warmer: float
) -> None:
    given = replace(SAMPLING, temperature=temperature)
    assert otherwise(given, times).temperature == pytest.approx(warmer)


def test_leaving_a_loop_of_a_greedy_draft_is_the_same_each_time() -> None:
    greedy = replace(SAMPLING, temperature=0.0)
    assert otherwise(greedy, 2).seed == 2
    assert otherwise(replace(greedy, seed=9), 2).seed == 9
    assert otherwise(SAMPLING, 2).seed is None


async def test_each_continuation_of_a_seeded_draft_draws_from_a_seed_of_its_own() -> None:
    engine, _ = await played(
        [Say(OPENING + "One. Again. ")],
        [Say("Two. Again. ")],
        [Say("Three. </answer>")],
        policy=Sentinel("Again", times=2),
        of={"sampling": replace(SAMPLING, seed=2**63 - 1)},
    )
    assert [job.sampling.seed for job in engine.jobs] == [2**63 - 1, 1_000_002, 2_000_005]
    assert reseeded(SAMPLING, 3) == SAMPLING
