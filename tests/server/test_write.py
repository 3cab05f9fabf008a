"""The write loop, over a scripted engine."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from server.engine.base import Card, End, Job, Passage, Piece, Sampling, Text
from server.engine.scripted import Break, Die, Play, Refuse, Say, ScriptedEngine, Stall
from server.errors import BadRequest, EngineDied, EngineUnavailable
from server.events import CarriedOn, Channel, Ended, Event, Fragment, Usage
from server.rules import ENGINE_STOPS, Rules
from server.write import write

BOUND_S = 5.0
PLAN = Say("<think> One two.")
STORY = Say(" </think> <answer> Once upon a time. </answer>")


def rules(**given: Any) -> Rules:
    return replace(Rules(max_tokens=100, reasoning_tokens=50, thinking=True), **given)


def passage(text: str, num_tokens: int) -> Passage:
    return Passage(text=text, token_ids=tuple(range(900, 900 + num_tokens)), num_tokens=num_tokens)


def job(**given: Any) -> Job:
    plain = Job(
        id="a",
        prompt=passage("Write.", 10),
        written=passage("", 0),
        sampling=Sampling(temperature=0.6, top_p=0.95),
        max_tokens=100,
        stop=ENGINE_STOPS,
    )
    return replace(plain, **given)


async def written(
    engine: ScriptedEngine, of: Job | None = None, by: Rules | None = None
) -> list[Event]:
    events = write(engine, of or job(), by or rules())
    async with asyncio.timeout(BOUND_S), aclosing(events):
        return [event async for event in events]


def text(events: list[Event], channel: Channel) -> str:
    return "".join(e.text for e in events if isinstance(e, Fragment) and e.channel is channel)


def ended(events: list[Event]) -> Ended:
    *before, last = events
    assert isinstance(last, Ended)
    assert not any(isinstance(event, Ended) for event in before)
    return last


async def test_a_play_becomes_events_with_one_end() -> None:
    engine = ScriptedEngine(plays=[[PLAN, STORY]])
    events = await written(engine)
    assert text(events, Channel.REASONING) == "One two."
    assert text(events, Channel.ANSWER) == "Once upon a time."
    assert ended(events) == Ended(
        finish_reason="stop",
        usage=Usage(prompt_tokens=10, reasoning_tokens=4, answer_tokens=6),
        answer_words=4,
    )
    assert engine.jobs == [job()]
    assert engine.open_streams == 0


async def test_a_stop_string_of_the_caller_closes_the_stream() -> None:
    engine = ScriptedEngine(plays=[[PLAN, STORY, Say(" never")]])
    events = await written(engine, by=rules(stops=("upon a",)))
    assert text(events, Channel.ANSWER) == "Once "
    assert ended(events).finish_reason == "stop"
    assert engine.open_streams == 0


async def test_thinking_over_its_budget_is_closed_and_carried_on_from_the_log() -> None:
    engine = ScriptedEngine(plays=[[Say("<think> and on and on")], [Say("Once.</answer>")]])
    events = await written(engine, by=rules(reasoning_tokens=3))
    assert text(events, Channel.REASONING) == "and on"
    assert text(events, Channel.ANSWER) == "Once."
    assert [e for e in events if isinstance(e, CarriedOn)] == [CarriedOn(why="reasoning_budget")]
    second = engine.jobs[1]
    assert second.written.text == "<think> and on\n</think>\n<answer>\n"
    assert second == job().after(second.written, max_tokens=97)
    words = await engine.tokenize("<think> and on")
    closing = await engine.tokenize("\n</think>\n<answer>\n")
    assert second.written.token_ids == (*words.token_ids, *closing.token_ids)
    assert ended(events).usage == Usage(prompt_tokens=10, reasoning_tokens=3, answer_tokens=1)
    assert ended(events).faults == ()


async def test_thinking_that_ends_without_an_answer_is_carried_on_into_one() -> None:
    engine = ScriptedEngine(plays=[[PLAN], [Say("Once. </answer>")]])
    events = await written(engine)
    assert [type(event).__name__ for event in events] == [
        "Fragment", "Fragment", "CarriedOn", "Fragment", "Ended",
    ]  # fmt: skip
    assert engine.jobs[1].written.text == "<think> One two.\n</think>\n<answer>\n"
    assert engine.jobs[1].max_tokens == 97
    assert text(events, Channel.ANSWER) == "Once."


async def test_an_end_tag_inside_thinking_is_carried_on_from_with_nothing_put_in() -> None:
    engine = ScriptedEngine(
        plays=[[Say("<think> I end with </answer>")], [Say(" then. </think> <answer> Once.")]]
    )
    events = await written(engine)
    assert (
        events[-4] == CarriedOn(why="stop_in_reasoning")
        or CarriedOn(why="stop_in_reasoning") in events
    )
    assert engine.jobs[1].written.text == "<think> I end with </answer>"
    assert text(events, Channel.REASONING) == "I end with </answer> then."
    assert text(events, Channel.ANSWER) == "Once."


@pytest.mark.parametrize("mark", ["<|user|>", "<|用户|>", "<|endoftext|>", "<|assistant|>"])
async def test_a_role_marker_in_thinking_is_taken_off_and_the_answer_begun(mark: str) -> None:
    engine = ScriptedEngine(plays=[[PLAN, Say(f" {mark}"), Say(": more")], [Say("Once.")]])
    events = await written(engine)
    assert CarriedOn(why="no_answer") in events
    assert engine.jobs[1].written.text == "<think> One two. \n</think>\n<answer>\n"
    assert engine.jobs[1].written.num_tokens == len(engine.jobs[1].written.token_ids or ()) == 6
    assert ended(events).faults == ("role_mark",)
    assert text(events, Channel.ANSWER) == "Once."


async def test_a_role_marker_in_the_answer_ends_it() -> None:
    engine = ScriptedEngine(plays=[[PLAN, Say(" </think> <answer> Once. <|user|> : More")]])
    events = await written(engine)
    assert text(events, Channel.ANSWER) == "Once."
    assert ended(events).faults == ("role_mark",)
    assert len(engine.jobs) == 1


async def test_a_model_that_never_answers_is_asked_three_times_in_all() -> None:
    engine = ScriptedEngine(plays=[[PLAN], []])
    events = await written(engine)
    assert events.count(CarriedOn(why="no_answer")) == 2
    assert len(engine.jobs) == 3
    assert ended(events).answer_words == 0
    assert ended(events).usage.completion_tokens == 3


async def test_a_begun_answer_is_not_part_of_the_events_and_counts_as_prompt() -> None:
    engine = ScriptedEngine(plays=[[Say("Once. </answer>")]])
    begun = await engine.tokenize(" <answer>\n")
    events = await written(engine, job(written=begun), rules(thinking=False, reasoning_tokens=0))
    assert text(events, Channel.ANSWER) == "Once."
    assert ended(events).usage == Usage(prompt_tokens=10 + begun.num_tokens, answer_tokens=2)


async def test_what_is_put_in_cannot_outgrow_the_window() -> None:
    card = Card(model="m", window_tokens=20, vocabulary_tokens=1_000_000)
    engine = ScriptedEngine(plays=[[Say("<think> a b c d")], [Say("e f g h")]], card=card)
    # 20 hold 10 of the prompt, 3 of reasoning and 3 of tags put in: 4 remain, not 7.
    events = await written(engine, job(max_tokens=10), rules(max_tokens=10, reasoning_tokens=3))
    assert engine.jobs[1].written.num_tokens == 3 + 3
    assert engine.jobs[1].max_tokens == 4
    assert ended(events).finish_reason == "length"


async def test_a_full_window_ends_the_draft_for_want_of_room() -> None:
    card = Card(model="m", window_tokens=15, vocabulary_tokens=1_000_000)
    engine = ScriptedEngine(plays=[[Say("<think> a b c d")]], card=card)
    events = await written(engine, job(max_tokens=5), rules(max_tokens=5, reasoning_tokens=3))
    assert len(engine.jobs) == 1
    assert not any(isinstance(event, CarriedOn) for event in events)
    assert ended(events).finish_reason == "length"


async def test_a_draft_cut_by_its_tokens_says_so() -> None:
    engine = ScriptedEngine(plays=[[PLAN, STORY]])
    events = await written(engine, job(max_tokens=7), rules(max_tokens=7, reasoning_tokens=4))
    assert text(events, Channel.ANSWER) == "Once upon"
    assert ended(events).finish_reason == "length"


async def test_what_was_held_back_comes_before_the_end() -> None:
    engine = ScriptedEngine(plays=[[PLAN, Say(" </think> <answer> One <")]])
    events = await written(engine)
    assert text(events, Channel.ANSWER) == "One <"
    held = ScriptedEngine(plays=[[PLAN, Say(" </think> <answer> One TH")]])
    assert text(await written(held, by=rules(stops=("THE",))), Channel.ANSWER) == "One TH"


# Engines that fail.


async def test_an_engine_that_dies_is_an_error_after_what_it_wrote() -> None:
    engine = ScriptedEngine(plays=[[PLAN, Die("out of paper"), STORY]])
    events: list[Event] = []
    seen = events.append
    with pytest.raises(EngineDied, match="out of paper"):
        async with aclosing(write(engine, job(), rules())) as stream:
            async for event in stream:
                seen(event)
    assert text(events, Channel.REASONING) == "One two."
    assert engine.open_streams == 0


async def test_a_stream_that_breaks_off_is_never_taken_for_a_short_answer() -> None:
    with pytest.raises(EngineDied, match="broke off without an end"):
        await written(ScriptedEngine(plays=[[PLAN, Say(" </think> <answer> Once"), Break()]]))


async def test_a_job_that_is_refused_is_a_bad_request() -> None:
    engine = ScriptedEngine(plays=[[Refuse("too strange")]])
    with pytest.raises(BadRequest, match="too strange"):
        await written(engine)
    assert engine.open_streams == 0


async def test_a_dead_engine_takes_no_job_and_carries_nothing_on() -> None:
    engine = ScriptedEngine()
    engine.die("gone")
    with pytest.raises(EngineUnavailable, match="gone"):
        await written(engine)
    assert engine.jobs == []


async def test_an_engine_that_dies_while_it_stalls_ends_the_draft() -> None:
    engine = ScriptedEngine(plays=[[PLAN, Stall(gate=asyncio.Event()), STORY]])
    async with asyncio.timeout(BOUND_S), aclosing(write(engine, job(), rules())) as events:
        await anext(events)
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        engine.die("in the middle")
        with pytest.raises(EngineDied, match="in the middle"):
            await waiting


@pytest.mark.parametrize("play", [[PLAN, STORY], [Say("Once upon"), Stall(gate=asyncio.Event())]])
async def test_closing_the_events_frees_the_engines_stream(play: Play) -> None:
    engine = ScriptedEngine(plays=[play])
    async with asyncio.timeout(BOUND_S):
        events = write(engine, job(), rules())
        await anext(events)
        assert engine.open_streams == 1
        await events.aclose()
    assert engine.open_streams == 0


class Odd(ScriptedEngine):
    """Ends with more to say, as an engine with pieces in flight may."""

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        yield Text(text="<think>A</think><answer>Once.</answer>", token_ids=(1, 2))
        yield End(reason="stop")
        raise AssertionError("nobody reads on after the end")


async def test_nothing_is_read_after_an_end() -> None:
    events = await written(Odd())
    assert text(events, Channel.ANSWER) == "Once."
    assert ended(events).usage.completion_tokens == 2


async def test_the_token_that_ended_a_text_is_not_in_the_middle_of_the_next_one() -> None:
    """An end-of-text token has no text; a log carried on with it would have ended there."""
    engine = ScriptedEngine(plays=[[PLAN, End(reason="stop", end_token=True)], [STORY]])
    events = await written(engine)
    plan = await engine.tokenize("<think> One two.")
    words = await engine.tokenize("\n</think>\n<answer>\n")
    assert plan.token_ids is not None and words.token_ids is not None
    assert engine.jobs[1].written.token_ids == plan.token_ids[:-1] + words.token_ids
    assert ended(events).usage.reasoning_tokens == plan.num_tokens


async def test_what_the_engine_knows_of_its_cache_is_told_after_the_end_mark() -> None:
    engine = ScriptedEngine(
        plays=[[Say("<answer> Once.</answer>"), End(reason="stop", cached_tokens=8)]]
    )
    unstopped = job(stop=())
    assert ended(await written(engine, unstopped)).usage.cached_tokens == 8


async def test_an_engine_that_goes_on_after_the_end_mark_is_stopped() -> None:
    engine = ScriptedEngine(plays=[[Say("<answer> Once.</answer>"), Say(" and on" * 50)]])
    events = await written(engine, job(stop=()))
    assert text(events, Channel.ANSWER) == "Once."
    assert ended(events).usage.completion_tokens == 2
    assert engine.open_streams == 0
