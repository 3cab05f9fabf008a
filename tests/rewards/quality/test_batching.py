"""Inputs in batches of like length."""

from hypothesis import given
from hypothesis import strategies as st

from rewards.quality.batching import batches


def test_inputs_of_like_length_run_together() -> None:
    assert batches([10, 90, 100, 12], 200) == [[2, 1], [3, 0]]


def test_no_input_makes_no_batch() -> None:
    assert batches([], 200) == []


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 120))
def test_every_input_is_in_one_batch_and_no_batch_is_over_the_limit(
    lengths: list[int], limit: int
) -> None:
    made = batches(lengths, limit)
    assert sorted(at for batch in made for at in batch) == list(range(len(lengths)))
    assert all(
        len(batch) == 1 or max(lengths[at] for at in batch) * len(batch) <= limit for batch in made
    )
