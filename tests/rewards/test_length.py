"""The length reward: the paper's formula, in the counting of long-writing benchmarks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.words import count_words
from rewards.base import Asked, Draft
from rewards.length import Length

ASKED = Asked(low_words=1_800, high_words=2_200)


def draft(words: int, asked: Asked | None = ASKED, answer: str | None = None) -> Draft:
    return Draft(prompt="", answer="word " * words if answer is None else answer, asked=asked)


def value(words: int, asked: Asked = ASKED, reward: Length | None = None) -> float:
    found = (reward or Length()).score(draft(words, asked)).value
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (0, 0.0),
        (812, 812 / 1_800),
        (1_799, 1_799 / 1_800),
        (1_800, 1.0),
        (2_000, 1.0),
        (2_200, 1.0),
        (2_201, 2_199 / 2_200),
        (3_300, 0.5),
        (4_400, 0.0),
        (5_000, 0.0),
    ],
)
def test_the_value_is_one_inside_the_range_and_linear_outside(words: int, expected: float) -> None:
    assert value(words) == pytest.approx(expected)


def test_where_it_reaches_zero_is_a_setting_and_a_request_may_say_it() -> None:
    assert value(3_300, reward=Length(max_factor=4)) == pytest.approx(5_500 / 6_600)
    asked = Asked(low_words=1_800, high_words=2_200, max_words=3_300)
    assert value(2_750, asked) == pytest.approx(0.5)
    assert value(3_300, asked, Length(max_factor=9)) == 0.0


def test_a_range_that_ends_where_the_value_reaches_zero_is_a_step() -> None:
    asked = Asked(low_words=100, high_words=200, max_words=200)
    assert [value(words, asked) for words in (199, 200, 201)] == [1.0, 1.0, 0.0]
    assert value(201, asked, Length(max_factor=1)) == 0.0


def test_a_range_from_nothing_to_nothing_is_met_by_nothing_alone() -> None:
    nothing = Asked(low_words=0, high_words=0)
    assert [value(words, nothing) for words in (0, 1)] == [1.0, 0.0]


def test_words_are_counted_as_benchmarks_do_and_in_the_answer_alone() -> None:
    asked = Asked(low_words=4, high_words=4)
    text = "春天 comes, don't 2026"
    assert count_words(text) == 5
    found = Length().score(Draft(prompt="a b", reasoning="c d", answer=text, asked=asked))
    assert found.parts == {"words": 5, "low_words": 4, "high_words": 4, "max_words": 8.0}
    assert found.value == pytest.approx(3 / 4)


def test_it_says_which_side_was_missed_and_by_how_much() -> None:
    score = Length().score
    assert score(draft(812)).why == "shorter than asked: 812 of [1800, 2200] words"
    assert score(draft(2_500)).why == "longer than asked: 2500 of [1800, 2200] words"
    assert score(draft(2_000)).why == ""


def test_without_an_asked_length_it_abstains() -> None:
    found = Length().score(draft(100, asked=None))
    assert (found.value, found.failed) == (None, False)
    assert found.why == "no length was asked for"


@pytest.mark.parametrize("factor", [0.99, 0.0, -1.0, float("inf"), float("nan")])
def test_a_factor_by_which_nothing_can_be_judged_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="max_factor"):
        Length(max_factor=factor)


@given(
    low=st.integers(0, 3_000),
    more=st.integers(0, 1_000),
    words=st.integers(0, 9_000),
    factor=st.floats(1, 10),
)
def test_the_value_is_in_its_range_and_falls_with_the_distance(
    low: int, more: int, words: int, factor: float
) -> None:
    asked, reward = Asked(low_words=low, high_words=low + more), Length(max_factor=factor)
    here = value(words, asked, reward)
    assert 0 <= here <= 1
    if words < low:
        assert value(words + 1, asked, reward) > here
    if words > low + more:
        assert value(words + 1, asked, reward) <= here
