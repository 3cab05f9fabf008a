"""What callers see of choosing among drafts, over HTTP with a scripted engine."""

from typing import Any

import pytest

from server.engine.scripted import Say

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
