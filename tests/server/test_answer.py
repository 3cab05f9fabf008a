"""Accepting work and writing several drafts at once, over a scripted engine."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from planner.brief import Brief, Message
from planner.prompts import ours
from server.answer import Answerer, Commission, Order
from server.engine.base import Card, Sampling
from server.engine.scripted import Die, Refuse, Say, ScriptedEngine, Stall
from server.errors import BadRequest, ContextTooLong, EngineDied, EngineUnavailable
from server.events import Channel, Choice, Ended, Fragment
from server.layout import Layout
from server.policies.planning import Planning
from server.rules import ENGINE_STOPS, Rules, no_policies

BOUND_S = 5.0
SAMPLING = Sampling(temperature=0.6, top_p=0.95)
CARD = Card(model="m", window_tokens=1_000, vocabulary_tokens=500)
BRIEF = Brief(messages=(Message(role="user", content="A poem, please."),))
STORY = Say("<think> Plan. </think> <answer> Once upon a time. </answer>")


def order(**given: Any) -> Order:
    return replace(Order(id="a", sampling=SAMPLING), **given)


def answerer(*plays: Any, **given: Any) -> tuple[Answerer, ScriptedEngine]:
    engine = ScriptedEngine(plays=plays or ([STORY],), card=replace(CARD, **given))
    return Answerer(engine=engine, layout=Layout(engine=engine, prompter=ours())), engine


async def written(by: Answerer, commission: Commission) -> list[Choice]:
    async with asyncio.timeout(BOUND_S), aclosing(by.write(commission)) as choices:
        return [choice async for choice in choices]


def answer(choices: list[Choice], index: int) -> str:
    return "".join(
        choice.event.text
        for choice in choices
        if choice.index == index
        and isinstance(choice.event, Fragment)
        and choice.event.channel is Channel.ANSWER
    )


def ends(choices: list[Choice]) -> list[int]:
    return sorted(choice.index for choice in choices if isinstance(choice.event, Ended))


# Accepting a conversation.


async def test_a_brief_becomes_one_job_with_the_prompt_the_stops_and_the_budget() -> None:
    by, engine = answerer()
    commission = await by.accept(replace(BRIEF, max_tokens=90), order(stops=("X",), priority=3))
    [job] = commission.jobs
    text = ours().render(BRIEF.messages, thinking=True).text
    assert job.prompt == await engine.tokenize(text)
    assert (job.id, job.written.text, job.max_tokens, job.priority) == ("a", "", 90, 3)
    # The caller's own stops hold for the answer alone, so the engine does not get them.
    assert job.stop == ENGINE_STOPS
    assert replace(commission.rules, policies=no_policies, planning=Planning()) == Rules(
        max_tokens=90, reasoning_tokens=45, thinking=True, stops=("X",)
    )
    assert commission.prompt_tokens == job.prompt.num_tokens


async def test_without_thinking_the_answer_is_begun_and_its_tokens_count_as_prompt() -> None:
    by, engine = answerer()
    commission = await by.accept(replace(BRIEF, thinking=False), order())
    [job] = commission.jobs
    assert job.written == await engine.tokenize(" <answer>\n")
    assert commission.prompt_tokens == job.prompt.num_tokens + job.written.num_tokens
    assert job.max_tokens == 1_000 - commission.prompt_tokens
    assert commission.rules.reasoning_tokens == 0
    assert not commission.rules.thinking


async def test_several_drafts_share_one_prompt_and_are_drawn_apart() -> None:
    by, _ = answerer()
    commission = await by.accept(BRIEF, order(n=3, sampling=replace(SAMPLING, seed=7)))
    assert [job.id for job in commission.jobs] == ["a-0", "a-1", "a-2"]
    assert [job.sampling.seed for job in commission.jobs] == [7, 8, 9]
    assert len({id(job.prompt) for job in commission.jobs}) == 1
    assert commission.prompt_tokens == commission.jobs[0].prompt.num_tokens


async def test_drafts_without_a_seed_stay_without_one() -> None:
    by, _ = answerer()
    commission = await by.accept(BRIEF, order(n=2))
    assert [job.sampling.seed for job in commission.jobs] == [None, None]


async def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers() -> None:
    by, engine = answerer(window_tokens=16)
    text = ours().render(BRIEF.messages, thinking=True).text
    num_tokens = (await engine.tokenize(text)).num_tokens
    with pytest.raises(ContextTooLong) as caught:
        await by.accept(BRIEF, order())
    assert caught.value.param == "messages"
    for number in (num_tokens, 16, num_tokens + 1 - 16):
        assert str(number) in caught.value.message


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("logit_bias", ((3, 1.0), (500, -1.0)), 500),
        ("logit_bias", ((-1, 1.0),), -1),
        ("stop_token_ids", (499, 1_000), 1_000),
        ("allowed_token_ids", (-5,), -5),
    ],
)
async def test_a_token_id_outside_the_vocabulary_is_refused(
    field: str, value: Any, wrong: int
) -> None:
    by, _ = answerer()
    asked = order(sampling=replace(SAMPLING, **{field: value}))
    for accept in (by.accept(BRIEF, asked), by.accept_raw(["a"], asked, max_tokens=5)):
        with pytest.raises(BadRequest) as caught:
            await accept
        assert caught.value.param == field
        assert f"token id {wrong} is outside the vocabulary, 0 to 499" in caught.value.message


async def test_token_ids_inside_the_vocabulary_are_taken() -> None:
    by, _ = answerer()
    sampling = replace(SAMPLING, logit_bias=((0, 1.0), (499, 1.0)), stop_token_ids=(499,))
    commission = await by.accept(BRIEF, order(sampling=sampling))
    assert commission.jobs[0].sampling == sampling


# Accepting raw texts.


async def test_a_raw_text_is_carried_on_as_it_is() -> None:
    by, engine = answerer([Say("<think> b STOP c")])
    commission = await by.accept_raw(["Once"], order(stops=("STOP",)), max_tokens=5)
    [job] = commission.jobs
    assert job.prompt == await engine.tokenize("Once")
    assert (job.id, job.max_tokens, job.stop) == ("a", 5, ("STOP",))
    choices = await written(by, commission)
    assert answer(choices, 0) == "<think> b "
    assert ends(choices) == [0]
    assert engine.jobs == [job]


async def test_raw_token_ids_go_to_the_engine_as_they_are() -> None:
    by, _ = answerer()
    commission = await by.accept_raw([(0, 499)], order(), max_tokens=5)
    prompt = commission.jobs[0].prompt
    assert (prompt.text, prompt.token_ids, prompt.num_tokens) == ("", (0, 499), 2)


async def test_a_raw_token_id_outside_the_vocabulary_is_refused() -> None:
    by, _ = answerer()
    with pytest.raises(BadRequest, match="token id 500 is outside the vocabulary, 0 to 499") as e:
        await by.accept_raw([(0, 500)], order(), max_tokens=5)
    assert e.value.param == "prompt"


async def test_several_raw_prompts_times_several_drafts_are_that_many_jobs() -> None:
    by, _ = answerer()
    commission = await by.accept_raw(["One two", (1, 2, 3)], order(n=2), max_tokens=5)
    assert [job.id for job in commission.jobs] == ["a-p0-0", "a-p0-1", "a-p1-0", "a-p1-1"]
    assert [job.prompt.num_tokens for job in commission.jobs] == [2, 2, 3, 3]
    assert commission.prompt_tokens == 2 + 3


async def test_a_raw_prompt_takes_no_more_than_the_window_holds() -> None:
    by, _ = answerer(window_tokens=10)
    commission = await by.accept_raw(["a b c"], order(), max_tokens=50)
    assert commission.jobs[0].max_tokens == 7
    with pytest.raises(ContextTooLong) as caught:
        await by.accept_raw(["a b c d e f g h i j"], order(), max_tokens=50)
    assert caught.value.param == "prompt"


# Writing.


async def test_one_draft_is_choice_zero() -> None:
    by, engine = answerer()
    choices = await written(by, await by.accept(BRIEF, order()))
    assert {choice.index for choice in choices} == {0}
    assert answer(choices, 0) == "Once upon a time."
    assert ends(choices) == [0]
    assert engine.open_streams == 0


async def test_every_draft_comes_whole_and_ends_once() -> None:
    by, engine = answerer(*([Say(f"<answer>Story {at}.</answer>")] for at in range(4)))
    choices = await written(by, await by.accept(BRIEF, order(n=4)))
    assert ends(choices) == [0, 1, 2, 3]
    assert sorted(answer(choices, index) for index in range(4)) == [
        "Story 0.", "Story 1.", "Story 2.", "Story 3.",
    ]  # fmt: skip
    assert engine.open_streams == 0


async def test_drafts_are_written_at_the_same_time() -> None:
    gate = asyncio.Event()
    by, engine = answerer([Say("<answer>First"), Stall(gate=gate), Say(" end")], [STORY])
    commission = await by.accept(BRIEF, order(n=2))
    async with asyncio.timeout(BOUND_S), aclosing(by.write(commission)) as choices:
        seen = [await anext(choices)]
        while ends(seen) != [1]:
            seen.append(await anext(choices))
        # The second has ended while the first still waits.
        assert engine.open_streams == 1
        gate.set()
        seen += [choice async for choice in choices]
    assert ends(seen) == [0, 1]
    assert answer(seen, 0) == "First end"


@pytest.mark.parametrize(
    ("act", "error"), [(Die("out of paper"), EngineDied), (Refuse("too strange"), BadRequest)]
)
async def test_the_first_failure_ends_the_other_drafts(act: Any, error: type[Exception]) -> None:
    forever = [Say("<answer>On"), Stall(gate=asyncio.Event())]
    by, engine = answerer(forever, [Say("<answer>Off"), act], forever)
    commission = await by.accept(BRIEF, order(n=3))
    with pytest.raises(error):
        await written(by, commission)
    assert engine.open_streams == 0


@pytest.mark.parametrize("n", [1, 3])
async def test_closing_the_answer_frees_every_stream(n: int) -> None:
    by, engine = answerer([Say("<answer>On and on"), Stall(gate=asyncio.Event())])
    commission = await by.accept(BRIEF, order(n=n))
    async with asyncio.timeout(BOUND_S):
        choices = by.write(commission)
        while engine.open_streams < n:
            await anext(choices)
        await choices.aclose()
    assert engine.open_streams == 0


async def test_a_reader_that_falls_behind_holds_the_drafts_back() -> None:
    by, engine = answerer([Say("<answer> " + "word " * 900)])
    commission = await by.accept(replace(BRIEF, loop_guard=False), order(n=2))
    async with asyncio.timeout(BOUND_S), aclosing(by.write(commission)) as choices:
        await anext(choices)
        idle = asyncio.Event()
        # Turns of the loop in plenty: more than two drafts of 900 words need.
        for _ in range(5_000):
            asyncio.get_running_loop().call_soon(idle.set)
            await idle.wait()
            idle.clear()
        assert engine.open_streams == 2
        rest = [choice async for choice in choices]
    assert ends(rest) == [0, 1]


async def test_an_engine_that_cannot_answer_accepts_nothing() -> None:
    class Loading(ScriptedEngine):
        async def tokenize(self, text: str) -> Any:
            raise EngineUnavailable("the model is loading")

    loading = Loading()
    by = Answerer(engine=loading, layout=Layout(engine=loading, prompter=ours()))
    with pytest.raises(EngineUnavailable):
        await by.accept(BRIEF, order())
