"""Requests and tokens a minute, by caller."""

from collections.abc import Callable

import pytest

from server.callers.caller import Caller, Ceilings
from server.callers.rates import Rates, duration
from server.errors import TooManyRequests, TooManyTokens


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def caller(name: str = "a", **ceilings: int) -> Caller:
    return Caller(name=name, label=name, ceilings=Ceilings(**ceilings))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rates(clock: Callable[[], float]) -> Rates:
    return Rates(monotonic=clock)


def test_a_minutes_requests_may_come_at_once_and_then_one_as_each_flows_in(clock: Clock) -> None:
    known, asks = rates(clock), caller(requests_per_minute=3)
    for _ in range(3):
        known.enter(asks)
    with pytest.raises(TooManyRequests, match="this key may send 3 requests a minute") as caught:
        known.enter(asks)
    assert caught.value.retry_after_s == 20
    clock.now_s += 20
    known.enter(asks)
    with pytest.raises(TooManyRequests):
        known.enter(asks)


def test_a_refused_request_costs_nothing(clock: Clock) -> None:
    known, asks = rates(clock), caller(requests_per_minute=1)
    known.enter(asks)
    for _ in range(5):
        with pytest.raises(TooManyRequests):
            known.enter(asks)
    clock.now_s += 60
    known.enter(asks)


def test_a_long_draft_is_let_through_and_its_debt_is_waited_for(clock: Clock) -> None:
    known, asks = rates(clock), caller(tokens_per_minute=600, requests_per_minute=10)
    known.enter(asks)
    known.charge("a", 700)
    with pytest.raises(TooManyTokens, match="600 tokens a minute and has had 100 more") as caught:
        known.enter(asks)
    assert caught.value.retry_after_s == 11
    assert known.headers(asks)["x-ratelimit-remaining-requests"] == "9"
    clock.now_s += 11
    known.enter(asks)


def test_no_advice_is_longer_than_clients_obey(clock: Clock) -> None:
    known, asks = rates(clock), caller(tokens_per_minute=10)
    known.enter(asks)
    known.charge("a", 10_000)
    with pytest.raises(TooManyTokens) as caught:
        known.enter(asks)
    assert caught.value.retry_after_s == 60


def test_callers_do_not_share_a_minute(clock: Clock) -> None:
    known = rates(clock)
    known.enter(caller("a", requests_per_minute=1))
    known.enter(caller("b", requests_per_minute=1))


def test_a_caller_without_limits_is_told_of_none(clock: Clock) -> None:
    known = rates(clock)
    known.enter(caller())
    known.charge("a", 10**9)
    known.enter(caller())
    assert known.headers(caller()) == {}


def test_a_limit_that_was_taken_away_holds_no_more(clock: Clock) -> None:
    known = rates(clock)
    known.enter(caller(requests_per_minute=1))
    known.enter(caller())
    assert known.headers(caller()) == {}


def test_a_caller_is_told_how_he_stands_as_openai_tells_it(clock: Clock) -> None:
    known, asks = rates(clock), caller(requests_per_minute=60, tokens_per_minute=600)
    known.enter(asks)
    known.charge("a", 3_610)
    assert known.headers(asks) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m1s",
    }


def test_those_that_are_not_known_any_more_are_forgotten(clock: Clock) -> None:
    known, asks = rates(clock), caller(requests_per_minute=1)
    known.enter(asks)
    known.keep(["a"])
    with pytest.raises(TooManyRequests):
        known.enter(asks)
    known.keep(["b"])
    known.enter(asks)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0ms"), (0.25, "250ms"), (1.0, "1s"), (59.2, "1m0s"), (361.0, "6m1s"),
     (7200.0, "2h0m0s")],
)  # fmt: skip
def test_times_are_told_as_openai_tells_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
