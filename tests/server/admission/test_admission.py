"""Tickets: taken, claimed, granted, given back; and who is refused, with which advice."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.admission.admission import Admission, Ticket
from server.admission.claim import Claim, Share
from server.errors import EngineUnavailable, LonghandError, Overloaded, RateLimited

BOUND_S = 5.0
MakeClaim = Callable[..., Claim]


@dataclass
class Clock:
    """Stands still until it is told."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def admission(running: int = 2, queued: int = 2, **given: Any) -> Admission:
    fields = {"retry_after_s": 7, "clock": Clock(), **given}
    return Admission(max_running=running, max_queued=queued, **fields)


def enter(places: Admission, drafts: int = 1, caller: str = "ann", tokens: int = 100) -> Ticket:
    """A ticket with its claim, each draft an equal part of it; the prompt takes nothing."""
    ticket = places.enter(drafts, caller)
    share = Share(expected_tokens=tokens // drafts, most_tokens=10_000)
    ticket.claim(Claim(0, [share] * drafts, is_guess=True))
    return ticket


def granted(*tickets: Ticket) -> list[bool]:
    return [ticket.is_granted for ticket in tickets]


def test_a_place_is_granted_at_once_where_there_is_room() -> None:
    places = admission()
    assert granted(enter(places), enter(places)) == [True, True]
    assert (places.running, places.queued) == (2, 0)


def test_a_request_is_planned_before_it_has_its_place() -> None:
    places = admission(running=1, queued=1)
    first, second = places.enter(1, "ann"), places.enter(1, "bob")
    assert (granted(first, second), places.running, places.queued) == ([False, False], 0, 0)
    # Both count: a third would find neither a place nor room in the queue.
    with pytest.raises(Overloaded):
        places.enter(1, "cat")
    second.claim(Claim(10, [Share(expected_tokens=5, most_tokens=5)]))
    assert granted(first, second) == [False, True]
    first.release()
    assert first.position is None
    assert granted(enter(places)) == [False]


def test_a_ticket_that_is_given_back_before_its_claim_is_worth_nothing() -> None:
    places = admission()
    ticket = places.enter(1, "ann")
    ticket.release()
    ticket.claim(Claim(10, [Share(expected_tokens=5, most_tokens=5)]))
    assert (ticket.is_granted, places.running, places.queued) == (False, 0, 0)


def test_one_callers_requests_are_served_as_they_come() -> None:
    places = admission(running=1)
    first, second, third = (enter(places) for _ in range(3))
    assert granted(first, second, third) == [True, False, False]
    assert [one.position for one in (first, second, third)] == [None, 1, 2]
    first.release()
    assert granted(second, third) == [True, False]
    second.release()
    assert granted(third) == [True]


def test_callers_take_turns() -> None:
    places = admission(running=1, queued=9)
    greedy = [enter(places, caller="greedy") for _ in range(6)]
    modest = [enter(places, caller="modest") for _ in range(2)]
    order = []
    waiting = [*greedy[1:], *modest]
    greedy[0].release()
    while waiting:
        [one] = [ticket for ticket in waiting if ticket.is_granted]
        order.append(one.caller)
        waiting.remove(one)
        one.release()
    assert sorted(order[:4]) == ["greedy", "greedy", "modest", "modest"]
    assert order[:2] != ["greedy", "greedy"]


def test_as_many_are_written_as_the_cache_holds() -> None:
    room = [1_000]
    places = admission(running=9, queued=9, capacity_tokens=lambda: room[0])
    tickets = [enter(places, tokens=400) for _ in range(4)]
    assert granted(*tickets) == [True, True, False, False]
    # A replica joins: what waits is looked at when something next changes.
    room[0] = 1_700
    tickets[0].release()
    assert granted(*tickets[1:]) == [True, True, True]


def test_a_draft_past_its_claim_takes_room_and_one_that_ends_gives_all_of_it_back() -> None:
    places = admission(running=9, queued=9, capacity_tokens=lambda: 1_000)
    first = enter(places, tokens=500)
    first.wrote(0, 400)
    assert places.ledger.reserved_tokens == 500
    first.wrote(0, 800)
    assert places.ledger.reserved_tokens == 1_000
    second = enter(places, tokens=500)
    second.wrote(0, 900)
    assert granted(second) == [False]
    first.release()
    first.wrote(0, 5_000)
    assert (granted(second), places.ledger.reserved_tokens) == ([True], 500)


def test_what_drafts_took_is_expected_of_the_next() -> None:
    places = admission()
    ticket = enter(places)
    ticket.give_back(0, None)
    assert places.lengths.mean_tokens == 4_000
    ticket.give_back(0, 1_000)
    assert places.lengths.mean_tokens == 2_500
    stated = places.enter(1, "ann")
    stated.claim(Claim(0, [Share(expected_tokens=5, most_tokens=5)]))
    stated.give_back(0, 100)
    assert places.lengths.mean_tokens == 2_500


def test_without_a_queue_a_free_place_is_still_granted() -> None:
    places = admission(running=1, queued=0)
    ticket = enter(places)
    assert granted(ticket) == [True]
    with pytest.raises(Overloaded):
        places.enter(1, "ann")
    ticket.release()
    assert granted(enter(places)) == [True]


def test_a_request_that_turns_out_too_large_for_what_is_left_is_refused_without_a_queue() -> None:
    places = admission(running=2, queued=0, capacity_tokens=lambda: 1_000)
    first = enter(places, tokens=600)
    second = places.enter(1, "ann")
    with pytest.raises(Overloaded):
        second.claim(Claim(500, [Share(expected_tokens=1, most_tokens=1)]))
    second.release()
    assert (places.running, places.queued) == (1, 0)
    first.release()
    assert granted(enter(places, tokens=1_000)) == [True]


def test_a_full_queue_is_refused_with_the_advice_that_is_set_until_there_is_a_rate() -> None:
    places = admission(running=1, queued=1)
    enter(places)
    enter(places)
    with pytest.raises(Overloaded) as caught:
        places.enter(1, "ann")
    assert caught.value.retry_after_s == 7
    assert caught.value.message == ("1 drafts are being written and 1 wait; the limits are 1 and 1")


def test_the_advice_is_how_long_the_queue_takes_at_the_rate_that_was_measured() -> None:
    clock = Clock()
    places = admission(running=1, queued=2, clock=clock)
    first = enter(places, tokens=1_000)
    enter(places, tokens=500)
    clock.now_s += 20
    first.release()
    assert places.rate == 50.0
    enter(places, tokens=1_200)
    enter(places, tokens=300)
    with pytest.raises(Overloaded) as caught:
        places.enter(1, "ann")
    assert caught.value.retry_after_s == 1_500 / 50


def test_without_a_queue_the_advice_is_when_one_of_the_drafts_ends() -> None:
    clock = Clock()
    places = admission(running=4, queued=0, clock=clock)
    tickets = [enter(places, tokens=1_000) for _ in range(4)]
    clock.now_s += 10
    tickets[0].release()
    enter(places, tokens=1_000)
    with pytest.raises(Overloaded) as caught:
        places.enter(1, "ann")
    assert caught.value.retry_after_s == 4_000 / 4 / 100


def test_a_ticket_is_given_back_once() -> None:
    places = admission(running=1)
    first, second = enter(places), enter(places)
    first.release()
    first.release()
    assert (places.running, granted(second)) == (1, [True])


def test_a_request_gives_its_places_back_one_by_one_and_keeps_the_last() -> None:
    places = admission(running=3, queued=4, max_per_caller=lambda _caller: 4)
    first, second, third = enter(places, 3), enter(places), enter(places, 2, "bob")
    first.give_back(0, None)
    assert (places.running, granted(second, third)) == (3, [True, False])
    # Her own share is given back as well.
    enter(places)
    for index in range(3):
        first.give_back(index, None)
    assert places.running == 3
    second.release()
    assert first.drafts == 1
    first.release()
    first.give_back(2, None)
    assert granted(third) == [True]
    third.release()
    assert places.running == 1


def test_who_waits_has_no_place_to_give_back() -> None:
    places = admission(running=2)
    first, second = enter(places, 2), enter(places, 2)
    second.give_back(0, None)
    assert (places.running, places.queued) == (2, 2)
    first.release()
    assert places.running == 2


def test_who_gives_up_waiting_makes_room_in_the_queue() -> None:
    places = admission(running=1, queued=2)
    first, second, third = (enter(places) for _ in range(3))
    second.release()
    assert (places.queued, second.position, third.position) == (1, None, 1)
    first.release()
    assert granted(third) == [True]


async def test_waiting_for_a_place_is_bounded() -> None:
    places = admission(running=1)
    first, second = enter(places), enter(places)
    assert await first.granted(0)
    assert not await second.granted(0)
    waiting = asyncio.ensure_future(second.granted(BOUND_S))
    first.release()
    assert await waiting


def test_a_closed_server_takes_nothing_on_and_finishes_what_it_has() -> None:
    places = admission(running=1)
    first, second, third = enter(places), enter(places), places.enter(1, "bob")
    places.close()
    with pytest.raises(EngineUnavailable, match="shutting down") as caught:
        places.enter(1, "ann")
    assert caught.value.retry_after_s == 1
    first.release()
    assert granted(second) == [True]
    second.release()
    assert not places.idle.is_set()
    third.release()
    assert places.idle.is_set()


def test_an_idle_server_is_idle_as_soon_as_it_is_closed() -> None:
    places = admission()
    enter(places).release()
    assert not places.idle.is_set()
    places.close()
    assert places.idle.is_set()


def test_a_caller_with_its_share_under_way_is_refused_and_others_are_not() -> None:
    most = {"ann": 2, "bob": 4}
    places = admission(running=4, queued=4, max_per_caller=most.get)
    first = enter(places, 2)
    with pytest.raises(RateLimited) as refused:
        places.enter(1, "ann")
    assert (refused.value.status, refused.value.retry_after_s) == (429, 7)
    assert refused.value.message == "this key has 2 drafts under way and may have 2"
    enter(places, caller="bob")
    enter(places, caller="without a limit")
    first.release()
    assert granted(enter(places, 2)) == [True]


def test_one_caller_leaves_half_of_the_queue_to_others() -> None:
    places = admission(running=1, queued=8, shares_queue=lambda caller: caller != "anyone")
    enter(places, caller="greedy")
    for _ in range(4):
        enter(places, caller="greedy")
    with pytest.raises(RateLimited) as refused:
        places.enter(1, "greedy")
    assert refused.value.message == (
        "this key would have 5 drafts waiting, and the queue is left 3 places, which are kept for "
        "other keys"
    )
    for _ in range(2):
        enter(places, caller="modest")
    # Callers that cannot be told apart have what is there.
    for _ in range(2):
        enter(places, caller="anyone")
    assert places.queued == 8


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "claim", "wrote", "stop", "release", "pass"]),
        st.integers(0, 30), st.integers(1, 900),
    ),
    max_size=60,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_requests_do_all_sums_return_to_nothing(steps: Any) -> None:
    clock = Clock()
    places = admission(
        running=4,
        queued=6,
        clock=clock,
        capacity_tokens=lambda: 1_000,
        max_per_caller={"b": 3}.get,
        shares_queue=lambda caller: caller == "c",
    )
    tickets: list[Ticket] = []
    for what, which, amount in steps:
        ticket = tickets[which % len(tickets)] if tickets else None
        try:
            if what == "enter":
                tickets.append(places.enter(1 + which % 3, "abc"[which % 3]))
            elif what == "pass":
                clock.now_s += amount / 10
            elif ticket is not None:
                act(ticket, what, which, amount)
        except LonghandError as error:
            assert 1 <= (error.retry_after_s or 0) <= 60
        assert 0 <= places.running <= 4
        assert 0 <= places.queued <= 6
        waiting = [one.position for one in tickets if one.position is not None]
        assert sorted(waiting) == list(range(1, len(waiting) + 1))
    places.close()
    for ticket in tickets:
        ticket.release()
    assert (places.running, places.queued, places.ledger.reserved_tokens) == (0, 0, 0)
    assert (places.ledger.queue.tokens, len(places.ledger.queue)) == (0, 0)
    assert not places._by_caller
    assert not places._not_taken_by_caller
    assert not places._waiting
    assert places.idle.is_set()


def act(ticket: Ticket, what: str, which: int, amount: int) -> None:
    if what == "claim" and ticket.position is None and not ticket.is_granted:
        share = Share(expected_tokens=amount, most_tokens=2 * amount)
        ticket.claim(Claim(amount % 7, [share] * ticket.drafts, is_guess=which % 2 == 0))
    elif what == "wrote":
        ticket.wrote(which % 3, amount)
    elif what == "stop":
        ticket.give_back(which % 3, amount)
    elif what == "release":
        ticket.release()
