"""The order in which those who wait are taken."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.admission.queue import MOST_STEPS, STEP_S, FairQueue, Waiter, due

Make = Callable[..., Waiter]


def queued(*waiters: Waiter) -> FairQueue:
    queue = FairQueue()
    for waiter in waiters:
        queue.join(waiter)
    return queue


def taken(queue: FairQueue, num: int, now_s: float = 0.0) -> list[Waiter]:
    """The next so many, taken one after the other."""
    found = []
    for _ in range(num):
        found.append(queue.line(now_s)[0])
        queue.grant(found[-1], now_s)
    return found


def test_one_callers_requests_are_taken_as_they_came(waiter: Make) -> None:
    three = [waiter("ann", at_s=float(at)) for at in range(3)]
    queue = queued(*three)
    assert queue.line(5.0) == three
    assert (len(queue), queue.drafts, queue.tokens) == (3, 3, 300)
    assert taken(queue, 3, 5.0) == three
    assert (len(queue), queue.drafts, queue.tokens) == (0, 0, 0)


def test_a_greedy_caller_and_a_modest_one_take_turns(waiter: Make) -> None:
    queue = queued(*(waiter("greedy") for _ in range(100)))
    taken(queue, 40)
    for _ in range(2):
        queue.join(waiter("modest"))
    order = [one.caller for one in taken(queue, 5)]
    assert order in (
        ["greedy", "modest", "greedy", "modest", "greedy"],
        ["modest", "greedy", "modest", "greedy", "greedy"],
    )


def test_turns_are_measured_in_tokens(waiter: Make) -> None:
    """Who asks for ten times as much has a tenth of the turns."""
    large = [waiter("large", 1_000) for _ in range(4)]
    queue = queued(*large, *(waiter("small", 100) for _ in range(40)))
    order = Counter(one.caller for one in taken(queue, 22))
    assert order == {"small": 20, "large": 2}


def test_the_line_is_the_order_in_which_they_are_taken(waiter: Make) -> None:
    queue = queued(
        *(waiter("ann", 100) for _ in range(5)),
        *(waiter("bob", 250) for _ in range(5)),
        *(waiter("cat", 40, priority=2) for _ in range(5)),
    )
    line = queue.line(0.0)
    assert taken(queue, 15) == line


def test_who_comes_back_has_saved_up_no_turns(waiter: Make) -> None:
    queue = queued(*(waiter("ann") for _ in range(20)))
    taken(queue, 10)
    for _ in range(10):
        queue.join(waiter("bob"))
    assert Counter(one.caller for one in taken(queue, 6)) == {"ann": 3, "bob": 3}


def test_what_a_draft_took_beyond_its_claim_is_charged(waiter: Make) -> None:
    queue = queued(*(waiter("ann") for _ in range(9)), *(waiter("bob") for _ in range(9)))
    taken(queue, 2)
    queue.charge("ann", 300)
    assert [one.caller for one in taken(queue, 4)] == ["bob", "bob", "bob", "ann"]
    queue.charge("nobody who waits", 300)
    assert len(queue) == 12


def test_who_stood_back_is_owed_nothing_for_it(waiter: Make) -> None:
    """Requests that yield to others do not come all at once as soon as they are due."""
    queue = queued(
        *(waiter("batch", priority=10) for _ in range(20)), *(waiter("ann") for _ in range(40))
    )
    assert {one.caller for one in taken(queue, 20)} == {"ann"}
    later = MOST_STEPS * STEP_S
    order = Counter(one.caller for one in taken(queue, 10, later))
    assert min(order["ann"], order["batch"]) >= 4


@pytest.mark.parametrize(
    ("priority", "due_s"), [(0, 1_000), (2, 1_060), (-2, 940), (1_000, 1_300), (-(2**31), 700)]
)
def test_a_priority_is_worth_half_a_minute_a_step_and_bounded(priority: int, due_s: float) -> None:
    assert due(1_000.0, priority) == due_s


def test_a_lower_priority_goes_first_among_ones_own_requests(waiter: Make) -> None:
    slow, plain, urgent = waiter("ann", priority=3), waiter("ann"), waiter("ann", priority=-3)
    queue = queued(slow, plain, urgent)
    assert queue.line(0.0) == [urgent, plain, slow]


def test_urgency_gives_no_turns_of_another_caller(waiter: Make) -> None:
    queue = queued(
        *(waiter("bob") for _ in range(4)), *(waiter("ann", priority=-10) for _ in range(4))
    )
    assert Counter(one.caller for one in taken(queue, 4)) == {"ann": 2, "bob": 2}


def test_who_stands_back_does_so_for_all_callers_until_it_is_due(waiter: Make) -> None:
    batch = waiter("batch", 10, priority=2)
    queue = queued(batch, *(waiter("ann", 100) for _ in range(4)))
    assert queue.line(59.0)[-1] is batch
    assert queue.line(60.0)[0] is batch


def test_who_leaves_is_not_taken(waiter: Make) -> None:
    ann, bob = waiter("ann"), waiter("bob")
    queue = queued(ann, bob)
    queue.leave(ann)
    assert queue.line(0.0) == [bob]


SIZES = st.integers(1, 500)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.lists(SIZES, min_size=1, max_size=4), min_size=2, max_size=4),
       late=st.integers(0, 10))  # fmt: skip
def test_while_callers_wait_they_differ_by_a_claim_of_each_at_most(
    waiter: Make, sizes: list[list[int]], late: int
) -> None:
    """Each caller asks for its sizes round and round, and always has three requests waiting."""
    queue, asked, granted = FairQueue(), Counter[str](), Counter[str]()

    def ask(at: int) -> None:
        name, own = str(at), sizes[at]
        queue.join(waiter(name, own[asked[name] % len(own)]))
        asked[name] += 1

    for at in range(len(sizes) - 1):
        for _ in range(3):
            ask(at)
    for round_ in range(50):
        if round_ == late:
            for _ in range(3):
                ask(len(sizes) - 1)
            granted.clear()
        [one] = taken(queue, 1)
        granted[one.caller] += one.claim.tokens
        ask(int(one.caller))
        if round_ < late:
            continue
        for a in range(len(sizes)):
            for b in range(a):
                apart = abs(granted[str(a)] - granted[str(b)])
                assert apart <= max(sizes[a]) + max(sizes[b])


REQUESTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(-20, 20), st.integers(0, 90)),
    min_size=2,
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(requests=REQUESTS)
def test_priorities_hold_within_their_bound_and_nobody_is_overtaken_for_longer(
    waiter: Make, requests: Any
) -> None:
    """One is taken every 45 seconds, and others come meanwhile."""
    queue, came, order = FairQueue(), {}, []
    now_s = 0.0
    coming = []
    for caller, priority, pause_s in requests:
        now_s += pause_s
        coming.append((now_s, waiter(caller, at_s=now_s, priority=priority)))
    now_s = 0.0
    while coming or len(queue):
        while coming and (coming[0][0] <= now_s or not len(queue)):
            came_s, one = coming.pop(0)
            now_s = max(now_s, came_s)
            came[one] = came_s
            queue.join(one)
        others = queue.line(now_s)
        [one] = taken(queue, 1, now_s)
        # Nobody stands back for one who stands back further.
        assert one.steps(now_s) == min(other.steps(now_s) for other in others)
        own = [other for other in others if other.caller == one.caller]
        assert one.due_s == min(other.due_s for other in own)
        order.append(one)
        now_s += 45.0
    for at, one in enumerate(order):
        for later in order[at + 1 :]:
            if one.caller == later.caller:
                assert came[one] - came[later] <= 2 * MOST_STEPS * STEP_S
