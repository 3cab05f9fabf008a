"""The token bucket, by its properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.callers.bucket import Bucket

RATES = st.integers(1, 100_000)
STEPS = st.lists(st.floats(0, 90), min_size=1, max_size=60)
CLOSE = 1e-6


def test_it_fills_evenly() -> None:
    empty = Bucket(per_minute=60, level=0.0, at_s=10.0)
    assert empty.at(12.5).level == 2.5


def test_a_debt_is_paid_by_waiting() -> None:
    assert Bucket(per_minute=60, level=-3.0, at_s=0.0).wait_s(1, 0.0) == 4.0


@given(per_minute=RATES, passed_s=STEPS)
def test_no_more_is_let_through_than_a_minutes_worth_and_what_flowed_in(
    per_minute: int, passed_s: list[float]
) -> None:
    bucket, now_s, taken = Bucket.full(per_minute, 0.0), 0.0, 0
    for step_s in passed_s:
        now_s += step_s
        # As many as there are, up to some thousand at once.
        wanted = min(int(bucket.at(now_s).level), 5_000)
        bucket, taken = bucket.less(wanted, now_s), taken + wanted
        assert taken <= per_minute * (1 + now_s / 60) + CLOSE * taken
        assert bucket.level >= -CLOSE


@given(per_minute=RATES, debt=st.integers(0, 1_000_000), passed_s=st.floats(0, 10_000))
def test_it_never_holds_more_than_a_minutes_worth(
    per_minute: int, debt: int, passed_s: float
) -> None:
    bucket = Bucket.full(per_minute, 0.0).less(debt, 0.0).at(passed_s)
    expected = min(per_minute, per_minute - debt + passed_s * per_minute / 60)
    assert bucket.level == pytest.approx(expected, rel=1e-9, abs=1e-3)


@given(per_minute=RATES, taken=st.integers(0, 1_000_000), times_s=STEPS)
def test_how_often_it_is_looked_at_changes_nothing(
    per_minute: int, taken: int, times_s: list[float]
) -> None:
    bucket = looked_at = Bucket.full(per_minute, 0.0).less(taken, 0.0)
    for now_s in sorted(times_s):
        looked_at = looked_at.at(now_s)
    assert looked_at.level == pytest.approx(bucket.at(max(times_s)).level, rel=1e-9, abs=1e-3)


@given(per_minute=RATES, taken=st.integers(1, 1_000_000))
def test_who_waits_as_told_has_what_he_waited_for_and_not_sooner(
    per_minute: int, taken: int
) -> None:
    bucket = Bucket.full(per_minute, 0.0).less(taken, 0.0)
    wait_s = bucket.wait_s(1, 0.0)
    assert bucket.at(wait_s).level >= 1 - 1e-3
    if wait_s > 0:
        assert bucket.at(wait_s / 2).level < 1


@given(per_minute=RATES, back_s=st.floats(0, 1_000))
def test_a_clock_that_goes_back_gives_nothing(per_minute: int, back_s: float) -> None:
    bucket = Bucket.full(per_minute, 1_000.0).less(per_minute, 1_000.0)
    assert bucket.at(1_000.0 - back_s) == bucket


def test_another_rate_keeps_the_debt_and_bounds_what_is_left() -> None:
    assert Bucket.full(600, 0.0).held_to(60, 0.0).level == 60
    assert Bucket.full(60, 0.0).less(100, 0.0).held_to(600, 0.0).level == -40
