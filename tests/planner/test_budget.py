"""How the window is shared out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.budget import (
    Budget,
    DoesNotFit,
    DoesNotFitPaced,
    answer_tokens,
    carried_tokens,
    outline_tokens,
    split_window,
    spread,
    tokens_per_word,
)


def test_the_worked_number_holds() -> None:
    assert split_window(
        window_tokens=32_768, prompt_tokens=768, max_tokens=None, reasoning_tokens=None
    ) == Budget(prompt_tokens=768, max_tokens=32_000, reasoning_tokens=16_000)


@pytest.mark.parametrize(
    ("max_tokens", "reasoning_tokens", "expected"),
    [
        (None, 10, (90, 10)),
        (None, 89, (90, 45)),
        (50, None, (50, 25)),
        (50, 0, (50, 0)),
        (51, 25, (51, 25)),
        (51, 26, (51, 25)),
        (1, None, (1, 0)),
        (90, None, (90, 45)),
        (91, None, (90, 45)),
        (1_000_000, 1_000_000, (90, 45)),
    ],
)
def test_wishes_are_upper_bounds_and_reasoning_takes_half_at_most(
    max_tokens: int | None, reasoning_tokens: int | None, expected: tuple[int, int]
) -> None:
    budget = split_window(
        window_tokens=100,
        prompt_tokens=10,
        max_tokens=max_tokens,
        reasoning_tokens=reasoning_tokens,
    )
    assert (budget.max_tokens, budget.reasoning_tokens) == expected


def test_a_prompt_that_leaves_one_token_fits() -> None:
    budget = split_window(
        window_tokens=100, prompt_tokens=99, max_tokens=None, reasoning_tokens=None
    )
    assert budget == Budget(prompt_tokens=99, max_tokens=1, reasoning_tokens=0)


@pytest.mark.parametrize(("prompt_tokens", "over_tokens"), [(100, 1), (150, 51)])
def test_a_prompt_that_leaves_no_room_is_refused_with_the_numbers(
    prompt_tokens: int, over_tokens: int
) -> None:
    with pytest.raises(DoesNotFit) as caught:
        split_window(
            window_tokens=100, prompt_tokens=prompt_tokens, max_tokens=1, reasoning_tokens=None
        )
    error = caught.value
    assert (error.prompt_tokens, error.window_tokens, error.over_tokens) == (
        prompt_tokens,
        100,
        over_tokens,
    )
    for number in (prompt_tokens, 100, over_tokens):
        assert str(number) in str(error)


_wish = st.none() | st.integers(0, 200)


@given(st.integers(1, 200), st.integers(0, 199), _wish, _wish)
def test_a_budget_never_outgrows_the_window(
    window_tokens: int,
    prompt_tokens: int,
    max_tokens: int | None,
    reasoning_tokens: int | None,
) -> None:
    if prompt_tokens >= window_tokens:
        return
    budget = split_window(
        window_tokens=window_tokens,
        prompt_tokens=prompt_tokens,
        max_tokens=max_tokens,
        reasoning_tokens=reasoning_tokens,
    )
    assert budget.prompt_tokens + budget.max_tokens <= window_tokens
    assert 0 <= 2 * budget.reasoning_tokens <= budget.max_tokens


# An answer of known length.


def whole(prompt_tokens: int = 768, max_tokens: int | None = None) -> Budget:
    return split_window(
        window_tokens=32_768,
        prompt_tokens=prompt_tokens,
        max_tokens=max_tokens,
        reasoning_tokens=None,
    )


def paced(answer: int, *, prompt_tokens: int = 768, max_tokens: int | None = None) -> Budget:
    return spread(
        whole(prompt_tokens, max_tokens),
        window_tokens=32_768,
        answer_tokens=answer,
        max_tokens=max_tokens,
    )


def test_tokens_follow_from_words_and_a_measured_rate() -> None:
    assert tokens_per_word(tokens=420, words=300) == 1.4
    assert answer_tokens(words=2_200, per_word=1.4) == 3_080
    assert carried_tokens(32_768) == 13_108


@pytest.mark.parametrize(
    ("answer", "windows"),
    [(1, 1), (29_000, 1), (29_001, 2), (47_892, 2), (47_893, 3), (140_000, 7)],
)
def test_an_answer_takes_as_many_windows_as_it_needs(answer: int, windows: int) -> None:
    budget = paced(answer)
    assert budget.windows == windows
    assert budget.answer_tokens == answer
    if windows == 1:
        assert budget.max_tokens == 32_000
        # A plan that takes all it may leaves the answer what it needs, in a further window.
        assert budget.total_tokens == max(32_000, 16_000 + math.ceil(answer * 1.25))
    else:
        assert budget.total_tokens == 16_000 + -(-answer * 5 // 4)


def test_the_callers_bound_holds_over_all_windows() -> None:
    assert paced(140_000, max_tokens=20_000).windows == 1
    bounded = paced(140_000, max_tokens=60_000)
    assert bounded.windows == 3
    assert bounded.total_tokens == 60_000


def test_a_prompt_that_fills_each_further_window_is_refused_with_the_numbers() -> None:
    assert paced(40_000, prompt_tokens=13_106).windows == 5
    with pytest.raises(DoesNotFitPaced) as caught:
        paced(40_000, prompt_tokens=13_107)
    assert caught.value.over_tokens == 1
    for number in ("40000", "32768", "13107", "1 tokens too many"):
        assert number in str(caught.value)


@pytest.mark.parametrize(("words", "tokens"), [(2_200, 520), (22_000, 2_896)])
def test_an_outline_takes_tokens_by_its_sections(words: int, tokens: int) -> None:
    assert outline_tokens(words) == tokens
