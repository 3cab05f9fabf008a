"""The thinking is watched like the answer: loops are cut out, a missing outline is asked for."""

import asyncio
import tomllib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from planner.length import Asked
from planner.outline_request import CUES
from planner.words import Language
from server.draft import Draft
from server.engine.base import End, Job, Passage, Sampling, Text
from server.engine.scripted import Play, Say, ScriptedEngine
from server.events import CarriedOn, Channel, Ended, Event, Fragment
from server.pocket.maker.draft import Spec
from server.pocket.maker.lexicon import Language as PocketLanguage
from server.pocket.maker.render import plan_text
from server.pocket.maker.sampler import DraftMaker
from server.policies.assembly import planning_for, policies_for
from server.rules import ENGINE_STOPS, Rules
from server.write import write

BOUND_S = 10.0
DATA = Path(__file__).parents[1] / "data" / "plans.toml"
PLANS: list[dict[str, Any]] = tomllib.loads(DATA.read_text(encoding="utf-8"))["plan"]
LENGTH = Asked(low_words=1_800, high_words=2_200, source="prompt")
STORY = " </think>\n<answer>\nOnce upon a time. </answer>"
CLOSED = "\n</think>\n<answer>\n"
CIRCLE = (
    "The river should come before the mill, because the mill needs the river to turn its wheel. "
    "But then the mill should come before the bread, and the bread before the town that eats it. "
    "So where does the river belong in all of this, and what is to be said of the town itself?\n"
)
OUTLINE = "1. The river - 900 words\n2. The mill - 900 words\n3. Closing words - 200 words\n"


def rules(
    asked: Asked = LENGTH,
    *,
    guard: bool = True,
    asks: bool = False,
    language: Language = "en",
    reasoning_tokens: int = 4_000,
) -> Rules:
    return Rules(
        max_tokens=8_000,
        reasoning_tokens=reasoning_tokens,
        thinking=True,
        policies=policies_for(control="off", asked=asked, loop_guard=guard),
        planning=planning_for(
            control="pace", asked=asked, loop_guard=guard, language=language, asks_outline=asks
        ),
        asked=asked,
    )


async def written(by: Rules, *plays: Play) -> tuple[ScriptedEngine, list[Event]]:
    engine = ScriptedEngine(plays=plays)
    job = Job(
        id="a",
        prompt=Passage(text="Write.", token_ids=(900,), num_tokens=1),
        written=Passage(text="", token_ids=(), num_tokens=0),
        sampling=Sampling(temperature=0.6, top_p=0.95),
        max_tokens=8_000,
        stop=ENGINE_STOPS,
    )
    events = write(engine, job, by)
    async with asyncio.timeout(BOUND_S), aclosing(events):
        return engine, [event async for event in events]


def text(events: Sequence[Event], channel: Channel) -> str:
    return "".join(e.text for e in events if isinstance(e, Fragment) and e.channel is channel)


def carried(events: Sequence[Event]) -> dict[str, int]:
    last = events[-1]
    assert isinstance(last, Ended)
    assert sum(isinstance(event, CarriedOn) for event in events) == sum(n for _, n in last.carried)
    return dict(last.carried)


@pytest.mark.parametrize("together", [False, True])
async def test_thinking_that_goes_round_after_its_outline_gives_way_to_the_answer(
    together: bool,
) -> None:
    plan = [Say("<think>\n" + OUTLINE), Say(CIRCLE * 20, together)]
    engine, events = await written(rules(), plan, [Say("Once upon a time. </answer>")])
    assert carried(events) == {"thinking_loop": 1}
    shown = text(events, Channel.REASONING)
    assert shown == (OUTLINE + CIRCLE).strip()
    assert engine.jobs[1].written.text == "<think>\n" + shown + CLOSED
    assert text(events, Channel.ANSWER) == "Once upon a time."
    # The answer itself is drawn as ordered.
    assert engine.jobs[1].sampling == engine.jobs[0].sampling


async def test_thinking_that_goes_round_before_it_has_an_outline_draws_otherwise() -> None:
    engine, events = await written(
        rules(), [Say("<think>\n" + CIRCLE * 20)], [Say("\n" + OUTLINE), Say(STORY)]
    )
    assert carried(events) == {"thinking_loop": 1}
    assert text(events, Channel.REASONING) == (CIRCLE + OUTLINE).strip()
    assert engine.jobs[1].written.text == "<think>\n" + CIRCLE.strip()
    assert engine.jobs[1].sampling.temperature == pytest.approx(0.9)
    assert text(events, Channel.ANSWER) == "Once upon a time."


async def test_thinking_that_goes_round_without_end_is_closed_at_the_third_time() -> None:
    plays = [
        [
            Say(
                f"\nAnd once more {'indeed ' * k}from the top.\n"
                + CIRCLE.replace("river", word) * 20
            )
        ]
        for k, word in enumerate(("river", "brook", "stream"))
    ]
    plays[0].insert(0, Say("<think>"))
    engine, events = await written(rules(), *plays, [Say("Once upon a time. </answer>")])
    assert carried(events) == {"thinking_loop": 3}
    # What comes again in other words is cut as well.
    assert text(events, Channel.REASONING).count("wheel") == 1
    assert engine.jobs[3].written.text.endswith(CLOSED)
    assert text(events, Channel.ANSWER) == "Once upon a time."


async def test_an_outline_that_stops_in_a_loop_before_its_end_is_not_enough() -> None:
    begun = "Sections: 12\n1. The river\n2. The mill\n3. The town\n"
    _, events = await written(
        rules(), [Say("<think>\n" + begun), Say(CIRCLE * 20)], [Say(" So be it."), Say(STORY)]
    )
    assert carried(events) == {"thinking_loop": 1}
    assert "So be it." in text(events, Channel.REASONING)


async def test_without_a_length_to_keep_thinking_that_goes_round_is_closed_at_once() -> None:
    by = replace(rules(Asked(low_words=None, high_words=None, source="none")))
    engine, events = await written(by, [Say("<think>\n" + CIRCLE * 20)], [Say("Once. </answer>")])
    assert carried(events) == {"thinking_loop": 1}
    assert engine.jobs[1].written.text.endswith(CLOSED)


async def test_a_loop_that_the_model_leaves_by_itself_is_its_own_text() -> None:
    _, events = await written(rules(), [Say("<think>\n" + CIRCLE * 2), Say(OUTLINE), Say(STORY)])
    assert carried(events) == {}
    assert text(events, Channel.REASONING) == (CIRCLE * 2 + OUTLINE).strip()


async def test_a_loop_closed_by_the_model_in_the_same_piece_is_left() -> None:
    whole = Say("<think>\n" + CIRCLE * 20 + STORY, together=True)
    _, events = await written(rules(), [whole])
    assert carried(events) == {}
    assert text(events, Channel.ANSWER) == "Once upon a time."


async def test_the_guard_of_the_thinking_can_be_switched_off() -> None:
    _, events = await written(rules(guard=False), [Say("<think>\n" + CIRCLE * 20), Say(STORY)])
    assert carried(events) == {}


def fragments(by: Rules, whole: str, size: int) -> list[tuple[Channel, str]]:
    draft = Draft(by)
    out: list[Fragment] = []
    for at in range(0, len(whole), size):
        out += draft.take(Text(text=whole[at : at + size], token_ids=(0,), logprobs=()))
        assert draft.splitter.state.name == "DONE" or not draft.must_pause
    out += draft.close(End(reason="stop")) + draft.finish()
    joined: list[tuple[Channel, str]] = []
    for one in out:
        if joined and joined[-1][0] is one.channel:
            joined[-1] = (one.channel, joined[-1][1] + one.text)
        else:
            joined.append((one.channel, one.text))
    return joined


@pytest.mark.parametrize("language", list(PocketLanguage))
@pytest.mark.parametrize("words", [500, 5_000, 20_000])
def test_plans_of_the_pocket_writer_pass_unchanged(language: PocketLanguage, words: int) -> None:
    plan = plan_text(DraftMaker(Spec(seed=words, language=language, words=words)).draft(last=0))
    whole = f" <think>\n{plan}\n</think>\n<answer>\nOnce.</answer>"
    big = replace(rules(), reasoning_tokens=10**6, max_tokens=10**6)
    free = replace(rules(guard=False), reasoning_tokens=10**6, max_tokens=10**6)
    assert fragments(big, whole, 5) == fragments(free, whole, 5)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: str(plan["name"]))
def test_plans_as_models_think_them_pass_unchanged(plan: dict[str, Any]) -> None:
    whole = f"<think>\n{plan['text']}\n</think>\n<answer>\nOnce.</answer>"
    assert fragments(rules(), whole, 3) == fragments(rules(guard=False), whole, 3)


def test_lines_of_a_plan_are_shown_at_once() -> None:
    draft = Draft(rules())
    lines = [f"{k} of 53: The tools of tea ({53 - k} left) - 220 words\n" for k in range(1, 30)]
    shown = draft.take(Text(text=" <think>\n", token_ids=(0,), logprobs=()))
    for line in lines:
        for letter in line:
            shown += draft.take(Text(text=letter, token_ids=(0,), logprobs=()))
        # The line's end is white space, which waits for what follows.
        assert "".join(one.text for one in shown).endswith(line.strip())


# A thinking that names no sections is asked for them.

PROSE = "<think>\nA river, a mill, a town; it should be warm and slow."


@pytest.mark.parametrize("together", [False, True])
async def test_a_thinking_without_an_outline_is_asked_for_one(together: bool) -> None:
    thought = [Say(PROSE), Say(STORY, together)]
    engine, events = await written(rules(asks=True), thought, [Say(OUTLINE[2:]), Say(STORY)])
    assert carried(events) == {"outline": 1}
    assert engine.jobs[1].written.text == PROSE + CUES["en"]
    assert text(events, Channel.REASONING) == (PROSE + CUES["en"] + OUTLINE[2:])[8:].strip()
    assert text(events, Channel.ANSWER) == "Once upon a time."


async def test_an_outline_that_does_not_end_is_closed() -> None:
    endless = "".join(f"{k}. The river of number {k} - 20 words\n" for k in range(2, 200))
    engine, events = await written(
        rules(asks=True),
        [Say(PROSE), Say(STORY)],
        [Say(" The river\n" + endless)],
        [Say("Once upon a time. </answer>")],
    )
    assert carried(events) == {"outline": 1, "outline_end": 1}
    assert engine.jobs[2].written.text.endswith(CLOSED)
    last = events[-1]
    assert isinstance(last, Ended)
    # 256 + 24 * 2,200 / 200, and what was thought before.
    assert 520 <= last.usage.reasoning_tokens <= 540
    assert text(events, Channel.ANSWER) == "Once upon a time."


async def test_a_thinking_is_asked_once() -> None:
    _, events = await written(rules(asks=True), [Say(PROSE), Say(STORY)], [Say(" It."), Say(STORY)])
    assert carried(events) == {"outline": 1}
    assert text(events, Channel.ANSWER) == "Once upon a time."


async def test_a_thinking_that_ends_without_answer_or_outline_is_asked_too() -> None:
    engine, events = await written(rules(asks=True), [Say(PROSE)], [Say(OUTLINE[2:]), Say(STORY)])
    assert carried(events) == {"outline": 1}
    assert engine.jobs[1].written.text == PROSE + CUES["en"]


async def test_a_thinking_that_goes_round_to_the_end_is_asked_last() -> None:
    plays = [
        [Say("\nAnd once more from the top.\n" + CIRCLE.replace("river", word) * 20)]
        for word in ("river", "brook", "stream")
    ]
    plays[0].insert(0, Say("<think>"))
    engine, events = await written(rules(asks=True), *plays, [Say(OUTLINE[2:]), Say(STORY)])
    assert carried(events) == {"thinking_loop": 2, "outline": 1}
    assert engine.jobs[3].written.text.endswith(CUES["en"])


@pytest.mark.parametrize(
    ("by", "thought"),
    [
        (rules(asks=True), "<think>\n" + OUTLINE),
        (rules(asks=False), PROSE),
        (rules(Asked(low_words=800, high_words=1_000, source="prompt"), asks=True), PROSE),
        (rules(Asked(low_words=None, high_words=None, source="none"), asks=True), PROSE),
        (rules(asks=True, reasoning_tokens=70), PROSE),
        (rules(asks=True), ""),
    ],
    ids=["has one", "switched off", "short", "no length", "no room", "no thinking"],
)
async def test_others_are_not(by: Rules, thought: str) -> None:
    _, events = await written(
        by, [Say(thought + STORY if thought else "<answer>Once upon a time.")]
    )
    assert carried(events) == {}
    assert text(events, Channel.ANSWER) == "Once upon a time."


async def test_a_chinese_thinking_is_asked_in_chinese() -> None:
    engine, _ = await written(
        rules(asks=True, language="zh"),
        [Say("<think>\n写河，写磨坊，写小镇。"), Say(STORY)],
        [Say("河 - 900字\n2. 磨坊 - 900字\n3. 结语 - 200字\n"), Say(STORY)],
    )
    assert engine.jobs[1].written.text.endswith("大纲（各节标题与字数）：\n1.")


async def test_thinking_that_begins_again_within_an_answer_is_watched_anew() -> None:
    again = "<answer>\nOnce. </answer>"
    _, events = await written(
        rules(), [Say("<think>\n" + OUTLINE + "</think>\n<think>\nMore thought.\n</think>" + again)]
    )
    assert text(events, Channel.REASONING) == OUTLINE.strip() + "\n\nMore thought."
    assert text(events, Channel.ANSWER) == "Once."
