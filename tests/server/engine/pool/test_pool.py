"""Streams over replicas that fail: one text, whoever writes it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from server.engine.base import End, Piece, Sampling
from server.engine.pool.breaker import State
from server.errors import BadRequest, EngineDied, EngineUnavailable

PLAY = "Once, in 长信 country, a naïve 🌊 met a 🐚. </answer> The end."
STOPS = ("</answer>", "never")
Furnish = Callable[..., Awaitable[Any]]
TextOf = Callable[[Sequence[Piece]], str]


def moves(pieces: Sequence[Piece]) -> int:
    return sum(piece.moves for piece in pieces)


async def test_a_stream_without_a_fault_is_the_replicas_own(house: Furnish) -> None:
    one = await house(PLAY, num=1)
    job = one.job()
    pieces = await one.written(job)
    assert one["1"].jobs == [job]
    assert pieces[-1] == End(reason="stop", cached_tokens=1)
    assert moves(pieces) == 0
    assert one.told.moves == []


@pytest.mark.parametrize("stop", [(), STOPS], ids=["to its end", "to a stop"])
@pytest.mark.parametrize("with_ids", [True, False], ids=["ids", "text"])
async def test_a_stream_killed_at_any_token_is_the_unbroken_one(
    house: Furnish, text_of: TextOf, ids_of: Any, stop: tuple[str, ...], with_ids: bool
) -> None:
    def prepare(writer: Any) -> None:
        writer.with_ids = with_ids

    unbroken = await (one := await house(PLAY, num=1, prepare=prepare)).written(one.job(stop=stop))
    num_tokens = len(unbroken) - 1
    for at in range(num_tokens + 1):
        two = await house(PLAY, num=2, prepare=prepare)
        # The first pick is the first of equals.
        two["1"].breaks = [at]
        pieces = await two.written(two.job(stop=stop))
        assert text_of(pieces) == text_of(unbroken)
        assert ids_of(pieces) == ids_of(unbroken)
        end, expected = pieces[-1], unbroken[-1]
        assert isinstance(end, End) and isinstance(expected, End)
        assert (end.reason, end.stop) == (expected.reason, expected.stop)
        assert [isinstance(piece, End) for piece in pieces].count(True) == 1
        assert moves(pieces) == 1
        assert two["1"].open_streams == two["2"].open_streams == 0


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"stop": STOPS}, End(reason="stop", stop="</answer>", moves=1)),
        ({"max_tokens": 4}, End(reason="length", moves=1)),
    ],
    ids=["a stop", "the allowance"],
)
async def test_an_end_that_was_written_is_told_though_its_replica_died_before_it_could(
    house: Furnish, fields: Any, end: End
) -> None:
    two = await house(PLAY)
    two["1"].speechless = True
    pieces = await two.written(two.job(**fields))
    assert pieces[-1] == end
    assert two["2"].jobs == []


async def test_tokens_and_seed_of_what_is_left_are_asked_for(house: Furnish) -> None:
    two = await house(PLAY)
    two["1"].breaks = [5]
    sampling = Sampling(temperature=0.7, top_p=0.9, seed=7, min_tokens=12)
    await two.written(two.job(sampling=sampling, max_tokens=20))
    [job] = two["2"].jobs
    assert (job.id, job.max_tokens, job.written.num_tokens) == ("a-m1", 15, 5)
    assert job.sampling.min_tokens == 7
    assert job.sampling.seed not in (7, None)
    assert (job.sampling.temperature, job.sampling.top_p) == (0.7, 0.9)


async def test_a_stream_moves_so_often_and_no_more(house: Furnish, text_of: TextOf) -> None:
    five = await house(PLAY, num=5, max_moves=3)
    for name in "123":
        five[name].breaks = [2]
    pieces = await five.written()
    assert text_of(pieces) == PLAY
    assert moves(pieces) == 3
    assert five.told.moves == ["engine_died"] * 3
    five = await house(PLAY, num=5, max_moves=3)
    for name in "1234":
        five[name].breaks = [2]
    with pytest.raises(EngineDied, match="the connection was lost"):
        await five.written()
    assert five["5"].jobs == []


async def test_a_stream_that_breaks_off_without_an_end_moves(
    house: Furnish, text_of: TextOf
) -> None:
    two = await house(PLAY)
    two["1"].breaks, two["1"].error = [3], None
    pieces = await two.written()
    assert text_of(pieces) == PLAY
    assert moves(pieces) == 1


async def test_a_bad_request_is_never_tried_elsewhere(house: Furnish) -> None:
    two = await house(PLAY)
    two["1"].breaks, two["1"].error = [0], BadRequest("no such token")
    with pytest.raises(BadRequest):
        await two.written()
    assert two["2"].jobs == []
    assert two["1"].open_streams == 0


async def test_before_the_first_token_a_failure_moves_too(house: Furnish, text_of: TextOf) -> None:
    two = await house(PLAY)
    two["1"].breaks, two["1"].error = [0], EngineUnavailable("answered HTTP 500")
    pieces = await two.written()
    assert text_of(pieces) == PLAY
    assert pieces[0].moves == 1
    assert two.told.moves == ["engine_unavailable"]


async def test_a_replica_that_is_full_is_busy_and_not_dead(
    house: Furnish, text_of: TextOf, refused: Callable[..., Exception]
) -> None:
    two = await house(PLAY)
    two["1"].breaks, two["1"].error = [0], refused(retry_after_s=7)
    pieces = await two.written()
    assert (text_of(pieces), moves(pieces)) == (PLAY, 0)
    assert two.told.standings["10.0.0.1:8000"]["breaker"] is State.CLOSED
    await two.clock.pass_on(6.0)
    await two.written(two.job("b"))
    await two.written(two.job("c"))
    assert len(two["1"].jobs) == 1
    await two.clock.pass_on(1.5)
    two["2"].sick = EngineUnavailable("gone")
    await two.clock.pass_on(5.0)
    await two.written(two.job("d"))
    assert len(two["1"].jobs) == 2


async def test_a_busy_fleet_is_waited_for_but_not_for_ever(
    house: Furnish, text_of: TextOf, refused: Callable[..., Exception]
) -> None:
    one = await house(PLAY, num=1, wait_s=20.0)
    one["1"].breaks, one["1"].error = [0, 0], refused(retry_after_s=5)
    waiting = asyncio.create_task(one.written())
    await one.clock.pass_on(4.0)
    assert not waiting.done()
    await one.clock.pass_on(7.0)
    assert text_of(await waiting) == PLAY
    one["1"].breaks = [0] * 99
    waiting = asyncio.create_task(one.written(one.job("b")))
    await one.clock.pass_on(30.0)
    with pytest.raises(EngineUnavailable, match="full"):
        await waiting


async def test_a_draft_waits_for_its_only_replica_to_come_back(
    house: Furnish, text_of: TextOf, away: Exception
) -> None:
    one = await house(PLAY, num=1)
    one["1"].breaks = [4]
    one["1"].gate = gate = asyncio.Event()
    waiting = asyncio.create_task(one.written())
    await one.clock.pass_on(0)
    one["1"].sick = away
    gate.set()
    await one.clock.pass_on(60.0)
    assert not waiting.done()
    assert one.pool.why_not_ready == ("no replica is ready: 10.0.0.1:8000: connection refused")
    one["1"].sick = None
    await one.clock.pass_on(5.0)
    assert text_of(await waiting) == PLAY


async def test_a_draft_that_waits_too_long_fails_with_what_went_wrong(
    house: Furnish, away: Exception
) -> None:
    one = await house(PLAY, num=1, wait_s=30.0)
    one["1"].breaks, one["1"].gate = [4], asyncio.Event()
    waiting = asyncio.create_task(one.written())
    await one.clock.pass_on(0)
    one["1"].sick = away
    one["1"].gate.set()
    await one.clock.pass_on(31.0)
    with pytest.raises(EngineDied, match="the connection was lost"):
        await waiting


async def test_nothing_new_waits_while_no_replica_is_up(house: Furnish, away: Exception) -> None:
    def prepare(writer: Any) -> None:
        writer.sick = away

    one = await house(PLAY, num=1, prepare=prepare)
    with pytest.raises(EngineUnavailable, match="8000: connection refused") as raised:
        await one.written()
    assert raised.value.retry_after_s == 10
    with pytest.raises(EngineUnavailable, match="connection refused"):
        await one.pool.tokenize("a")


async def test_a_passing_fault_of_the_only_replica_is_carried_on_by_it(
    house: Furnish, text_of: TextOf
) -> None:
    one = await house(PLAY, num=1)
    one["1"].breaks = [4, 3]
    checks = one["1"].num_checks
    pieces = await one.written()
    assert (text_of(pieces), moves(pieces)) == (PLAY, 2)
    # It is trusted again once it has answered.
    assert one["1"].num_checks == checks + 2
    assert [job.id for job in one["1"].jobs] == ["a", "a-m1", "a-m2"]


async def test_leaving_a_stream_frees_the_replica(house: Furnish) -> None:
    two = await house(PLAY)
    async with asyncio.timeout(5), aclosing(two.pool.stream(two.job())) as pieces:
        await anext(pieces)
        told = two.told.standings["10.0.0.1:8000"]
        assert told["streams"] == 1
        assert told["reserved_tokens"] == two.job().prompt.num_tokens + 1000
    assert two["1"].open_streams == 0
    assert two.told.standings["10.0.0.1:8000"]["streams"] == 0


async def test_leaving_the_pool_ends_its_streams(house: Furnish) -> None:
    two = await house(PLAY)
    two["1"].gate = gate = asyncio.Event()
    watching = asyncio.create_task(two.pool.watch())
    waiting = asyncio.create_task(two.written())
    await two.clock.pass_on(0)
    await two.pool.__aexit__(None, None, None)
    gate.set()
    with pytest.raises(EngineDied, match="the replica was left"):
        await waiting
    assert await watching == "the pool was closed"
    assert two["2"].jobs == []


async def test_what_a_later_replica_had_cached_of_the_text_is_none_of_the_prompts(
    house: Furnish,
) -> None:
    two = await house(PLAY)
    two["1"].breaks = [4]
    two["2"].jobs = [two.job("old")] * 50
    [*_, end] = await two.written()
    assert isinstance(end, End)
    assert end.cached_tokens == two.job().prompt.num_tokens


async def test_tokens_are_counted_by_any_replica_that_can(house: Furnish, away: Exception) -> None:
    two = await house(PLAY)
    passage = await two.pool.tokenize("Once.")
    assert passage == two.book.passage("Once.")
    two["1"].sick = away
    assert await two.pool.tokenize("Once.") == passage
    await two.clock.pass_on(6.0)
    assert await two.pool.tokenize("Once.") == passage


async def test_a_draft_carried_on_by_the_loop_keeps_what_stood_before(house: Furnish) -> None:
    two = await house("Once upon", " a time, in a far country.")
    await two.written()
    written = two.book.passage("Once upon, said she,")
    two["1"].breaks = [3]
    pieces = await two.written(two.job(written=written))
    assert moves(pieces) == 1
    [job] = two["2"].jobs
    assert job.written.text == written.text + " a time, "


@pytest.mark.parametrize("first", ["1", "2"], ids=["from text to ids", "from ids to text"])
async def test_a_stream_may_move_between_replicas_with_ids_and_without(
    house: Furnish, text_of: TextOf, first: str
) -> None:
    two = await house("Once upon a time, said she.")
    two["1"].with_ids = first == "2"
    two["1"].breaks, two["2"].breaks = [6], [3]
    pieces = await two.written()
    assert text_of(pieces) == "Once upon a time, said she."
    assert moves(pieces) == 2
    last = (two["1"].jobs + two["2"].jobs)[1]
    assert (last.written.token_ids is None) == (first == "1")
