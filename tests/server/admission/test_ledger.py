"""What there is room for, and that the large and the small both get their turn."""

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from server.admission.ledger import PATIENCE_S, Ledger
from server.admission.queue import STEP_S, Waiter

Make = Callable[..., Waiter]


def ledger(*waiters: Waiter, drafts: int = 100) -> Ledger:
    made = Ledger(max_running=drafts)
    for waiter in waiters:
        made.queue.join(waiter)
    return made


def sums(found: Ledger) -> tuple[int, int, int, int]:
    return found.running_drafts, found.reserved_tokens, found.queue.drafts, found.queue.tokens


def test_as_many_are_taken_as_the_cache_holds(waiter: Make) -> None:
    three = [waiter("ann", 400) for _ in range(3)]
    places = ledger(*three)
    assert places.take_turns(0.0, 1_000) == three[:2]
    assert sums(places) == (2, 800, 1, 400)
    places.leave(three[0], 1.0)
    assert places.take_turns(1.0, 1_000) == three[2:]
    assert sums(places) == (2, 800, 0, 0)


def test_where_the_cache_is_not_known_only_drafts_count(waiter: Make) -> None:
    three = [waiter("ann", 10**9, drafts=2) for _ in range(3)]
    places = ledger(*three, drafts=5)
    assert places.take_turns(0.0, None) == three[:2]


def test_what_is_larger_than_the_cache_has_it_alone(waiter: Make) -> None:
    small, large = waiter("ann", 10), waiter("ann", 5_000)
    places = ledger(small, large)
    assert places.take_turns(0.0, 1_000) == [small]
    places.leave(small, 1.0)
    assert places.take_turns(1.0, 1_000) == [large]
    places.queue.join(small)
    assert places.take_turns(2.0, 1_000) == []


def test_a_draft_that_runs_past_its_claim_leaves_less_room(waiter: Make) -> None:
    one, other = waiter("ann", 400), waiter("ann", 400)
    places = ledger(one)
    places.take_turns(0.0, 1_000)
    places.wrote(one, 0, 800)
    assert places.reserved_tokens == 1_001
    places.queue.join(other)
    assert places.take_turns(1.0, 1_000) == []
    places.leave(one, 2.0)
    assert sums(places) == (0, 0, 1, 400)
    assert places.take_turns(2.0, 1_000) == [other]


def test_small_ones_pass_a_large_one_for_a_while_and_then_wait_for_it(waiter: Make) -> None:
    running = [waiter("ann", 250) for _ in range(4)]
    large = waiter("bob", 1_000)
    places = ledger(*running)
    assert places.take_turns(0.0, 1_000) == running
    places.queue.join(large)
    small = [waiter("cat", 200) for _ in range(9)]
    for one in small:
        places.queue.join(one)
    # Nothing has passed it yet, so its patience has not begun.
    assert places.take_turns(500.0, 1_000) == []
    places.leave(running[0], 1_000.0)
    assert places.take_turns(1_000.0, 1_000) == small[:1]
    places.leave(running[1], 1_000.0 + PATIENCE_S - 1)
    assert places.take_turns(1_000.0 + PATIENCE_S - 1, 1_000) == small[1:2]
    for one in (running[2], running[3], small[0]):
        places.leave(one, 1_000.0 + PATIENCE_S)
        assert places.take_turns(1_000.0 + PATIENCE_S, 1_000) == []
    places.leave(small[1], 1_200.0)
    assert places.take_turns(1_200.0, 1_000) == [large]


def test_a_request_for_many_drafts_is_not_starved_by_single_ones(waiter: Make) -> None:
    running = [waiter("ann", 10) for _ in range(4)]
    many = waiter("bob", 10, drafts=4)
    places = ledger(*running, drafts=4)
    places.take_turns(0.0, None)
    places.queue.join(many)
    single = [waiter("cat", 10) for _ in range(4)]
    for one in single:
        places.queue.join(one)
    places.leave(running[0], 1.0)
    assert places.take_turns(1.0, None) == single[:1]
    for one in (*running[1:], single[0]):
        places.leave(one, 1.0 + PATIENCE_S)
        granted = places.take_turns(1.0 + PATIENCE_S, None)
    assert granted == [many]


def test_one_draft_of_several_gives_its_place_to_who_waits(waiter: Make) -> None:
    two, other = waiter("ann", 401, drafts=2), waiter("bob", 200)
    places = ledger(two, other, drafts=2)
    assert places.take_turns(0.0, None) == [two]
    assert places.stop(two, 0, 1.0)
    assert places.take_turns(1.0, None) == [other]
    assert sums(places) == (2, 401, 0, 0)
    assert not places.stop(two, 1, 2.0)
    places.leave(two, 3.0)
    places.leave(other, 3.0)
    assert sums(places) == (0, 0, 0, 0)


def test_what_is_given_back_is_the_rate(waiter: Make) -> None:
    two = waiter("ann", 1_001, drafts=2)
    places = ledger(two)
    places.take_turns(100.0, None)
    places.stop(two, 1, 150.0)
    assert places.drain.rate(150.0) == 10.0
    places.leave(two, 200.0)
    assert places.drain.rate(200.0) == 10.01


_LONGEST_QUEUE = 60


def served(
    places: Ledger, coming: Sequence[tuple[float, float, Waiter]], capacity_tokens: int
) -> dict[Waiter, float]:
    """When each was taken, of those that come at a time and take so many seconds; who finds
    ``_LONGEST_QUEUE`` before it is refused."""
    taken_s: dict[Waiter, float] = {}
    lasts_s = {waiter: seconds for _, seconds, waiter in coming}
    events = [(at_s, number, waiter) for number, (at_s, _, waiter) in enumerate(coming)]
    ends: list[tuple[float, int, Waiter]] = []
    heapq.heapify(events)
    while events or ends:
        if ends and (not events or ends[0][0] <= events[0][0]):
            now_s, _, waiter = heapq.heappop(ends)
            places.leave(waiter, now_s)
        else:
            now_s, _, joins = heapq.heappop(events)
            if len(places.queue) < _LONGEST_QUEUE:
                places.queue.join(joins)
        for waiter in places.take_turns(now_s, capacity_tokens):
            taken_s[waiter] = now_s
            heapq.heappush(ends, (now_s + lasts_s[waiter], waiter.number, waiter))
        assert 0 <= places.running_drafts <= places.max_running
        assert places.reserved_tokens <= capacity_tokens or len(ends) == 1
    return taken_s


LASTS = st.integers(1, 60)


@settings(max_examples=15, deadline=None)
@given(
    large_tokens=st.integers(51, 150),
    priority=st.integers(0, 3),
    num_others=st.integers(1, 3),
    small=st.lists(st.tuples(st.integers(5, 50), LASTS), min_size=1, max_size=6),
)
def test_nothing_accepted_starves_behind_an_endless_stream_of_smaller_ones(
    waiter: Make, large_tokens: int, priority: int, num_others: int, small: Any
) -> None:
    """The bound: what it stands back for by its priority, a turn of each other caller, its
    patience, and the longest draft."""
    longest_s = 60
    coming = [(100.0, 1.0, waiter("large", large_tokens, at_s=100.0, priority=priority))]
    for at in range(200):
        tokens, lasts_s = small[at % len(small)]
        caller = f"small {at % num_others}"
        coming.append((at * 2.5, lasts_s, waiter(caller, tokens, at_s=at * 2.5)))
    taken_s = served(Ledger(max_running=20), coming, capacity_tokens=100)
    bound_s = priority * STEP_S + num_others * longest_s + PATIENCE_S + longest_s
    assert taken_s[coming[0][2]] <= 100.0 + bound_s


REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 200), LASTS, st.sampled_from("abc"), st.integers(1, 150),
        st.integers(1, 4), st.integers(-12, 12),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(requests=REQUESTS)
def test_whatever_comes_all_of_it_is_taken_and_all_sums_return_to_nothing(
    waiter: Make, requests: Any
) -> None:
    places = Ledger(max_running=4)
    coming = [
        (
            float(at_s),
            float(lasts_s),
            waiter(caller, tokens, drafts=drafts, at_s=at_s, priority=priority),
        )
        for at_s, lasts_s, caller, tokens, drafts, priority in requests
    ]
    taken_s = served(places, coming, capacity_tokens=100)
    assert len(taken_s) == len(coming)
    assert sums(places) == (0, 0, 0, 0)
    assert len(places.queue) == 0
