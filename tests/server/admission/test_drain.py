"""How fast a server gives back what was claimed, and what it advises those it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.admission.drain import Drain, retry_after_s


def test_nothing_is_known_before_anything_was_given_back() -> None:
    drain = Drain()
    assert drain.rate(0.0) is None
    drain.begin(10.0)
    assert drain.rate(500.0) is None


def test_the_rate_is_what_was_given_back_since_work_began() -> None:
    drain = Drain()
    drain.begin(1_000.0)
    drain.give_back(2_000, 1_060.0)
    drain.give_back(4_000, 1_120.0)
    assert drain.rate(1_120.0) == 50.0


def test_what_is_older_than_five_minutes_does_not_count() -> None:
    drain = Drain()
    drain.begin(0.0)
    drain.give_back(90_000, 10.0)
    drain.give_back(600, 300.0)
    assert drain.rate(300.0) == 302.0
    assert drain.rate(310.0) == 2.0


def test_one_draft_given_back_at_once_is_no_rate() -> None:
    drain = Drain()
    drain.begin(0.0)
    drain.give_back(1_000, 0.001)
    assert drain.rate(0.001) == 200.0


def test_time_without_work_is_not_counted_and_what_was_measured_holds_on() -> None:
    drain = Drain()
    drain.begin(0.0)
    drain.give_back(1_000, 100.0)
    drain.begin(7_000.0)
    assert drain.rate(7_050.0) == 10.0
    drain.give_back(6_000, 7_060.0)
    assert drain.rate(7_060.0) == 100.0


@pytest.mark.parametrize(
    ("ahead_tokens", "rate", "seconds"),
    [
        *((1_200, 50.0, 24), (1_201, 50.0, 25), (0, 50.0, 1)),
        *((10**9, 50.0, 60), (5, None, 7), (5, 0.0, 7)),
    ],
)  # fmt: skip
def test_the_advice_is_the_time_that_what_is_ahead_takes(
    ahead_tokens: float, rate: float | None, seconds: int
) -> None:
    assert retry_after_s(ahead_tokens, rate, unknown_s=7) == seconds


@given(st.floats(0, 1e12), st.none() | st.floats(0, 1e12), st.integers(1, 60))
def test_the_advice_is_always_one_that_clients_follow(
    ahead_tokens: float, rate: float | None, unknown_s: int
) -> None:
    assert 1 <= retry_after_s(ahead_tokens, rate, unknown_s=unknown_s) <= 60
