"""Several gateways on one Redis, and a Redis that goes, comes back, or lost something."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from server.drafts import redis as redis_store
from server.drafts.redis import RedisStore
from server.drafts.redis_logs import Write, packed
from server.drafts.store import Entry, Record, State
from server.errors import LeaseLost, StoreUnavailable

Made = Callable[..., Record]
Finished = Callable[..., Awaitable[None]]
ReadAll = Callable[[AsyncGenerator[bytes, None]], Awaitable[list[bytes]]]
Servers = Callable[..., Any]


def entry(draft_id: str, body: bytes) -> Entry:
    return Entry(draft_id=draft_id, body=body)


@pytest.fixture
async def gateways(
    shared_redis: Any, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    """Two stores as two gateways have them."""
    first, second = (RedisStore(shared_redis.url, prefix=f"{request.node.name}:") for _ in range(2))
    await first.open()
    await second.open()
    yield first, second
    await first.close()
    await second.close()


async def lapse(client: Redis, request: pytest.FixtureRequest, draft_id: str) -> None:
    """The lease of a draft runs out."""
    assert await client.delete(f"{request.node.name}:lease:{draft_id}") == 1


async def test_what_one_gateway_writes_another_one_follows(
    gateways: tuple[RedisStore, RedisStore], a_record: Made, read_all: ReadAll
) -> None:
    first, second = gateways
    made = await first.create(a_record("d1"), "first", 60)
    assert await second.get("d1") == made
    await first.append([entry("d1", b"a")])
    reading = asyncio.create_task(read_all(second.follow("d1")))
    for number in range(600):
        await first.append([entry("d1", b"%d" % number)])
    await first.end("d1", state=State.FINISHED, meta=b"{}", whole=b"the whole")
    assert await reading == [b"a", *(b"%d" % number for number in range(600))]
    assert await second.whole("d1") == b"the whole"
    assert await second.entries("d1") == ()


async def test_a_live_gateways_draft_is_not_taken_over(
    gateways: tuple[RedisStore, RedisStore], a_record: Made
) -> None:
    first, second = gateways
    await first.create(a_record("d1"), "first", 60)
    assert await second.claim("second", 60, 10) == ()
    assert await second.append([entry("d1", b"x")]) == ("d1",)
    with pytest.raises(LeaseLost):
        await second.end("d1", state=State.CANCELLED, meta=b"{}", whole=b"")
    await second.update("d1", state=State.INTERRUPTED)
    record = await first.get("d1")
    assert record is not None
    assert record.state is State.WRITING


async def test_a_survivor_takes_over_and_the_one_taken_for_dead_writes_nothing_more(
    gateways: tuple[RedisStore, RedisStore],
    a_record: Made,
    raw_redis: Any,
    request: pytest.FixtureRequest,
) -> None:
    first, second = gateways
    await first.create(a_record("d1"), "first", 60)
    await first.append([entry("d1", b"a")])
    await lapse(raw_redis, request, "d1")
    assert [record.id for record in await second.claim("second", 60, 10)] == ["d1"]
    await second.append([entry("d1", b"b")])
    assert await first.append([entry("d1", b"not b")]) == ("d1",)
    assert await first.renew(["d1"], "first", 60) == ()
    with pytest.raises(LeaseLost):
        await first.end("d1", state=State.FINISHED, meta=b"{}", whole=b"")
    assert await second.entries("d1") == (b"a", b"b")
    await second.end("d1", state=State.FINISHED, meta=b"{}", whole=b"ab")
    assert await first.whole("d1") == b"ab"


async def test_a_late_holder_that_nobody_replaced_goes_on(
    gateways: tuple[RedisStore, RedisStore],
    a_record: Made,
    raw_redis: Any,
    request: pytest.FixtureRequest,
) -> None:
    first, second = gateways
    await first.create(a_record("d1"), "first", 60)
    await lapse(raw_redis, request, "d1")
    assert await first.append([entry("d1", b"a")]) == ()
    assert await first.renew(["d1"], "first", 60) == ("d1",)
    assert await second.claim("second", 60, 10) == ()


async def test_a_lease_runs_out_by_itself(
    gateways: tuple[RedisStore, RedisStore],
    a_record: Made,
    raw_redis: Any,
    request: pytest.FixtureRequest,
) -> None:
    first, _ = gateways
    await first.create(a_record("d1"), "first", 7.5)
    key = f"{request.node.name}:lease:d1"
    assert 0 < await raw_redis.pttl(key) <= 7500
    await first.renew(["d1"], "first", 60)
    assert await raw_redis.pttl(key) > 7500


async def test_any_gateway_can_take_a_draft_to_cancel_it(
    gateways: tuple[RedisStore, RedisStore], a_record: Made
) -> None:
    first, second = gateways
    await first.create(a_record("d1"), "first", 60)
    await first.append([entry("d1", b"a")])
    assert await second.take("d1", "second", 60) == await first.get("d1")
    await second.end("d1", state=State.CANCELLED, meta=b"{}", whole=b"a")
    assert await first.append([entry("d1", b"b")]) == ("d1",)
    with pytest.raises(LeaseLost):
        await first.end("d1", state=State.FINISHED, meta=b"{}", whole=b"ab")


async def test_a_follower_waits_on_while_a_draft_is_silent(
    gateways: tuple[RedisStore, RedisStore], a_record: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "_BLOCK_S", 0.01)
    first, second = gateways
    await first.create(a_record("d1"), "first", 60)
    reading = asyncio.create_task(anext(second.follow("d1")))
    assert await asyncio.wait([reading], timeout=0.1) == (set(), {reading})
    await first.append([entry("d1", b"a")])
    assert await asyncio.wait_for(reading, 10) == b"a"


async def test_a_follower_whose_log_is_gone_is_ended(
    gateways: tuple[RedisStore, RedisStore],
    finished: Finished,
    read_all: ReadAll,
    raw_redis: Any,
    request: pytest.FixtureRequest,
) -> None:
    first, second = gateways
    await finished(first, "d1")
    log = f"{request.node.name}:log:d1"
    assert 0 < await raw_redis.ttl(log) <= 60
    await raw_redis.delete(log)
    assert await read_all(second.follow("d1")) == []


async def test_an_end_whose_answer_was_lost_may_be_told_again(
    gateways: tuple[RedisStore, RedisStore], a_record: Made
) -> None:
    first, second = gateways
    await first.create(a_record("d1"), "first", 60)
    for _ in range(2):
        await first.end("d1", state=State.FINISHED, meta=b"{}", whole=b"a")
    with pytest.raises(LeaseLost):
        await second.end("d1", state=State.FINISHED, meta=b"{}", whole=b"b")


async def test_an_entry_whose_answer_was_lost_is_stored_once(
    gateways: tuple[RedisStore, RedisStore], a_record: Made
) -> None:
    first, _ = gateways
    await first.create(a_record("d1"), "first", 60)
    await first.append([entry("d1", b"a")])
    first._logs.hold("d1", "first", 0)  # as if the answer to the first append had been lost
    assert await first.append([entry("d1", b"a"), entry("d1", b"b")]) == ()
    assert await first.entries("d1") == (b"a", b"b")
    first._logs.hold("d1", "first", 1)
    assert await first.append([entry("d1", b"not b")]) == ("d1",)
    assert await first.entries("d1") == (b"a", b"b")


async def test_what_redis_lost_of_a_log_is_stored_again(
    gateways: tuple[RedisStore, RedisStore],
    a_record: Made,
    raw_redis: Any,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = gateways
    for id in ("d1", "d2"):
        await first.create(a_record(id), "first", 60)
    for number in range(5):
        await first.append([entry("d1", b"%d" % number), entry("d2", b"-%d" % number)])
    log = f"{request.node.name}:log:d1"
    await raw_redis.delete(log)
    for number in range(2):
        await raw_redis.xadd(log, {b"b": b"%d" % number}, id=f"0-{number + 1}")
    tick = [entry("d1", b"5"), entry("d2", b"-5"), entry("d1", b"6")]
    with caplog.at_level(logging.WARNING):
        assert await first.append(tick) == ()
    assert "lost the last entries of 1 drafts" in caplog.text
    assert await second.entries("d1") == tuple(b"%d" % number for number in range(7))
    assert await second.entries("d2") == tuple(b"-%d" % number for number in range(6))


async def test_a_log_that_cannot_be_mended_takes_no_more(
    gateways: tuple[RedisStore, RedisStore],
    a_record: Made,
    raw_redis: Any,
    request: pytest.FixtureRequest,
) -> None:
    first, second = gateways
    await first.create(a_record("d1"), "first", 60)
    await first.append([entry("d1", b"a")])
    assert await second.take("d1", "second", 60) is not None
    await raw_redis.delete(f"{request.node.name}:log:d1")
    assert await second.append([entry("d1", b"b")]) == ("d1",)
    assert await second.entries("d1") == ()


async def test_ids_without_a_draft_are_swept_out(
    gateways: tuple[RedisStore, RedisStore],
    a_record: Made,
    finished: Finished,
    raw_redis: Any,
    request: pytest.FixtureRequest,
) -> None:
    first, _ = gateways
    await finished(first, "over", expires_s=1.0, idempotency="key")
    await first.create(a_record("live"), "first", 60)
    for id in ("over", "live"):
        await raw_redis.delete(f"{request.node.name}:draft:{id}")
    await lapse(raw_redis, request, "live")
    assert await first.list("", limit=10) == ()
    assert await first.claim("first", 60, 10) == ()
    assert await first.evict(now_s=2.0, max_bytes=0) == 0
    made = await first.create(a_record("new", idempotency="key"), "first", 60)
    assert made.id == "new"


async def test_a_record_that_vanishes_between_two_questions_is_made(
    gateways: tuple[RedisStore, RedisStore], a_record: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = gateways
    await first.create(a_record("d1", idempotency="key"), "first", 60)
    real = second.get

    async def deleted_before(draft_id: str) -> Record | None:
        await first.delete(draft_id)
        return await real(draft_id)

    monkeypatch.setattr(second, "get", deleted_before)
    assert (await second.create(a_record("d2", idempotency="key"), "second", 60)).id == "d2"


async def test_a_redis_that_goes_is_told_of_and_found_again(
    own_redis: Servers, a_record: Made, caplog: pytest.LogCaptureFixture
) -> None:
    server = own_redis("--appendonly", "yes", "--appendfsync", "always")
    store = RedisStore(server.url)
    with caplog.at_level(logging.WARNING):
        await store.open()
    assert caplog.text == ""
    await store.create(a_record("d1"), "us", 60)
    await store.append([entry("d1", b"a")])
    server.kill()
    for asked in (store.append([entry("d1", b"b")]), store.get("d1"), store.open()):
        with pytest.raises(StoreUnavailable) as raised:
            await asked
        assert raised.value.code == "store_unavailable"
    server.start()
    assert await store.append([entry("d1", b"b")]) == ()
    assert await store.entries("d1") == (b"a", b"b")
    await store.close()


async def test_a_redis_that_keeps_nothing_is_warned_of(
    gateways: tuple[RedisStore, RedisStore], caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = gateways
    with caplog.at_level(logging.WARNING):
        await first.open()
    assert "its restart loses drafts" in caplog.text


async def test_a_full_redis_is_told_of(own_redis: Servers, a_record: Made) -> None:
    server = own_redis("--maxmemory-policy", "noeviction")
    store = RedisStore(server.url)
    await store.open()
    await store.create(a_record("d1"), "us", 60)
    await store.append([entry("d1", b"a")])
    client = Redis.from_url(server.url)
    await client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable) as raised:
        await store.append([entry("d1", b"b")])
    assert raised.value.code == "store_full"
    await client.config_set("maxmemory", 0)
    assert await store.append([entry("d1", b"b")]) == ()
    assert await store.entries("d1") == (b"a", b"b")
    await client.aclose()
    await store.close()


def test_writes_have_the_form_that_is_documented() -> None:
    write = Write(draft_id="d", holder="us", n=3, body=b"ab")
    assert packed([write]) == b"\1\0d\2\0us\3\0\0\0\2\0\0\0ab"
