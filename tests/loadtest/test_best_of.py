"""What the benchmark of best-of makes of the answers that it gets."""

from typing import Any

import pytest

from loadtest.best_of import Answer, Ask, blocks, choice_of, compared, reward_of, rows


def candidate(number: int, *, length: float = 1.0, quality: float = 0.0) -> dict[str, Any]:
    """One that was finished, of 100 tokens."""
    return {
        "candidate": number,
        "place": 1,
        "reasoning_tokens": 20,
        "answer_tokens": 80,
        "scores": {"length": length, "quality": quality, "format": 1.0, "repetition": 1.0},
    }


def stopped(number: int) -> dict[str, Any]:
    return {**candidate(number), "place": None, "scores": {}, "answer_tokens": 5}


def answer(*candidates: dict[str, Any]) -> Answer:
    ask = Ask(number=0, words=500, best_of=len(candidates))
    return Answer(ask=ask, winner=0, tokens=0, seconds=1.0, candidates=candidates)


FOUR = (
    candidate(0, length=0.2),
    candidate(1, length=0.9, quality=-2.0),
    candidate(2, quality=2.0),
    candidate(3, length=0.5, quality=1.0),
)


def test_fewer_candidates_would_have_shown_the_best_of_those() -> None:
    assert [one.winner for one in blocks(answer(*FOUR), 1)] == [0, 1, 2, 3]
    # Of the first two, each better by one reward, the one whose scores add up to more.
    assert [one.winner for one in blocks(answer(*FOUR), 2)] == [0, 2]
    [best] = blocks(answer(*FOUR), 4)
    assert (best.winner, best.inside, best.tokens) == (2, True, 400)
    assert best.reward == reward_of(FOUR[2]["scores"])
    # A rest that is too few for another request is left out.
    assert len(blocks(answer(*FOUR), 3)) == 1


def test_the_candidate_that_was_shown_counts_with_the_tokens_of_all() -> None:
    shown = choice_of([stopped(0), candidate(1, length=0.5), candidate(2)], winner=1)
    assert (shown.winner, shown.inside, shown.tokens) == (1, False, 225)
    with pytest.raises(ValueError, match="none of the candidates"):
        choice_of([stopped(0)], None)


def test_a_row_for_each_number_of_candidates() -> None:
    found = [*rows([answer(*FOUR), answer(*FOUR)], 4)]
    assert [row.candidates for row in found] == ["1", "2", "4"]
    assert [row.tokens for row in found] == [100, 200, 400]
    rewards = [row.reward.value for row in found]
    assert rewards == sorted(rewards)
    assert found[0].inside.value == 0.25
    assert found[2].line().startswith("| 4 | 2 | 0.960 (0.960 to 0.960) | 100.0 % (")


def test_pruning_is_compared_prompt_by_prompt() -> None:
    full = [choice_of(FOUR), choice_of(FOUR)]
    pruned = [choice_of(FOUR[2:]), choice_of(FOUR[:2])]
    values = [round(interval.value, 3) for interval in compared(full, pruned).values()]
    assert values[0] == 0.5
    assert values[1] < 1
    assert values[2] == 0.5
