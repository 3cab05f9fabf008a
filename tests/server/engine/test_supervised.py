"""An engine beside the running server: loading, ready, dead, started again."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest

from server.engine.base import NOTHING_WRITTEN, Card, Engine, Job, Sampling
from server.engine.scripted import Say, ScriptedEngine, Stall
from server.engine.supervised import Health, Supervised
from server.errors import CannotServe, EngineDied, EngineUnavailable

BOUND_S = 5.0
CARD = Card(model="m", window_tokens=100, vocabulary_tokens=100)
JOB = Job(
    id="a",
    prompt=NOTHING_WRITTEN,
    written=NOTHING_WRITTEN,
    sampling=Sampling(temperature=0.6, top_p=0.95),
    max_tokens=10,
)


@asynccontextmanager
async def supervised(build: Callable[[], Engine], **given: Any) -> AsyncGenerator[Supervised, None]:
    async with asyncio.timeout(BOUND_S), Supervised(build=build, card=CARD, **given) as engine:
        yield engine


async def refuses(engine: Supervised) -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as by_tokenize:
        await engine.tokenize("a")
    with pytest.raises(EngineUnavailable) as by_stream:
        engine.stream(JOB)
    assert by_tokenize.value.message == by_stream.value.message
    return by_stream.value


async def test_a_loading_engine_says_so_and_takes_nothing() -> None:
    starting = asyncio.Event()
    async with supervised(lambda: ScriptedEngine(starting=starting)) as engine:
        assert (engine.health, engine.ready.is_set()) == (Health.LOADING, False)
        error = await refuses(engine)
        assert (error.message, error.retry_after_s) == ("the model is loading", 10)
        starting.set()
        await engine.ready.wait()


async def test_a_ready_engine_writes_and_counts() -> None:
    inner = ScriptedEngine(plays=[[Say("One")]])
    async with supervised(lambda: inner) as engine:
        await engine.ready.wait()
        assert (engine.health, engine.reason, engine.failed.is_set()) == (Health.READY, "", False)
        assert await engine.tokenize("a b") == await inner.tokenize("a b")
        assert [piece async for piece in engine.stream(JOB)] == [
            piece async for piece in inner.stream(JOB)
        ]


async def test_a_dead_engine_is_not_started_again_unless_so_set() -> None:
    inner = ScriptedEngine()
    async with supervised(lambda: inner) as engine:
        await engine.ready.wait()
        inner.die("out of paper")
        assert await engine.watch() == "out of paper"
        assert (engine.health, engine.reason) == (Health.DEAD, "out of paper")
        assert engine.failed.is_set()
        assert not engine.ready.is_set()
        assert (await refuses(engine)).message == "out of paper"


async def test_a_dead_engine_is_started_again_as_often_as_set() -> None:
    built: list[ScriptedEngine] = []
    told: list[Health] = []
    starting = [asyncio.Event() for _ in range(3)]
    starting[0].set()
    restarts = [asyncio.Event() for _ in range(3)]

    def tell(health: Health) -> None:
        told.append(health)
        if health is Health.LOADING:
            restarts[told.count(health) - 1].set()

    def build() -> Engine:
        built.append(ScriptedEngine(starting=starting[len(built)]))
        return built[-1]

    async with supervised(build, max_restarts=2, on_health=tell) as engine:
        for at in (0, 1):
            await engine.ready.wait()
            built[at].die(f"death {at}")
            await restarts[at].wait()
            assert engine.reason == f"the engine restarts; death {at}"
            assert not engine.failed.is_set()
            starting[at + 1].set()
        await engine.ready.wait()
        built[2].die("death 2")
        assert await engine.watch() == "death 2"
    ready_and_dead = [Health.READY, Health.DEAD]
    assert told == [
        *ready_and_dead, Health.LOADING, *ready_and_dead, Health.LOADING, *ready_and_dead,
        Health.STOPPED,
    ]  # fmt: skip
    assert len(built) == 3


class FailsToStart(ScriptedEngine):
    error: Exception = EngineUnavailable("no memory left")

    async def __aenter__(self) -> Self:
        raise self.error


@pytest.mark.parametrize(
    "error", [EngineUnavailable("no memory left"), CannotServe("no such file")]
)
async def test_a_start_that_fails_is_not_repeated(error: Exception) -> None:
    built: list[FailsToStart] = []

    def build() -> Engine:
        engine = FailsToStart()
        built.append(engine)
        FailsToStart.error = error
        return engine

    async with supervised(build, max_restarts=5) as engine:
        assert await engine.watch() == f"the engine could not be started: {error}"
        assert engine.health is Health.DEAD
    assert len(built) == 1


async def test_an_engine_that_cannot_even_be_built_has_failed() -> None:
    def build() -> Engine:
        raise CannotServe("vLLM is not installed here")

    async with supervised(build) as engine:
        assert "vLLM is not installed here" in await engine.watch()


async def test_a_fault_nobody_foresaw_is_a_failure_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def build() -> Engine:
        raise ZeroDivisionError

    async with supervised(build) as engine:
        assert "not foreseen" in await engine.watch()
        assert engine.health is Health.DEAD
    assert any(record.exc_info for record in caplog.records)


async def test_stopping_ends_what_is_being_written() -> None:
    inner = ScriptedEngine(plays=[[Say("One"), Stall(gate=asyncio.Event())]])
    async with supervised(lambda: inner) as engine:
        await engine.ready.wait()
        pieces = engine.stream(JOB)
        await anext(pieces)
        waiting = asyncio.ensure_future(anext(pieces))
        await engine.stop()
        with pytest.raises(EngineDied):
            await waiting
        await engine.stop()
        assert engine.health is Health.STOPPED
        assert (await refuses(engine)).message == "the server is shutting down"
    assert inner.open_streams == 0


async def test_stopping_while_loading_gives_the_start_up() -> None:
    async with supervised(lambda: ScriptedEngine(starting=asyncio.Event())) as engine:
        await asyncio.sleep(0)
        await engine.stop()
        assert engine.health is Health.STOPPED
        assert not engine.failed.is_set()
        assert not engine.ready.is_set()


async def test_stopping_what_was_never_entered_is_harmless() -> None:
    engine = Supervised(build=ScriptedEngine, card=CARD)
    await engine.stop()
    assert engine.health is Health.STOPPED
