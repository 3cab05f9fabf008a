"""What callers see of choosing among drafts, over HTTP with a scripted engine."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Gauge

from planner.brief import Brief, Message
from rewards.base import Draft, Score, broke
from rewards.partial import Pruning
from server import app, contest, jury
from server.answer import Order
from server.best_of import merged
from server.contest import BestOf
from server.engine.base import Job, Piece, Sampling
from server.engine.scripted import Break, Refuse, Say, ScriptedEngine, Stall
from server.errors import CannotServe
from server.events import CarriedOn, Channel, Event, Fate, Fragment, TokenLogprob

ANSWER_OPEN = "<think>\nA plan.\n</think>\n<answer>\n"
WORDS = (
    *("old", "new", "long", "short", "red", "blue", "warm", "cold"),
    *("near", "far", "high", "low", "wide", "deep", "soft", "hard"),
)


def sentences(count: int, seed: int = 0) -> str:
    """Sentences of six words each, none like another."""
    size = len(WORDS)
    return " ".join(
        f"{WORDS[n * 5 % size].title()} {WORDS[(n * 3 + 1) % size]} roads {WORDS[n % size]} "
        f"{WORDS[(n * 7 + 2) % size]} mills{seed * 'x'}{chr(97 + n % 26)}."
        for n in range(seed * 100, seed * 100 + count)
    )


def sound(count: int, seed: int = 0) -> Say:
    """A draft of ``6 * count`` words that keeps its format and says nothing twice."""
    return Say(f"{ANSWER_OPEN}{sentences(count, seed)}\n</answer>")


def wish(best_of: int | None, **given: Any) -> dict[str, Any]:
    """Options under which a draft is left as it is: what the candidates are is what is played."""
    options = {"length_control": "off", "loop_guard": False, "words": [90, 110], **given}
    return options if best_of is None else {**options, "best_of": best_of}


def shown(events: list[Any], index: int = 0, channel: str = "content") -> str:
    return "".join(
        choice["delta"].get(channel, "")
        for event in events[:-1]
        for choice in event["choices"]
        if choice["index"] == index
    )


def report(events: list[Any], index: int = 0) -> Any:
    return next(
        event["writing"]
        for event in events[:-1]
        for choice in event["choices"]
        if choice["finish_reason"] and choice["index"] == index
    )


REPEATED = sentences(6, 3) + "\n\n"
SHORT, FITTING, LOOSE = sound(3, 1), sound(17, 2), Say(f"<answer>{REPEATED * 3}</answer>")


@pytest.mark.parametrize("stream", [False, True])
async def test_the_draft_that_fits_the_range_says_nothing_twice_and_keeps_its_format_is_shown(
    gateway: Any, stream: bool
) -> None:
    desk = await gateway([SHORT], [FITTING], [LOOSE])
    asked = wish(3, prune=False)
    if stream:
        events = await desk.streamed(writing=asked, stream_options={"include_usage": True})
        assert events[-1] == "[DONE]"
        text, told, usage = shown(events), report(events), events[-2]["usage"]
        assert shown(events, channel="reasoning") == "A plan."
    else:
        body = (await desk.chat(writing=asked)).json()
        text, told = body["choices"][0]["message"]["content"], body["writing"]
        usage = body["usage"]
        assert body["choices"][0]["message"]["reasoning"] == "A plan."
    assert text == sentences(17, 2)
    assert (told["best_of"], told["candidate"], told["judged_by"]) == (3, 1, "panel")
    short, best, loose = told["candidates"]
    assert [one["state"] for one in told["candidates"]] == ["finished"] * 3
    assert [one["words"] for one in told["candidates"]] == [18, 102, 108]
    assert (best["place"], best["why"]) == (1, "")
    assert best["scores"] == {"length": 1.0, "format": 1.0, "repetition": 1.0}
    assert short["scores"]["length"] == 0.2
    assert short["why"] == "shorter than asked: 18 of [90, 110] words"
    assert loose["scores"]["format"] == 0.5
    assert loose["scores"]["repetition"] < 0.2
    assert best["normalised"]["length"] > 0 > short["normalised"]["length"]
    assert best["score"] > max(short["score"], loose["score"])
    # A word of the script is a token: all that was written is paid for, the prompt once.
    written = sum(one["reasoning_tokens"] + one["answer_tokens"] for one in told["candidates"])
    assert usage["completion_tokens"] == written
    assert usage["prompt_tokens"] == desk.engine.jobs[0].prompt.num_tokens
    assert len({job.id for job in desk.engine.jobs}) == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_the_best_of_several_are_shown_in_their_order_each_with_its_report(
    gateway: Any, stream: bool
) -> None:
    desk = await gateway([SHORT], [sound(14, 2)], [FITTING])
    asked = wish(3, prune=False)
    if stream:
        events = await desk.streamed(writing=asked, n=2, stream_options={"include_usage": True})
        texts = [shown(events, index) for index in range(2)]
        reports = [report(events, index) for index in range(2)]
        usage = events[-2]["usage"]
    else:
        body = (await desk.chat(writing=asked, n=2)).json()
        texts = [choice["message"]["content"] for choice in body["choices"]]
        reports = [choice["writing"] for choice in body["choices"]]
        usage = body["usage"]
    assert texts == [sentences(17, 2), sentences(14, 2)]
    assert [told["candidate"] for told in reports] == [2, 1]
    assert [told["words"] for told in reports] == [102, 84]
    first, second = (told["candidates"] for told in reports)
    assert first == second
    assert [one["place"] for one in first] == [3, 2, 1]
    assert usage["completion_tokens"] == sum(
        one["reasoning_tokens"] + one["answer_tokens"] for one in first
    )


async def test_as_many_candidates_as_choices_are_ranked(gateway: Any) -> None:
    desk = await gateway([SHORT], [FITTING])
    body = (await desk.chat(writing=wish(2), n=2)).json()
    texts = [choice["message"]["content"] for choice in body["choices"]]
    assert texts == [sentences(17, 2), sentences(3, 1)]


@pytest.mark.parametrize("best_of", [None, 1])
async def test_without_a_choice_to_make_all_is_as_before(gateway: Any, best_of: Any) -> None:
    desk = await gateway([SHORT])
    body = (await desk.chat(writing=wish(best_of))).json()
    assert {"best_of", "candidate", "candidates", "judged_by"}.isdisjoint(body["writing"])
    assert body["choices"][0]["message"]["content"] == sentences(3, 1)
    assert len(desk.engine.jobs) == 1


@pytest.mark.parametrize(
    ("asked", "num_drafts", "chosen"),
    [
        ({}, 2, True),
        ({"writing": {"best_of": 1}}, 1, False),
        ({"writing": {"best_of": 3}}, 3, True),
        # All that are written would be shown anyway, and live.
        ({"n": 2}, 2, False),
        ({"n": 3}, 3, False),
    ],
)
async def test_a_servers_own_best_of_holds_where_a_request_does_not_say(
    gateway: Any, asked: dict[str, Any], num_drafts: int, chosen: bool
) -> None:
    desk = await gateway([FITTING], best_of=2)
    body = (await desk.chat(**asked)).json()
    assert len(desk.engine.jobs) == num_drafts
    assert ("best_of" in (body.get("writing") or body["choices"][0]["writing"])) == chosen


async def test_a_servers_own_best_of_leaves_raw_completions_alone(gateway: Any) -> None:
    desk = await gateway([Say(" upon a time")], best_of=2)
    assert (await desk.complete()).json()["choices"][0]["text"] == " upon a time"
    assert len(desk.engine.jobs) == 1


# While the candidates are written.


@pytest.mark.parametrize("progress", [True, False])
async def test_a_stream_tells_how_the_candidates_get_on_or_only_that_they_do(
    served: Any, progress: bool
) -> None:
    gate = asyncio.Event()
    held = [Say(ANSWER_OPEN + sentences(2)), Stall(gate=gate), Say("</answer>")]
    beat = {"progress_s": 0.001} if progress else {"heartbeat_s": 0.001}
    desk = await served(held, [FITTING], **beat)
    # By default a stream says nothing of its candidates.
    asked = wish(2, **({"progress": True} if progress else {}))
    seen: list[Any] = []
    async with desk.stream(writing=asked, stream_options={"include_usage": True}) as events:
        async for event in events:
            seen.append(event)
            if progress and event.get("writing", {}).get("progress", [{}])[0].get("words") == 12:
                break
            if len(seen) == 20:
                break
        gate.set()
        seen += [event async for event in events]
    assert seen[-1] == "[DONE]"
    assert seen[-2]["usage"]["completion_tokens"] > 0
    first = next(at for at, event in enumerate(seen[:-1]) if shown([event, ""], 0, "reasoning"))
    opening, *before = seen[:first]
    assert opening["choices"][0]["delta"]["role"] == "assistant"
    assert len(before) > 1
    assert [event["choices"][0]["delta"] for event in before] == [{"content": ""}] * len(before)
    if not progress:
        assert not any("writing" in event for event in before)
        return
    standings = [event["writing"]["progress"] for event in before]
    assert next(told for told in standings if told[0]["words"] == 12)[0] == {
        "candidate": 0,
        "state": "writing",
        "words": 12,
        "reasoning_tokens": 4,
        "answer_tokens": 13,
        "score": None,
    }
    last = standings[-1]
    assert [one["state"] for one in last] == ["finished", "finished"]
    assert last[0]["score"] < last[1]["score"]
    assert shown(seen) == sentences(17, 2)


async def test_openais_package_reads_progress_candidates_and_usage(served: Any) -> None:
    gate = asyncio.Event()
    held = [Say(ANSWER_OPEN + sentences(2)), Stall(gate=gate), Say("</answer>")]
    desk = await served(held, [FITTING], progress_s=0.001)
    client = openai.AsyncOpenAI(base_url=f"{desk.host.url}/v1", api_key="none", max_retries=0)
    progress, text = 0, ""
    told: Any = None
    async with client:
        stream = await client.chat.completions.create(
            model="scripted",
            messages=[{"role": "user", "content": "Write."}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"writing": wish(2, progress=True)},
        )
        async for chunk in stream:
            report: Any = getattr(chunk, "writing", None) or {}
            progress += "progress" in report
            if progress > 2:
                gate.set()
            for choice in chunk.choices:
                text += choice.delta.content or ""
                told = report if choice.finish_reason else told
    assert (text, told["candidate"]) == (sentences(17, 2), 1)
    assert chunk.usage is not None
    assert chunk.usage.completion_tokens == sum(
        one["reasoning_tokens"] + one["answer_tokens"] for one in told["candidates"]
    )


async def test_a_winner_is_shown_as_it_was_written(gateway: Any) -> None:
    odd = Say(f"{ANSWER_OPEN}  Old\n\n\u2028roads — \tend…  {sentences(17)}\n\n </answer>")
    desk = await gateway([odd])
    asked = {"logprobs": True, "top_logprobs": 1}
    alone = (await desk.chat(writing=wish(1), **asked)).json()["choices"][0]
    chosen = (await desk.chat(writing=wish(2), **asked)).json()["choices"][0]
    assert chosen == alone
    assert len(chosen["logprobs"]["content"]) > 100
    alone_events = await desk.streamed(writing=wish(1), **asked)
    events = await desk.streamed(writing=wish(2), **asked)
    for channel in ("content", "reasoning"):
        assert shown(events, 0, channel) == shown(alone_events, 0, channel) != ""
    texts = [
        [
            (choice["delta"].get("content"), choice["logprobs"])
            for event in told[:-1]
            for choice in event["choices"]
            if choice["logprobs"]
        ]
        for told in (alone_events, events)
    ]
    assert texts[0] == texts[1] != []


def fragments() -> st.SearchStrategy[Event]:
    token = TokenLogprob(token="a", token_id=1, logprob=-0.5)
    return st.one_of(
        st.builds(
            Fragment,
            channel=st.sampled_from(Channel),
            text=st.text(max_size=8) | st.just("long " * 90),
            logprobs=st.sampled_from([(), (), (token,)]),
        ),
        st.just(CarriedOn(why="loop")),
    )


@given(st.lists(fragments()))
def test_what_is_shown_in_fewer_pieces_is_the_same_text_in_the_same_order(
    events: list[Event],
) -> None:
    def joined(told: list[Event]) -> list[Any]:
        """Runs of one channel without log-probabilities as one text; all else as it is."""
        runs: list[Any] = []
        for event in told:
            if not isinstance(event, Fragment) or event.logprobs:
                runs.append(event)
            elif runs and isinstance(runs[-1], tuple) and runs[-1][0] is event.channel:
                runs[-1] = (event.channel, runs[-1][1] + event.text)
            else:
                runs.append((event.channel, event.text))
        return runs

    told = [*merged(events)]
    assert joined(told) == joined(events)
    assert len(told) <= len(events)


def test_a_long_text_is_shown_in_a_few_pieces_and_not_in_one() -> None:
    words = [Fragment(channel=Channel.ANSWER, text="word ") for _ in range(1_000)]
    assert [len(one.text) for one in merged(words) if isinstance(one, Fragment)] == (
        [510] * 9 + [410]
    )


# Drafts that are stopped.

LONG = {"words": [900, 1_100]}
LOOPING = Say(ANSWER_OPEN + REPEATED * 12)


async def test_a_candidate_that_loops_stops_at_once_and_who_waits_has_its_place(
    served: Any, until: Any
) -> None:
    gate = asyncio.Event()
    held = [Say(ANSWER_OPEN + sentences(20)), Stall(gate=gate), Say("</answer>")]
    looping = asyncio.Event()
    desk = await served(
        held, [Stall(gate=looping), LOOPING, Stall(gate=asyncio.Event())], held, [SHORT],
        max_running=3,
    )  # fmt: skip
    admission = desk.service.desk.admission
    asking = asyncio.create_task(desk.chat(writing=wish(3, **LONG)))
    await until(lambda: desk.engine.open_streams == 3)
    waiting = asyncio.create_task(desk.chat(writing=wish(None)))
    await until(lambda: admission.queued == 1)
    assert desk.value("longhand_queue_depth") == 1
    looping.set()
    # The one that waited is written while the other two are held.
    assert (await waiting).status_code == 200
    assert desk.value("longhand_queue_depth") == 0
    assert (admission.running, desk.engine.open_streams) == (2, 2)
    gate.set()
    told = (await asking).json()["writing"]
    assert [one["state"] for one in told["candidates"]] == ["finished", "pruned", "finished"]
    assert told["candidates"][1]["why"].startswith("loops: the last ")
    assert told["candidates"][1]["words"] < 12 * 36
    assert told["candidates"][1]["scores"] == {}
    assert admission.running == 0


async def test_a_candidate_that_loops_in_its_thinking_stops_too(gateway: Any) -> None:
    thinking = Say("<think>\n" + REPEATED * 12)
    desk = await gateway([thinking, Stall(gate=asyncio.Event())], [FITTING])
    told = (await desk.chat(writing=wish(2))).json()["writing"]
    assert [one["state"] for one in told["candidates"]] == ["pruned", "finished"]
    assert told["candidates"][0]["why"].startswith("loops: ")


async def test_of_candidates_that_cannot_reach_their_range_the_last_is_finished(
    gateway: Any, until: Any
) -> None:
    gate = asyncio.Event()
    # The first words of all are written before one of them comes to where it is looked at.
    plays = [[Say(f"{ANSWER_OPEN}{seed} "), Stall(gate=gate), Say(sentences(80))] for seed in "abc"]
    desk = await gateway(*plays)
    asking = asyncio.create_task(desk.chat(writing=wish(3, **LONG), max_tokens=400))
    await until(lambda: desk.engine.open_streams == 3)
    gate.set()
    body = (await asking).json()
    states = [one["state"] for one in body["writing"]["candidates"]]
    assert sorted(states) == ["finished", "pruned", "pruned"]
    whys = {one["why"] for one in body["writing"]["candidates"] if one["state"] == "pruned"}
    assert whys == {"cannot reach 900 words any more"}
    assert body["choices"][0]["finish_reason"] == "length"


def worse(seed: int, count: int) -> str:
    """Prose of which a part is said again, too little to be a loop."""
    return f"{sentences(6, seed)} {sentences(6, seed)} {sentences(count - 12, seed + 1)}"


def halved(gates: list[asyncio.Event], end: asyncio.Event | None = None) -> list[Any]:
    """Four drafts of 1,020 words, two of them worse, that wait at 120, 240 and 420 words, and
    before their last tag."""
    parts = [(20, 0), (20, 20), (30, 40), (100, 70)]
    plays = []
    for seed in range(4):
        begun = worse(seed, 20) if seed < 2 else sentences(20, 4 + seed)
        texts = [ANSWER_OPEN + begun, *(sentences(n, 10 + seed * 5 + at) for n, at in parts[1:])]
        acts: list[Any] = [Say(f"{texts[0]} ")]
        for gate, text in zip(gates, texts[1:], strict=True):
            acts += [Stall(gate=gate), Say(f"{text} ")]
        last = [Stall(gate=end)] if end else []
        plays.append([*acts, *last, Say("</answer>")])
    return plays


@pytest.mark.parametrize(("n", "left"), [(1, [3, 2]), (2, [3, 2]), (3, [3, 3])])
async def test_the_worst_are_dropped_at_each_comparison_and_as_many_as_are_shown_stay(
    served: Any, until: Any, n: int, left: list[int]
) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    desk = await served(*halved(gates))
    asking = asyncio.create_task(desk.chat(writing=wish(4, **LONG), n=n))
    await until(lambda: desk.engine.open_streams == 4)
    for gate, streams in zip(gates, left, strict=False):
        gate.set()
        await until(lambda streams=streams: desk.engine.open_streams == streams)
        assert desk.service.desk.admission.running == streams
    gates[2].set()
    body = (await asking).json()
    told = body["writing"] if n == 1 else body["choices"][0]["writing"]
    candidates = told["candidates"]
    assert [one["state"] for one in candidates].count("finished") == left[-1]
    assert candidates[0]["state"] == candidates[1]["state"] == "pruned" or n == 3
    dropped = [one for one in candidates if one["state"] == "pruned"]
    behind = "behind the others when they were compared: "
    assert all(one["why"].startswith(behind) for one in dropped)
    assert all(one["score"] is not None and one["place"] is None for one in dropped)
    assert len(body["choices"]) == n


@pytest.mark.parametrize("by", ["queue", "cache"])
async def test_fewer_go_on_where_others_wait_or_the_cache_is_nearly_full(
    served: Any, until: Any, by: str
) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    desk = await served(*halved(gates), [SHORT], max_running=4)
    asking = asyncio.create_task(desk.chat(writing=wish(4, **LONG)))
    await until(lambda: desk.engine.open_streams == 4)
    if by == "queue":
        other = asyncio.create_task(desk.chat(writing=wish(None)))
        await until(lambda: desk.service.desk.admission.queued == 1)
    else:
        # As vLLM names it.
        usage = Gauge("vllm:kv_cache_usage_perc", "x", ["engine"], registry=desk.registry)
        usage.labels(engine="0").set(0.1)
        usage.labels(engine="1").set(0.95)
    for gate in gates:
        gate.set()
    told = (await asking).json()["writing"]
    # At the first comparison, of 240 words, one of four is left.
    assert [one["state"] for one in told["candidates"]].count("pruned") == 3
    assert all(one["words"] <= 240 for one in told["candidates"] if one["state"] == "pruned")
    if by == "queue":
        assert (await other).status_code == 200


async def test_without_others_to_make_room_for_most_of_them_go_on(gateway: Any) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    for gate in gates:
        gate.set()
    answerer = (await gateway(*halved(gates))).service.desk.answerer
    brief = Brief(messages=(Message(role="user", content="On roads."),), words=(900, 1_100))
    sampling = Sampling(temperature=0.6, top_p=0.95)
    best_of = BestOf(drafts=4, weights={"format": 1, "repetition": 1})
    commission = await answerer.accept(
        replace(brief, length_control="off"), Order(id="a", sampling=sampling, best_of=best_of)
    )
    async with aclosing(answerer.write(commission)) as choices:
        *_, last = [choice.event async for choice in choices]
    words = sorted(one.words for one in last.judged.candidates if one.fate is Fate.PRUNED)
    # One at the first comparison, one at the second, which is at 300.
    assert words[0] < 300 <= words[1]


async def test_candidates_that_no_reward_can_compare_yet_all_go_on(served: Any, until: Any) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    desk = await served(*halved(gates))
    for gate in gates:
        gate.set()
    asked = wish(4, rewards={"length": 1}, **LONG)
    told = (await desk.chat(writing=asked)).json()["writing"]
    assert [one["state"] for one in told["candidates"]] == ["finished"] * 4


async def test_nobody_is_stopped_where_the_caller_does_not_want_it(gateway: Any) -> None:
    desk = await gateway([LOOPING], [Say(ANSWER_OPEN + sentences(170) + "</answer>")])
    told = (await desk.chat(writing=wish(2, prune=False, **LONG))).json()["writing"]
    assert [one["state"] for one in told["candidates"]] == ["finished"] * 2
    assert told["candidate"] == 1


# What breaks.


class Wrong(ScriptedEngine):
    """Has a fault of its own in its first stream, or in every one."""

    num_faults = 1

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        if len(self.jobs) < self.num_faults:
            self.jobs.append(job)
            raise ValueError("once upon a time")
        async with aclosing(ScriptedEngine.stream(self, job)) as pieces:
            async for piece in pieces:
                yield piece


@pytest.mark.parametrize(
    ("act", "kind"), [(Break(), "EngineDied"), (Refuse("no such seed"), "BadRequest")]
)
async def test_one_candidate_that_fails_leaves_the_others_alone(
    gateway: Any, act: Any, kind: str
) -> None:
    desk = await gateway([Say(ANSWER_OPEN + "Secret words."), act], [FITTING])
    told = (await desk.chat(writing=wish(2))).json()["writing"]
    failed = told["candidates"][0]
    assert (failed["state"], failed["why"], failed["scores"]) == ("failed", kind, {})
    assert (failed["place"], failed["score"]) == (None, None)
    assert told["candidate"] == 1
    assert "Secret" not in str(told)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_candidate_that_meets_a_fault_of_ours_leaves_the_others_alone_too(
    gateway: Any, stream: bool
) -> None:
    engine = Wrong(plays=([FITTING],))
    desk = await gateway(build=lambda: engine)
    told = (await desk.chat(writing=wish(2))).json()["writing"]
    assert (told["candidates"][0]["why"], told["candidate"]) == ("ValueError", 1)
    engine.num_faults = 99
    if stream:
        events = await desk.streamed(writing=wish(2))
        assert (events[-2]["error"]["code"], events[-1]) == ("internal_error", "[DONE]")
        assert "once upon a time" not in str(events)
    else:
        response = await desk.chat(writing=wish(2))
        assert response.status_code == 500
        assert "once upon a time" not in response.text


@pytest.mark.parametrize("stream", [False, True])
async def test_where_all_candidates_fail_the_first_error_is_told(
    gateway: Any, stream: bool
) -> None:
    desk = await gateway([Refuse("no such seed")], [Say("<think> a"), Break()])
    if stream:
        events = await desk.streamed(writing=wish(2, progress=True))
        assert events[-1] == "[DONE]"
        states = [one["state"] for one in events[-3]["writing"]["progress"]]
        assert states == ["failed", "failed"]
        error = events[-2]["error"]
    else:
        response = await desk.chat(writing=wish(2))
        assert response.status_code == 400
        error = response.json()["error"]
    assert error["message"] == "no such seed"
    assert desk.value("longhand_best_of_drafts_total", outcome="failed") == 2
    assert desk.service.desk.admission.running == 0


async def test_a_choice_is_never_missing_silently(gateway: Any) -> None:
    desk = await gateway([Refuse("no such seed")], [FITTING, Stall(gate=asyncio.Event())])
    response = await desk.chat(writing=wish(2), n=2)
    assert response.json()["error"]["message"] == "no such seed"
    assert desk.engine.open_streams == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_ends_all_candidates(
    served: Any, until: Any, stream: bool
) -> None:
    desk = await served((Say(ANSWER_OPEN), Stall(gate=asyncio.Event())))
    asking = asyncio.create_task(desk.chat(writing=wish(3), stream=stream))
    await until(lambda: desk.engine.open_streams == 3)
    asking.cancel()
    await until(lambda: desk.service.desk.admission.running == 0)
    assert desk.engine.open_streams == 0
    await until(lambda: desk.value("longhand_disconnects_total", stage="candidates") == 1)


class Mute:
    """A reward that breaks, and a judge whose model is down."""

    name, range = "quality", (0.0, 1.0)

    def __init__(self) -> None:
        self.asked = 0

    async def score(self, drafts: Sequence[Draft]) -> Sequence[Score]:
        self.asked += 1
        return [broke("connection refused")] * len(drafts)


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Mute:
    """What a server with a quality model judges by."""
    judge = Mute()
    monkeypatch.setattr(app, "quality_judge", lambda _: judge)
    return judge


class Broken:
    """A reward with a fault."""

    name, range = "length", (0.0, 1.0)

    def score(self, draft: Draft) -> Score:
        raise ValueError(draft.answer)


async def test_a_reward_that_breaks_and_a_judge_that_is_down_abstain_and_it_is_told(
    gateway: Any, mute: Mute
) -> None:
    desk = await gateway([LOOSE], [FITTING], quality_model="a-judge")
    desk.service.desk.answerer.jury.rewards["length"] = Broken()
    weights = {"length": 1, "quality": 1, "format": 1}
    asked = wish(2, prune=False, rewards=weights)
    told = (await desk.chat(writing=asked)).json()["writing"]
    assert (told["candidate"], told["judged_by"]) == (1, "panel")
    best = told["candidates"][1]
    assert best["scores"] == {"length": None, "format": 1.0, "quality": None}
    assert best["normalised"] == {"format": 1.0}
    assert best["why"] == "length failed: ValueError; quality failed: connection refused"
    assert told["candidates"][0]["why"].startswith("no_think; length failed: ValueError; ")
    for reward in ("length", "quality"):
        assert desk.value("longhand_judge_failures_total", reward=reward) == 2
    assert desk.value("longhand_judge_failures_total", reward="format") == 0
    assert desk.value("longhand_reward_count", reward="length") is None


async def test_a_judge_is_asked_for_the_drafts_under_way_as_well(
    gateway: Any, mute: Mute, until: Any
) -> None:
    *gates, end = [asyncio.Event() for _ in range(4)]
    desk = await gateway(*halved(gates, end), quality_model="a-judge")
    asked = wish(4, rewards={"quality": 1}, **LONG)
    asking = asyncio.create_task(desk.chat(writing=asked))
    await until(lambda: desk.engine.open_streams == 4)
    for compared, gate in enumerate(gates, start=1):
        gate.set()
        await until(lambda compared=compared: mute.asked == compared)
    end.set()
    told = (await asking).json()["writing"]
    # Its model is down, so nobody is stopped: at each comparison, and once at the end.
    assert [one["state"] for one in told["candidates"]] == ["finished"] * 4
    assert mute.asked == len(Pruning().checks) + 1
    assert told["judged_by"] == "first"


async def test_where_every_reward_abstains_the_first_that_finished_is_shown(gateway: Any) -> None:
    desk = await gateway([Refuse("no")], [SHORT], [FITTING])
    asked = wish(3, rewards={"length": 1}, words=None)
    told = (await desk.chat(writing=asked)).json()["writing"]
    assert (told["candidate"], told["judged_by"]) == (1, "first")
    assert told["candidates"][1]["scores"] == {"length": None}
    assert told["candidates"][1]["why"] == "length abstained: no length was asked for"


@pytest.mark.parametrize(("module", "reader"), [(contest, "hopeless"), (jury, "running_scores")])
async def test_what_reads_the_candidates_cannot_take_them_down(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, module: Any, reader: str
) -> None:
    def wrong(*_: Any) -> Any:
        raise ValueError("once upon a time")

    monkeypatch.setattr(module, reader, wrong)
    gates = [asyncio.Event() for _ in range(3)]
    desk = await gateway(*halved(gates))
    for gate in gates:
        gate.set()
    told = (await desk.chat(writing=wish(4, **LONG))).json()["writing"]
    assert told["candidates"][told["candidate"]]["state"] == "finished"


# Bad input.


@pytest.mark.parametrize(
    ("writing", "param", "part"),
    [
        ({"best_of": 1}, "writing.best_of", "1 drafts are too few to show 2 (n)"),
        ({"best_of": 9}, "writing.best_of", "over this server's limit of 8"),
        ({"best_of": 0}, "writing.best_of", "greater than or equal to 1"),
        ({"best_of": 2.5}, "writing.best_of", "integer"),
        ({"rewards": {"beauty": 1}}, "writing.rewards.beauty", "there are: length, format, rep"),
        ({"rewards": {"quality": 1}}, "writing.rewards.quality", "there are: length, format, rep"),
        ({"rewards": {"length": -1}}, "writing.rewards.length", "from 0 up, not -1"),
        ({"rewards": {"length": 0, "format": 0}}, "writing.rewards", "above 0"),
        ({"rewards": {}}, "writing.rewards", "above 0"),
        ({"rewards": {"length": "1"}}, "writing.rewards.length", "number"),
        ({"rewards": ["length"]}, "writing.rewards", "dictionary"),
        ({"prune": "no"}, "writing.prune", "boolean"),
        ({"progress": 1}, "writing.progress", "boolean"),
        ({"best": 3}, "writing.best", "known are: "),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    gateway: Any, writing: dict[str, Any], param: str, part: str
) -> None:
    desk = await gateway(max_best_of=8)
    response = await desk.chat(writing={"best_of": 3, **writing}, n=2)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert param in error["message"] or "option" in error["message"]
    assert part in error["message"]
    assert desk.engine.jobs == []
    assert desk.service.desk.admission.running == 0


@pytest.mark.parametrize("best_of", [{}, {"best_of": 1}])
@pytest.mark.parametrize(
    ("rewards", "param"),
    [
        ({"beauty": 1}, "writing.rewards.beauty"),
        ({"length": -1}, "writing.rewards.length"),
        ({"length": 0}, "writing.rewards"),
        ({}, "writing.rewards"),
    ],
)
async def test_weights_that_are_none_are_refused_where_there_is_nothing_to_choose_as_well(
    gateway: Any, best_of: dict[str, int], rewards: dict[str, float], param: str
) -> None:
    desk = await gateway()
    response = await desk.chat(writing={**best_of, "rewards": rewards})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert desk.engine.jobs == []


async def test_the_limit_is_never_above_the_places_there_are(gateway: Any) -> None:
    desk = await gateway(max_running=4)
    response = await desk.chat(writing={"best_of": 5})
    assert response.json()["error"]["message"] == (
        "writing.best_of: 5 is over this server's limit of 4"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"best_of": 17}, "best_of: 17 is over the limit of 16"),
        ({"best_of": 3, "max_running": 2}, "best_of: 3 is over the limit of 2"),
        ({"rewards": {"beauty": 1}}, "rewards: unknown reward 'beauty'; there are: length"),
        ({"rewards": {"quality": 1}}, "rewards: unknown reward 'quality'; there are: length"),
        ({"rewards": {"length": 0}}, "rewards: one weight at least must be above 0"),
    ],
)
async def test_a_server_whose_own_choice_cannot_work_does_not_start(
    gateway: Any, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CannotServe, match=sentence):
        await gateway(**settings)


async def test_a_servers_own_weights_hold_where_a_request_names_none(gateway: Any) -> None:
    desk = await gateway([SHORT], [FITTING], rewards={"format": 1})
    told = (await desk.chat(writing=wish(2, prune=False))).json()["writing"]
    assert [one["scores"] for one in told["candidates"]] == [{"format": 1.0}] * 2
    # As good as each other by format: the first.
    assert told["candidate"] == 0
