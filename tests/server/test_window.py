"""Drafts that outgrow the engine's window."""

import asyncio
from contextlib import aclosing

import pytest

from server.engine.base import Card, End, Job, Passage, Sampling
from server.engine.log import Log
from server.engine.scripted import Play, Say, ScriptedEngine
from server.events import CarriedOn, Channel, Ended, Event, Fragment
from server.recap import Told, recap, sections
from server.rules import ENGINE_STOPS, Rules
from server.window import Window, head_text, pages_from_chars
from server.write import write

BOUND_S = 5.0
WINDOW_TOKENS = 200
PLAN = " <think>\n1. Roads - 90 words\n2. Mills - 90 words\n</think>\n<answer>\n"


def chapter(number: int, title: str) -> str:
    lines = "\n\n".join(f"Line {line} of {title} is here." for line in range(12))
    return f"## {number} of 2: {title}\n\n{lines}\n\n"


async def played(
    *plays: Play, paged: bool = True, reasoning_tokens: int = 50, prompt_tokens: int = 1
) -> tuple[ScriptedEngine, list[Event]]:
    card = Card(model="scripted", window_tokens=WINDOW_TOKENS, vocabulary_tokens=10**6)
    engine = ScriptedEngine(plays=plays, card=card)
    job = Job(
        id="a",
        prompt=Passage(text="Write.", token_ids=(900,) * prompt_tokens, num_tokens=prompt_tokens),
        written=Passage(text="", token_ids=(), num_tokens=0),
        sampling=Sampling(temperature=0.6, top_p=0.95),
        max_tokens=WINDOW_TOKENS - prompt_tokens,
        stop=ENGINE_STOPS,
    )
    rules = Rules(
        max_tokens=1_000,
        reasoning_tokens=reasoning_tokens,
        thinking=True,
        paged=paged,
    )
    async with asyncio.timeout(BOUND_S), aclosing(write(engine, job, rules)) as events:
        return engine, [event async for event in events]


def answer(events: list[Event]) -> str:
    return "".join(
        e.text for e in events if isinstance(e, Fragment) and e.channel is Channel.ANSWER
    )


async def test_a_draft_goes_on_in_a_new_window_without_a_seam() -> None:
    engine, events = await played(
        [Say(PLAN + chapter(1, "Roads")), End(reason="length")],
        [Say(chapter(2, "Mills") + "</answer>")],
    )
    assert answer(events) == (chapter(1, "Roads") + chapter(2, "Mills")).rstrip()
    assert CarriedOn(why="window") in events
    last = events[-1]
    assert isinstance(last, Ended)
    assert (last.finish_reason, last.num_windows) == ("stop", 2)
    second = engine.jobs[1]
    assert second.prompt == engine.jobs[0].prompt
    assert second.written.text.startswith(
        " <think>\n2. Mills - 90 words\n\nWritten so far:\n- Roads: Line 0 of Roads is here.\n"
        "</think>\n<answer>\n\n\nLine"
    )
    assert second.written.text.endswith("Line 11 of Roads is here.\n\n")
    assert second.written.token_ids is not None
    assert second.max_tokens == WINDOW_TOKENS - 1 - second.written.num_tokens


async def test_a_draft_that_may_not_ends_with_its_window() -> None:
    engine, events = await played(
        [Say(PLAN + chapter(1, "Roads")), End(reason="length")], paged=False
    )
    assert len(engine.jobs) == 1
    assert isinstance(events[-1], Ended)
    assert events[-1].finish_reason == "length"


async def test_a_window_filled_by_its_own_recap_is_not_opened() -> None:
    engine, events = await played([Say(PLAN + "a " * 250)], prompt_tokens=150)
    assert len(engine.jobs) == 1
    assert isinstance(events[-1], Ended)


async def test_thinking_that_fills_the_window_has_nothing_to_recap() -> None:
    engine, events = await played([Say(" <think>\n" + "so " * 250)], reasoning_tokens=500)
    assert isinstance(events[-1], Ended)
    assert len(engine.jobs) == 1


def logged(*parts: str) -> Log:
    log = Log()
    for at, part in enumerate(parts):
        log.append(part, (at,), 1)
    return log


@pytest.mark.parametrize(("max_tokens", "begins"), [(9, 0), (5, 0), (4, 3), (3, 4), (2, 6), (1, 7)])
def test_the_latest_pages_begin_at_a_line_if_one_is_near(max_tokens: int, begins: int) -> None:
    log = logged("A.\n", "B", " b", ".", "\n")
    assert log.latest(max_tokens) == begins
    pages = log.since(begins)
    assert pages.text == "A.\nB b.\n"[begins:]
    assert pages.num_tokens == len(pages.token_ids or ())


def test_a_line_that_begins_near_is_preferred() -> None:
    log = logged("A", "b", "c\n", "D", "e", "f", "g", "h", "i", "j")
    assert log.latest(9) == 4
    assert log.since(4).text == "Defghij"


def test_a_window_without_ids_counts_its_text() -> None:
    log = logged("One", " two")
    log.append(" three", None, 1)
    head = Passage(text="<answer>", token_ids=(7,), num_tokens=1)
    script = Window(head=head, from_chars=3).script(log)
    assert script == Passage(text="<answer> two three", token_ids=None, num_tokens=3)


def test_pages_never_reach_back_into_the_thinking() -> None:
    log = logged("<think>", "Plan", "</think>", "<answer>", "Once")
    assert pages_from_chars(log, 27, 100) == 27
    assert head_text(log, 27, 100).startswith(" <think>\nPlan")


# The recap.

HEADED = "# On mills\n\n## 1 of 9: Roads\n\nOld roads lead here. They are long.\n\nMore.\n"


def test_a_section_is_told_by_its_first_sentence() -> None:
    assert sections(HEADED) == [Told(title="Roads", first="Old roads lead here.")]


def test_a_text_without_headings_is_told_by_its_paragraphs() -> None:
    assert sections("Once. Twice.\n\n春天来了。花开了。\n") == [
        Told(title="", first="Once."),
        Told(title="", first="春天来了。"),
    ]


def test_the_recap_keeps_what_is_unwritten_and_names_each_section_that_is_written() -> None:
    plan = (
        "<think>\nThe task is roads.\n1. Roads - 90 words\n2. Mills - 90 words\n3. Roads\n</think>"
    )
    assert recap(plan, HEADED, max_chars=2_000) == (
        " <think>\nThe task is roads.\n2. Mills - 90 words\n3. Roads\n\n"
        "Written so far:\n- Roads: Old roads lead here.\n</think>\n<answer>\n"
    )


def test_a_chinese_recap_speaks_chinese() -> None:
    assert "已写内容：\n- 春天来了。" in recap("", "春天来了。", max_chars=100)


def test_before_the_first_word_there_is_only_the_plan() -> None:
    assert recap("Plan.", "", max_chars=100) == " <think>\nPlan.\n</think>\n<answer>\n"


def test_a_recap_keeps_to_its_size_and_says_where_it_left_out() -> None:
    answer = "".join(f"## {n}. Part {n}\n\nThis is number {n}. {'x' * 50}\n\n" for n in range(99))
    text = recap("Plan line.\n" * 200, answer, max_chars=1_000)
    assert len(text) < 1_200
    assert text.count("…") == 2
    assert "- Part 98: This is number 98.\n</think>" in text
    assert recap("x" * 900, "", max_chars=100).count("x") == 60


def test_of_sections_with_one_title_as_many_lines_of_the_plan_go_as_are_written() -> None:
    plan = "1. Roads\n2. Mills\n3. Roads\n4. Roads"
    answer = "".join(f"## {title}\n\nIt rained.\n\n" for title in ("Roads", "Mills", "Roads"))
    told = recap(plan, answer, max_chars=1_000)
    assert "1. Roads" not in told and "2. Mills" not in told and "3. Roads" not in told
    assert "4. Roads" in told
