"""A judge that compares drafts two by two, in both orders."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from rewards.base import Draft
from rewards.quality.judge import (
    Duel,
    Effort,
    PairwiseJudge,
    both_ways,
    copeland,
    pairings,
    verdict,
)


def drafts(*answers: str, prompt: str = "Write of tea.") -> list[Draft]:
    return [Draft(prompt=prompt, answer=answer) for answer in answers]


def said(text: str | None) -> httpx.Response:
    return httpx.Response(200, json={"choices": [{"message": {"content": text}}]})


def sides(body: Any) -> tuple[str, str]:
    question = body["messages"][1]["content"]
    a, b = (
        re.search(rf"<answer_{side}>\n(.*)\n</answer_{side}>", question, re.DOTALL) for side in "ab"
    )
    assert a is not None
    assert b is not None
    return a.group(1), b.group(1)


def longer(_route: str, body: Any) -> httpx.Response:
    """Prefers the longer answer; the same length is a tie."""
    a, b = map(len, sides(body))
    letter = "A" if a > b else "B" if b > a else "tie"
    return said(f"The first is as it is.\nVerdict: {letter}")


def judge(play: Callable[..., Any], answer: Any, **effort: Any) -> tuple[Any, PairwiseJudge]:
    played = play(answer, retries=0)
    return played, PairwiseJudge(played.caller, model="m", effort=Effort(**effort))


async def test_a_draft_scores_the_share_of_comparisons_it_wins(play: Any) -> None:
    played, pairwise = judge(play, longer)
    scores = await pairwise.score(drafts("aaa", "b", "c"))
    assert [score.value for score in scores] == [1.0, 0.25, 0.25]
    assert scores[0].parts == {"comparisons": 2, "abstained": 0}
    assert len(played.asked) == 6
    assert pairwise.name == "quality"


async def test_a_favourite_position_makes_ties_and_nothing_else(play: Any) -> None:
    _, pairwise = judge(play, lambda _route, _body: said("Verdict: A"))
    scores = await pairwise.score(drafts("one", "two", "three"))
    assert [score.value for score in scores] == [0.5, 0.5, 0.5]


async def test_a_reply_without_a_verdict_leaves_its_pair_out(play: Any) -> None:
    def answer(route: str, body: Any) -> httpx.Response:
        return said("I cannot say.") if sides(body) == ("aa", "b") else longer(route, body)

    _, pairwise = judge(play, answer)
    scores = await pairwise.score(drafts("aa", "b", "ccc"))
    assert [score.value for score in scores] == [0.0, 0.0, 1.0]
    assert scores[0].parts == {"comparisons": 1, "abstained": 1}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _route, _body: said("Both have merits."), "without a verdict"),
        (lambda _route, _body: said(None), "without a verdict"),
        (lambda _route, _body: httpx.Response(200, json={"choices": []}), "without a verdict"),
        (lambda _route, _body: httpx.Response(200, json=[]), "without a verdict"),
        (lambda _route, _body: httpx.Response(500), "HTTP 500"),
    ],
)
async def test_no_verdict_at_all_is_a_failure_and_no_zero(play: Any, answer: Any, why: str) -> None:
    _, pairwise = judge(play, answer)
    scores = await pairwise.score(drafts("one", "two"))
    assert [(score.value, score.failed) for score in scores] == [(None, True)] * 2
    assert why in scores[0].why


async def test_a_lone_draft_has_nobody_to_be_compared_with(play: Any) -> None:
    played, pairwise = judge(play, longer)
    (score,) = await pairwise.score(drafts("one"))
    assert (score.value, score.failed) == (None, False)
    assert played.asked == []


async def test_a_draft_without_an_answer_is_not_compared(play: Any) -> None:
    played, pairwise = judge(play, longer)
    scores = await pairwise.score(drafts("aa", " ", "b"))
    assert [score.value for score in scores] == [1.0, None, 0.0]
    assert len(played.asked) == 2


async def test_drafts_of_different_prompts_are_never_compared(play: Any) -> None:
    played, pairwise = judge(play, longer)
    mixed = [
        drafts("aa", prompt="x")[0],
        drafts("b", prompt="y")[0],
        drafts("c", prompt="x")[0],
        drafts("dd", prompt="y")[0],
    ]
    scores = await pairwise.score(mixed)
    assert [score.value for score in scores] == [1.0, 0.0, 0.0, 1.0]
    assert len(played.asked) == 4


async def test_long_answers_are_cut_to_their_ends(play: Any) -> None:
    played, pairwise = judge(play, longer, draft_tokens=200)
    await pairwise.score(drafts("start " + "tea " * 2_000 + "end", "b"))
    a, _ = (
        sides(played.asked[0][1])
        if len(sides(played.asked[0][1])[0]) > 1
        else (sides(played.asked[1][1]))
    )
    assert a.startswith("start ")
    assert a.endswith("end")
    assert len(a) < 900


async def test_an_answer_that_looks_like_a_place_to_fill_stays_as_it_is(play: Any) -> None:
    played, pairwise = judge(play, longer)
    await pairwise.score(drafts("{b}{task}", "x"))
    assert {sides(body) for _, body in played.asked} == {("{b}{task}", "x"), ("x", "{b}{task}")}


async def test_a_question_is_asked_without_chance_and_with_a_bound(play: Any) -> None:
    played, pairwise = judge(play, longer, reply_tokens=99)
    await pairwise.score(drafts("a", "bb"))
    route, body = played.asked[0]
    assert route == "/v1/chat/completions"
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.0, 99)


@pytest.mark.parametrize(
    ("reply", "points"),
    [
        ("Verdict: A", 1.0),
        ("Reasons.\n**Verdict: B**", 0.0),
        ("verdict: **tie**", 0.5),
        ("Verdict: A at first, but no.\nVerdict: B", 0.0),
        ("<think>Verdict: A</think>Verdict: B", 0.0),
        ("<think>Verdict: A</think>", None),
        ("A", 1.0),
        (" [B].", 0.0),
        ("A is better", None),
        ("Verdict: Answer A", None),
        ("", None),
    ],
)
def test_verdicts_are_read(reply: str, points: float | None) -> None:
    assert verdict(reply) == points


@pytest.mark.parametrize(
    ("there", "back", "won"),
    [
        (1.0, 0.0, 1.0),
        (0.0, 1.0, 0.0),
        (0.5, 0.5, 0.5),
        (1.0, 1.0, 0.5),
        (0.0, 0.0, 0.5),
        (1.0, 0.5, 0.5),
        (None, 0.0, None),
        (1.0, None, None),
    ],
)
def test_only_a_win_in_both_orders_is_a_win(
    there: float | None, back: float | None, won: float | None
) -> None:
    assert both_ways(there, back) == won


def test_everyone_meets_everyone_or_the_next_ones_round_a_circle() -> None:
    assert pairings(3, None) == [(0, 1), (0, 2), (1, 2)]
    assert pairings(4, 1) == [(0, 1), (0, 3), (1, 2), (2, 3)]
    assert pairings(2, 5) == [(0, 1)]


def test_a_tie_counts_half() -> None:
    duels = [Duel(one=0, other=1, won=0.5), Duel(one=1, other=2, won=0.0)]
    assert copeland(1, duels).value == 0.25


@pytest.mark.parametrize("effort", [{"rivals": 0}, {"draft_tokens": 0}, {"reply_tokens": 0}])
def test_efforts_that_cannot_be_are_refused(effort: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Effort(**effort)
