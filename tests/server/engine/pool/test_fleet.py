"""Replicas that come, fall ill, recover and go, by a clock that the test moves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from server.engine.base import Card, Piece
from server.engine.pool.breaker import State
from server.engine.pool.endpoint import Endpoint
from server.engine.pool.fleet import Rhythm
from server.engine.pool.roster import Roster, addresses_of
from server.engine.upstream.replica import Load
from server.errors import CannotServe, EngineUnavailable

PLAY = "Once upon a time, in a far country."
Furnish = Callable[..., Awaitable[Any]]
TextOf = Callable[[Sequence[Piece]], str]


async def test_a_pool_is_ready_while_one_replica_is(house: Furnish, away: Exception) -> None:
    two = await house(PLAY)
    assert two.pool.why_not_ready == ""
    two["1"].sick = away
    await two.clock.pass_on(5.0)
    assert two.pool.why_not_ready == ""
    assert [told["up"] for told in two.told.standings.values()] == [False, True]
    two["2"].sick = EngineUnavailable("it does not serve 'book' but 'verse'")
    await two.clock.pass_on(5.0)
    assert two.pool.why_not_ready == (
        "no replica is ready: 10.0.0.1:8000: connection refused; "
        "10.0.0.2:8000: it does not serve 'book' but 'verse'"
    )


async def test_before_anything_is_known_the_reason_says_so(house: Furnish) -> None:
    none = await house(PLAY, urls=[])
    assert none.pool.why_not_ready == "no replica is ready: none is known yet"


async def test_a_replica_that_falls_ill_is_told_of_once_and_asked_again_soon(
    house: Furnish, away: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    one = await house(PLAY, num=1)
    one["1"].sick = away
    checks = one["1"].num_checks
    with caplog.at_level(logging.WARNING):
        # Found ill after 5 s, then asked after 1, 2, 4 and 5 s.
        for seconds, times in ((5.0, 1), (1.0, 2), (2.0, 3), (4.0, 4), (5.0, 5)):
            await one.clock.pass_on(seconds)
            assert one["1"].num_checks == checks + times
    assert [record.message for record in caplog.records] == ["replica is down"]
    one["1"].sick = None
    await one.clock.pass_on(5.0)
    assert one.pool.why_not_ready == ""


async def test_a_health_check_that_never_answers_is_an_illness(
    house: Furnish, until: Callable[[Callable[[], object]], Awaitable[None]]
) -> None:
    never = asyncio.Event()

    def prepare(writer: Any) -> None:
        writer.waits = never

    one = await house(PLAY, num=1, rhythm=Rhythm(probe_timeout_s=0.01), prepare=prepare)
    await until(lambda: "no answer within 0.01 s" in one.pool.why_not_ready)


async def test_a_replica_with_another_model_or_a_smaller_window_is_refused_and_named(
    house: Furnish,
) -> None:
    def prepare(writer: Any) -> None:
        other = {"model": "verse"} if ".1" in writer.address else {"window_tokens": 512}
        writer.card = replace(writer.card, **other)

    two = await house(PLAY, prepare=prepare)
    assert two.pool.why_not_ready == (
        "no replica is ready: 10.0.0.1:8000: it serves 'verse', not 'book'; "
        "10.0.0.2:8000: its window of 512 tokens is smaller than the 4096 served here; "
        "see max_model_len"
    )


async def test_a_replica_that_dies_is_entered_again(house: Furnish, text_of: TextOf) -> None:
    one = await house(PLAY, num=1)
    one["1"].dead.set()
    await one.clock.pass_on(0)
    assert one.pool.why_not_ready.endswith("it died")
    await one.clock.pass_on(1.0)
    assert one["1"].num_entered == 2
    assert text_of(await one.written()) == PLAY


async def test_a_replica_that_fails_as_nobody_foresaw_is_down_and_logged(
    house: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    one = await house(PLAY, num=1)
    one["1"].sick = ZeroDivisionError()
    await one.clock.pass_on(5.0)
    assert "not foreseen" in one.pool.why_not_ready
    assert any(record.exc_info for record in caplog.records)
    one["1"].sick = None
    await one.clock.pass_on(5.0)
    assert one.pool.why_not_ready == ""


async def test_streams_that_fail_in_a_row_open_the_breaker_and_one_closes_it(
    house: Furnish,
) -> None:
    two = await house(PLAY)
    two["1"].breaks = [0, 0, 0]

    def breaker() -> State:
        state: State = two.told.standings["10.0.0.1:8000"]["breaker"]
        return state

    # Their answers show nothing, so a health check that goes well does not help.
    for at in range(6):
        await two.written(two.job(f"{at}", prompt=two.book.passage(f"Write {at}.")))
    told = two.told.standings["10.0.0.1:8000"]
    assert (told["breaker"], told["up"]) == (State.OPEN, False)
    await two.clock.pass_on(0.5)
    await two.written(two.job("x"))
    assert len(two["1"].jobs) == 3
    two["2"].sick = EngineUnavailable("gone")
    await two.clock.pass_on(5.0)
    assert breaker() is State.HALF_OPEN
    await two.written(two.job("y"))
    assert len(two["1"].jobs) == 4
    assert breaker() is State.CLOSED


async def test_a_breaker_that_is_open_is_a_reason(house: Furnish) -> None:
    one = await house(PLAY, num=1, max_moves=3)
    one["1"].breaks = [0] * 9
    waiting = asyncio.create_task(one.written())
    await one.clock.pass_on(0)
    assert one.pool.why_not_ready == (
        "no replica is ready: 10.0.0.1:8000: 3 streams failed in a row"
    )
    await one.clock.pass_on(60.0)
    with pytest.raises(EngineUnavailable):
        await waiting


async def test_a_replica_that_is_taken_off_takes_nothing_new_and_ends_what_it_writes(
    house: Furnish, text_of: TextOf
) -> None:
    two = await house(PLAY)
    gate = two["1"].gate = asyncio.Event()
    live = asyncio.create_task(two.written())
    await two.clock.pass_on(0)
    await two.pool.set_members(["http://10.0.0.2:8000", "http://10.0.0.3:8000"])
    await two.clock.pass_on(0)
    for at in range(4):
        await two.written(two.job(f"{at}"))
    assert len(two["1"].jobs) == 1
    assert two["3"].num_entered == 1
    assert not two["1"].left.is_set()
    gate.set()
    assert text_of(await live) == PLAY
    await two.clock.pass_on(0)
    assert two["1"].left.is_set()
    assert sorted(two.told.standings) == ["10.0.0.2:8000", "10.0.0.3:8000"]


async def test_a_replica_that_is_named_again_while_it_leaves_stays(house: Furnish) -> None:
    two = await house(PLAY)
    gate = two["1"].gate = asyncio.Event()
    live = asyncio.create_task(two.written())
    await two.clock.pass_on(0)
    await two.pool.set_members(["http://10.0.0.2:8000"])
    await two.clock.pass_on(0)
    two["2"].sick = EngineUnavailable("connection refused")
    await two.clock.pass_on(5.0)
    assert two.pool.why_not_ready == (
        "no replica is ready: 10.0.0.1:8000: it is leaving; 10.0.0.2:8000: connection refused"
    )
    await two.pool.set_members(["http://10.0.0.1:8000/v1", "http://10.0.0.2:8000"])
    await two.clock.pass_on(0)
    gate.set()
    await live
    await two.clock.pass_on(0)
    assert two.pool.why_not_ready == ""
    assert two["1"].num_entered == 1


async def test_an_address_that_is_none_changes_nothing(house: Furnish) -> None:
    two = await house(PLAY)
    with pytest.raises(CannotServe, match="^upstream: the address of a server must begin with"):
        await two.pool.set_members(["http://10.0.0.3:8000", "ftp://10.0.0.4"])
    await two.clock.pass_on(60.0)
    assert sorted(two.told.standings) == ["10.0.0.1:8000", "10.0.0.2:8000"]


async def test_a_name_stands_for_all_its_addresses_and_is_asked_again(house: Furnish) -> None:
    names = {"vllm.example": ["10.0.0.7", "10.0.0.8"]}
    one = await house(PLAY, urls=["http://vllm.example:8000"], names=names)
    assert sorted(one.told.standings) == [
        "vllm.example:8000@10.0.0.7", "vllm.example:8000@10.0.0.8",
    ]  # fmt: skip
    assert one["7"].endpoint == Endpoint(url="http://vllm.example:8000", address="10.0.0.7")
    names["vllm.example"] = ["10.0.0.8", "10.0.0.9"]
    await one.clock.pass_on(30.0)
    assert sorted(one.told.standings) == [
        "vllm.example:8000@10.0.0.8", "vllm.example:8000@10.0.0.9",
    ]  # fmt: skip
    assert one["7"].left.is_set()


async def test_a_name_that_cannot_be_resolved_keeps_what_it_had_and_is_told_of_once(
    house: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    names: dict[str, list[str]] = {"vllm.example": [], "other.example": ["10.0.0.7"]}
    urls = ["http://vllm.example:8000", "http://other.example:8000"]
    one = await house(PLAY, urls=urls, names=names)
    assert one.pool.why_not_ready == ""
    one["7"].sick = EngineUnavailable("gone")
    await one.clock.pass_on(60.0)
    assert one.pool.why_not_ready.endswith("vllm.example: Name or service not known")
    assert [r.message for r in caplog.records].count("a name cannot be resolved") == 1
    names["vllm.example"], names["other.example"] = ["10.0.0.8"], []
    await one.clock.pass_on(30.0)
    assert len(one.told.standings) == 2
    assert one.pool.why_not_ready == ""


async def test_a_replica_that_joins_is_given_its_share_little_by_little(house: Furnish) -> None:
    two = await house(PLAY, num=1, rhythm=Rhythm(slow_start_s=60.0))
    await two.clock.pass_on(60.0)
    two["1"].gate = gate = asyncio.Event()
    await two.pool.set_members(["http://10.0.0.1:8000", "http://10.0.0.2:8000"])
    await two.clock.pass_on(0)
    two["2"].gate = gate
    streams: list[asyncio.Task[Any]] = []

    async def more(seconds: float) -> int:
        """How many of ten drafts go to the new one."""
        before = len(two["2"].jobs)
        await two.clock.pass_on(seconds)
        for at in range(10):
            job = two.job(f"{len(streams)}", prompt=two.book.passage(f"{len(streams)} {at}"))
            streams.append(asyncio.create_task(two.written(job)))
            await two.clock.pass_on(0)
        return len(two["2"].jobs) - before

    assert await more(0) <= 1
    assert 1 <= await more(20.0) <= 7
    assert await more(40.0) >= 7
    gate.set()
    async with asyncio.timeout(5):
        for stream in streams:
            await stream


async def test_continuations_and_the_drafts_of_one_request_go_where_their_prompt_is(
    house: Furnish,
) -> None:
    three = await house(PLAY, num=3)
    prompt = three.book.passage("Write a line of the sea.")
    for at in range(4):
        await three.written(three.job(f"x-{at}", prompt=prompt))
        await three.written(three.job(f"y{at}", prompt=three.book.passage(f"Another {at}.")))
    [where] = [w for w in three.writers.values() if any(j.id == "x-0" for j in w.jobs)]
    assert [job.id for job in where.jobs if job.id.startswith("x")] == ["x-0", "x-1", "x-2", "x-3"]
    others = [job for w in three.writers.values() if w is not where for job in w.jobs]
    assert len(others) >= 3
    written = three.book.passage("Once upon a time.")
    await three.written(three.job("x-2", prompt=prompt, written=written))
    assert where.jobs[-1].id == "x-2"


async def test_a_replica_that_is_much_fuller_does_not_get_the_next_draft_of_a_request(
    house: Furnish,
) -> None:
    def prepare(writer: Any) -> None:
        writer.gate, writer.told = gate, Load(kv_capacity_tokens=4096)

    gate = asyncio.Event()
    two = await house(PLAY, prepare=prepare)
    drafts = [asyncio.create_task(two.written(two.job(f"x-{at}"))) for at in range(3)]
    await two.clock.pass_on(0)
    # A thousand tokens each are a quarter of the cache: the second is over by just that.
    assert [len(two[name].jobs) for name in "12"] == [2, 1]
    gate.set()
    async with asyncio.timeout(5):
        for draft in drafts:
            await draft


async def test_the_card_tells_what_all_replicas_that_serve_can_hold(
    house: Furnish, away: Exception
) -> None:
    def prepare(writer: Any) -> None:
        writer.told = Load(kv_capacity_tokens=10_000 if ".1" in writer.address else 5_000)

    def held() -> int | None:
        card: Card = two.pool.card
        return card.kv_tokens

    two = await house(PLAY, prepare=prepare)
    assert two.pool.card == replace(two["1"].card, kv_tokens=15_000)
    two["2"].told = Load()
    await two.clock.pass_on(5.0)
    assert held() is None
    two["2"].sick = away
    await two.clock.pass_on(5.0)
    assert held() == 10_000
    two["1"].sick = away
    await two.clock.pass_on(5.0)
    assert held() is None


async def test_a_replica_without_a_load_is_up_all_the_same(house: Furnish) -> None:
    def prepare(writer: Any) -> None:
        writer.told = EngineUnavailable("no metrics")

    one = await house(PLAY, num=1, prepare=prepare)
    assert one.pool.why_not_ready == ""


async def test_a_reader_that_goes_before_the_first_token_leaves_the_trial_to_another(
    house: Furnish,
) -> None:
    one = await house(PLAY, num=1, max_moves=0)
    for at in range(3):
        one["1"].breaks = [0]
        with pytest.raises(EngineUnavailable):
            await one.written(one.job(f"{at}"))
        await one.clock.pass_on(0)
    await one.clock.pass_on(1.5)
    one["1"].gate = asyncio.Event()
    for _ in range(2):
        trial = asyncio.create_task(one.written(one.job("x")))
        await one.clock.pass_on(0)
        assert one["1"].open_streams == 1
        trial.cancel()
        await asyncio.wait([trial])
    assert one["1"].open_streams == 0


async def test_the_systems_resolver_is_asked_for_addresses() -> None:
    assert await addresses_of("127.0.0.1", 8000) == ["127.0.0.1"]
    assert await addresses_of("::1", 8000) == ["::1"]
    roster = Roster(urls=["http://[::1]:8000", "http://127.0.0.1", "https://a..b"])
    names = [endpoint.name for endpoint in await roster.endpoints()]
    assert names == ["[::1]:8000", "127.0.0.1:80"]
    assert "https://a..b" in roster.faults


async def test_a_move_is_logged_in_a_line_without_text(
    house: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    two = await house(PLAY)
    two["1"].breaks = [3]
    async with aclosing(two.pool.stream(two.job())) as pieces:
        assert [piece async for piece in pieces]
    [line] = [record for record in caplog.records if record.message == "stream moves"]
    told = {name: getattr(line, name) for name in ("request_id", "replica", "why", "moves")}
    assert told == {"request_id": "a", "replica": "10.0.0.1:8000", "why": "engine_died", "moves": 1}
    assert "Once" not in str(vars(line))
