"""The replicas of a pool: joined, asked how they are, drained, left. It must not pick one."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.engine.base import Card
from server.engine.pool.breaker import Breaker, State
from server.engine.pool.endpoint import Endpoint
from server.engine.pool.member import Member
from server.engine.pool.roster import Roster
from server.engine.upstream.replica import Replica
from server.errors import EngineDied, EngineUnavailable
from server.tasks import end

logger = logging.getLogger(__name__)

_UNFORESEEN = "it failed in a way that was not foreseen; see the log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time, in seconds, and how to wait for it."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often replicas are looked at, in seconds: each is asked how it is every ``probe_s`` (at
    once when a stream failed), within ``probe_timeout_s``; names are resolved every ``resolve_s``;
    one that came up is given its full share after ``slow_start_s``."""

    probe_s: float = 5.0
    probe_timeout_s: float = 10.0
    resolve_s: float = 30.0
    slow_start_s: float = 30.0


class Notes(Protocol):
    """Who is told of replicas, for metrics."""

    def stands(
        self, replica: str, *, up: bool, breaker: State, streams: int, reserved_tokens: int
    ) -> None: ...

    def left(self, replica: str) -> None: ...

    def moved(self, why: str) -> None: ...


class Unnoted:
    """Nobody is told."""

    def stands(self, replica: str, **told: Any) -> None: ...

    def left(self, replica: str) -> None: ...

    def moved(self, why: str) -> None: ...


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The members of a pool and the tasks that look after them.

    came_up: told the name of a replica that answers again; what it had cached may be gone.
    """

    card: Card
    roster: Roster
    build: Callable[[Endpoint], Replica]
    rhythm: Rhythm = field(default_factory=Rhythm)
    clock: Clock = field(default_factory=Clock)
    notes: Notes = field(default_factory=Unnoted)
    came_up: Callable[[str], None] = lambda name: None
    members: dict[Endpoint, Member] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        self._run(self._follow_names())

    async def stop(self) -> None:
        """Leaves every replica; what they write ends."""
        await end(*self._tasks)

    def _run(self, work: Any) -> None:
        task = asyncio.create_task(work, name="replica")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def change(self, within_s: float) -> None:
        """Waits until something has changed about a member, for so long at most."""
        waits = [
            asyncio.create_task(self._changed.wait()),
            asyncio.create_task(self.clock.sleep(within_s)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*waits)

    def tell(self, member: Member) -> None:
        """Something about a member has changed."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        now_s = self.clock.monotonic()
        self.notes.stands(
            member.name,
            up=member.serves(now_s),
            breaker=member.breaker.state(now_s),
            streams=member.num_streams,
            reserved_tokens=member.reserved_tokens,
        )

    async def _follow_names(self) -> None:
        while True:
            await self.refresh()
            await self.clock.sleep(self.rhythm.resolve_s)

    async def refresh(self) -> None:
        """Resolves the names: who is new joins, who is no longer there takes nothing new."""
        wanted = await self.roster.endpoints()
        for endpoint in wanted:
            if endpoint not in self.members:
                self._join(endpoint)
        for endpoint, member in self.members.items():
            if member.leaving is (endpoint in wanted):
                member.leaving = not member.leaving
                logger.info(
                    "replica leaves" if member.leaving else "replica stays",
                    extra={"replica": member.name, "streams": member.num_streams},
                )
                member.kick.set()
                self.tell(member)

    def _join(self, endpoint: Endpoint) -> None:
        logger.info("replica joins", extra={"replica": endpoint.name})
        member = Member(endpoint=endpoint, window_tokens=self.card.window_tokens, breaker=Breaker())
        self.members[endpoint] = member
        self.tell(member)
        self._run(self._tend(member))

    async def _tend(self, member: Member) -> None:
        """A member's whole life here: entered, asked, entered again if it died, left."""
        try:
            while not member.gone:
                try:
                    async with self.build(member.endpoint) as engine:
                        await self._look_after(member, engine)
                except EngineUnavailable as error:
                    self._down(member, error.message)
                except Exception:
                    # The top of this task: nobody else would ever see it.
                    logger.exception("replica failed", extra={"replica": member.name})
                    self._down(member, _UNFORESEEN)
                if not member.gone:
                    await self._pause(member)
        finally:
            del self.members[member.endpoint]
            self.notes.left(member.name)

    async def _look_after(self, member: Member, engine: Replica) -> None:
        """Asks an entered replica how it is, until it dies or is to be left."""
        watching = asyncio.create_task(engine.watch())
        member.engine = engine
        try:
            while not member.gone:
                if not member.leaving:
                    await self._ask(member, engine)
                await self._pause(member, watching)
                if watching.done():
                    raise EngineDied(watching.result())
        finally:
            member.engine = None
            await end(watching)

    async def _ask(self, member: Member, engine: Replica) -> None:
        try:
            async with asyncio.timeout(self.rhythm.probe_timeout_s):
                await engine.health()
                with suppress(EngineUnavailable):
                    # It answers; how busy it is may be known from the time before.
                    member.load = await engine.load()
        except EngineUnavailable as error:
            self._down(member, error.message)
        except TimeoutError:
            self._down(member, f"no answer within {self.rhythm.probe_timeout_s:g} s")
        else:
            why = self._misfit(engine.card)
            self._down(member, why) if why else self._up(member)

    def _misfit(self, card: Card) -> str:
        """Why a replica cannot serve what this pool promises; empty where it can."""
        if card.model != self.card.model:
            return f"it serves {card.model!r}, not {self.card.model!r}"
        if card.window_tokens < self.card.window_tokens:
            return (
                f"its window of {card.window_tokens} tokens is smaller than the "
                f"{self.card.window_tokens} served here; see max_model_len"
            )
        return ""

    def _up(self, member: Member) -> None:
        member.num_ups += 1
        if not member.up:
            member.up, member.num_downs, member.reason = True, 0, ""
            member.since_s = self.clock.monotonic()
            self.came_up(member.name)
            logger.info("replica is up", extra={"replica": member.name})
        self.tell(member)

    def _down(self, member: Member, why: str) -> None:
        if member.up or member.reason != why:
            logger.warning("replica is down", extra={"replica": member.name, "reason": why})
        member.up, member.reason = False, why
        member.num_downs += 1
        self.tell(member)

    async def _pause(self, member: Member, *others: asyncio.Task[Any]) -> None:
        """Until there is something to do about a member, or another task is over."""
        kicked = asyncio.create_task(member.kick.wait())
        waits: list[asyncio.Task[Any]] = [kicked]
        if not member.leaving:
            due_s = member.due_s(self.clock.monotonic(), self.rhythm.probe_s)
            waits.append(asyncio.create_task(self.clock.sleep(due_s)))
        try:
            await asyncio.wait([*waits, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*waits)
        member.kick.clear()
        self.tell(member)
