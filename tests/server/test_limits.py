"""Bodies by size, drafts by number."""

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from server.errors import EngineUnavailable, Overloaded, RateLimited
from server.limits import Admission, BodyLimit, Ticket

BOUND_S = 5.0


async def body_through(
    limit: int, chunks: list[bytes], headers: list[tuple[bytes, bytes]], kind: str = "http"
) -> bytes:
    """What an application reads behind the limit."""
    read: list[bytes] = []
    waiting = iter(chunks)

    async def receive() -> Any:
        return {"type": "http.request", "body": next(waiting)}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in chunks:
            message = await receive()
            read.append(message["body"])

    await BodyLimit(app, max_bytes=limit)({"type": kind, "headers": headers}, receive, send)
    return b"".join(read)


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"10")], [(b"content-length", b"?")]])
async def test_a_body_of_the_limit_goes_through(headers: list[tuple[bytes, bytes]]) -> None:
    assert await body_through(10, [b"12345", b"67890"], headers) == b"1234567890"


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        ([b"12345", b"678901"], []),
        ([b"12345", b"678901"], [(b"content-length", b"5")]),
        ([b"1"], [(b"content-length", b"11")]),
    ],
)
async def test_a_body_over_the_limit_is_refused(
    chunks: list[bytes], headers: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(HTTPException) as caught:
        await body_through(10, chunks, headers)
    assert caught.value.status_code == 413
    assert "10 bytes" in caught.value.detail


async def test_what_is_no_http_request_is_left_alone() -> None:
    assert await body_through(1, [b"12345"], [], kind="lifespan") == b"12345"


def admission(running: int = 2, queued: int = 2) -> Admission:
    return Admission(max_running=running, max_queued=queued, retry_after_s=7)


def granted(*tickets: Ticket) -> list[bool]:
    return [ticket.is_granted for ticket in tickets]


def test_a_place_is_granted_at_once_where_there_is_room() -> None:
    places = admission()
    assert granted(places.enter(1, "ann"), places.enter(1, "ann")) == [True, True]
    assert (places.running, places.queued) == (2, 0)


def test_who_comes_first_is_served_first() -> None:
    places = admission(running=1)
    first, second, third = (places.enter(1, "ann") for _ in range(3))
    assert granted(first, second, third) == [True, False, False]
    first.release()
    assert granted(second, third) == [True, False]
    second.release()
    assert granted(third) == [True]


def test_many_places_are_granted_together_and_nobody_overtakes() -> None:
    places = admission(running=3, queued=4)
    one, three, small = places.enter(1, "ann"), places.enter(3, "ann"), places.enter(1, "ann")
    assert granted(three, small) == [False, False]
    assert places.queued == 4
    one.release()
    assert granted(three, small) == [True, False]
    three.release()
    assert granted(small) == [True]


def test_a_full_queue_is_refused_with_advice() -> None:
    places = admission(running=1, queued=1)
    places.enter(1, "ann")
    places.enter(1, "ann")
    with pytest.raises(Overloaded) as caught:
        places.enter(1, "ann")
    assert caught.value.retry_after_s == 7
    assert caught.value.message == ("1 drafts are being written and 1 wait; the limits are 1 and 1")


def test_without_a_queue_a_free_place_is_still_granted() -> None:
    places = admission(running=1, queued=0)
    ticket = places.enter(1, "ann")
    assert granted(ticket) == [True]
    with pytest.raises(Overloaded):
        places.enter(1, "ann")
    ticket.release()
    assert granted(places.enter(1, "ann")) == [True]


def test_a_ticket_is_given_back_once() -> None:
    places = admission(running=1)
    first, second = places.enter(1, "ann"), places.enter(1, "ann")
    first.release()
    first.release()
    assert (places.running, granted(second)) == (1, [True])


def test_a_request_gives_its_places_back_one_by_one_and_keeps_the_last() -> None:
    places = Admission(max_running=3, max_queued=4, retry_after_s=7, max_per_caller=4)
    first, second, third = places.enter(3, "ann"), places.enter(1, "ann"), places.enter(2, "bob")
    first.give_back()
    assert (places.running, granted(second, third)) == (3, [True, False])
    # Her own share is given back as well.
    places.enter(1, "ann")
    for _ in range(3):
        first.give_back()
    assert (places.running, granted(third)) == (2, [False])
    second.release()
    assert (places.running, granted(third)) == (3, [True])
    first.release()
    first.give_back()
    assert places.running == 3
    third.release()
    assert places.running == 1


def test_who_waits_has_no_place_to_give_back() -> None:
    places = admission(running=2)
    first, second = places.enter(2, "ann"), places.enter(2, "ann")
    second.give_back()
    assert (places.running, places.queued) == (2, 2)
    first.release()
    assert places.running == 2


def test_who_gives_up_waiting_makes_room_in_the_queue() -> None:
    places = admission(running=1, queued=2)
    first, second, third = (places.enter(1, "ann") for _ in range(3))
    second.release()
    assert places.queued == 1
    first.release()
    assert granted(third) == [True]


async def test_waiting_for_a_place_is_bounded() -> None:
    places = admission(running=1)
    first, second = places.enter(1, "ann"), places.enter(1, "ann")
    assert await first.granted(0)
    assert not await second.granted(0)
    waiting = asyncio.ensure_future(second.granted(BOUND_S))
    first.release()
    assert await waiting


def test_a_closed_server_takes_nothing_on_and_finishes_what_it_has() -> None:
    places = admission(running=1)
    first, second = places.enter(1, "ann"), places.enter(1, "ann")
    places.close()
    with pytest.raises(EngineUnavailable, match="shutting down") as caught:
        places.enter(1, "ann")
    assert caught.value.retry_after_s == 1
    first.release()
    assert granted(second) == [True]
    assert not places.idle.is_set()
    second.release()
    assert places.idle.is_set()


def test_an_idle_server_is_idle_as_soon_as_it_is_closed() -> None:
    places = admission()
    places.enter(1, "ann").release()
    assert not places.idle.is_set()
    places.close()
    assert places.idle.is_set()


def test_a_caller_with_its_share_under_way_is_refused_and_others_are_not() -> None:
    places = Admission(max_running=4, max_queued=4, retry_after_s=7, max_per_caller=2)
    first = places.enter(2, "ann")
    with pytest.raises(RateLimited) as refused:
        places.enter(1, "ann")
    assert (refused.value.status, refused.value.retry_after_s) == (429, 7)
    places.enter(1, "bob")
    first.release()
    assert granted(places.enter(2, "ann")) == [True]
