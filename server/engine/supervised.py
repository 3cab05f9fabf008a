"""Starts an engine beside the running server, watches it, and restarts it if so set.

It is itself an engine, so nobody above it needs to know. It must not end the process: it says
that it has failed, and the host decides.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from server.engine.base import Card, Engine, Job, Passage, Piece
from server.errors import CannotServe, EngineUnavailable, LonghandError

logger = logging.getLogger(__name__)

_LOADING_RETRY_S = 10


class Health(StrEnum):
    """What the engine is doing; only READY takes work. AWAY: what is behind it is, for now."""

    LOADING = "loading"
    READY = "ready"
    AWAY = "away"
    DEAD = "dead"
    STOPPED = "stopped"


@runtime_checkable
class Fronting(Engine, Protocol):
    """An engine before others that may be away while it lives."""

    @property
    def why_not_ready(self) -> str:
        """Why it can take no work now; empty where it can."""
        ...


@dataclass(slots=True)
class Supervised:
    """An engine made by ``build``, entered in a task of its own.

    max_restarts: how often, in all, a dead engine is started again; 0 for never. A start that
    fails is not repeated: what was wrong then is wrong the second time too.
    failed: set once there will be no engine any more; ``reason`` says why.
    on_health: told of every change of ``health``.
    """

    build: Callable[[], Engine]
    card: Card
    max_restarts: int = 0
    health: Health = Health.LOADING
    reason: str = "the model is loading"
    on_health: Callable[[Health], None] = lambda health: None
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _engine: Engine | None = None
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="engine")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Frees the engine; what it was writing ends with EngineDied. Safe to call twice."""
        self._to(Health.STOPPED, "the server is shutting down")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _to(self, health: Health, reason: str) -> None:
        if self.health is not Health.STOPPED:
            self.health, self.reason = health, reason
            self.on_health(health)

    async def _run(self) -> None:
        """The engine's whole life, every restart included; ``failed`` is set at its end."""
        try:
            await self._live_again()
        except Exception:
            # The top of this task: nobody else would ever see it.
            logger.exception("engine failed")
            self._to(Health.DEAD, "the engine failed in a way that was not foreseen; see the log")
        self.failed.set()

    async def _live_again(self) -> None:
        for attempt in range(self.max_restarts + 1):
            try:
                await self._live()
            except (LonghandError, CannotServe) as error:
                self._to(Health.DEAD, f"the engine could not be started: {error}")
                break
            if attempt < self.max_restarts:
                logger.warning("engine restarts", extra={"reason": self.reason})
                self._to(Health.LOADING, f"the engine restarts; {self.reason}")

    async def _live(self) -> None:
        """One engine from its start to its death."""
        async with self.build() as engine:
            self._engine = engine
            self._to(Health.READY, "")
            self.ready.set()
            try:
                reason = await engine.watch()
                logger.error("engine died", extra={"reason": reason})
                self._to(Health.DEAD, reason)
            finally:
                self._engine = None
                self.ready.clear()

    def state(self) -> tuple[Health, str]:
        """What the engine is doing now, and why it takes no work where it does not."""
        engine = self._engine
        if self.health is Health.READY and isinstance(engine, Fronting) and engine.why_not_ready:
            return Health.AWAY, engine.why_not_ready
        return self.health, self.reason

    @property
    def kv_tokens(self) -> int | None:
        """What the running engine's card says of its KV cache; None while there is no engine."""
        return None if self._engine is None else self._engine.card.kv_tokens

    def _ready_engine(self) -> Engine:
        if self._engine is None or self.health is not Health.READY:
            raise EngineUnavailable(self.reason, retry_after_s=_LOADING_RETRY_S)
        return self._engine

    async def tokenize(self, text: str) -> Passage:
        return await self._ready_engine().tokenize(text)

    async def watch(self) -> str:
        await self.failed.wait()
        return self.reason

    def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        # The engine's own generator: one layer less for every token.
        return self._ready_engine().stream(job)
