"""Drafts and scores: what of them cannot be made."""

import pytest

from rewards.base import Asked, Score, abstained, broke


@pytest.mark.parametrize(
    ("low", "high", "most"), [(-1, 5, None), (6, 5, None), (1, 5, 4), (0, -1, None)]
)
def test_a_range_of_words_rises(low: int, high: int, most: int | None) -> None:
    with pytest.raises(ValueError, match="words"):
        Asked(low_words=low, high_words=high, max_words=most)


def test_a_judge_that_broke_has_no_value_and_neither_has_one_that_abstains() -> None:
    with pytest.raises(ValueError, match="no value"):
        Score(value=0.0, failed=True)
    assert (abstained("no opinion").value, abstained("no opinion").failed) == (None, False)
    assert (broke("timeout").value, broke("timeout").failed) == (None, True)
