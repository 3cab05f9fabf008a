"""Many replicas as one engine: picks one for each stream, and carries on where one fails.

It must not know how a replica is reached, nor what is written.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from types import TracebackType
from typing import Self

from server.engine.base import Card, End, Job, Passage, Piece
from server.engine.pool.affinity import Prefixes, marks_of
from server.engine.pool.fleet import Fleet
from server.engine.pool.member import Member, tokens_of
from server.engine.pool.picking import pick
from server.engine.pool.relay import Relay, why_of
from server.errors import EngineDied, EngineUnavailable

logger = logging.getLogger(__name__)

_RETRY_S = 10
_MAX_BUSY_S = 60


@dataclass(slots=True, kw_only=True)
class _Voyage:
    """One stream on its way over replicas. avoided: those that failed it, with how often they had
    answered a health check by then; where there is no other, one that has answered again may do.
    waited_s: how long it waited for a replica since it last heard text."""

    relay: Relay
    avoided: dict[Member, int] = field(default_factory=dict)
    waited_s: float = 0.0
    error: EngineUnavailable | None = None

    def among(self, members: Sequence[Member]) -> Sequence[Member]:
        """Those it may go to."""
        others = [member for member in members if member not in self.avoided]
        return others or [member for member in members if member.num_ups > self.avoided[member]]


@dataclass(slots=True, kw_only=True)
class _Seat:
    """A stream's place at a replica. heard: whether anything came from it."""

    heard: bool = False


@dataclass(slots=True, kw_only=True)
class Pool:
    """An engine over the replicas of a fleet.

    max_moves: how often one stream may be carried on elsewhere. wait_s: how long a stream waits for
    a replica to take it, all its waits since its last text together.
    """

    fleet: Fleet
    max_moves: int = 3
    wait_s: float = 120.0
    _prefixes: Prefixes = field(default_factory=Prefixes)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.fleet.came_up = self._prefixes.forget

    @property
    def card(self) -> Card:
        """The model, and what all replicas that serve now can hold together, if all say so."""
        now_s = self.fleet.clock.monotonic()
        members = self.fleet.members.values()
        held = [one.load.kv_capacity_tokens for one in members if one.serves(now_s)]
        return replace(
            self.fleet.card, kv_tokens=sum(filter(None, held)) if held and all(held) else None
        )

    async def __aenter__(self) -> Self:
        self.fleet.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self._left.set()
        await self.fleet.stop()

    async def watch(self) -> str:
        """Replicas come back, so only the end of the pool is its death."""
        await self._left.wait()
        return "the pool was closed"

    async def set_members(self, urls: Sequence[str]) -> None:
        """Other servers from now on. One that is no longer named takes nothing new and is left once
        its streams are at their end.

        Raises:
            CannotServe: one is no URL; nothing has changed.
        """
        self.fleet.roster.change(urls)
        await self.fleet.refresh()

    @property
    def why_not_ready(self) -> str:
        """What is wrong where no replica serves; empty while one does."""
        now_s = self.fleet.clock.monotonic()
        members = list(self.fleet.members.values())
        if any(member.serves(now_s) for member in members):
            return ""
        wrong = [f"{member.name}: {member.why_not()}" for member in members]
        wrong.extend(self.fleet.roster.faults.values())
        return f"no replica is ready: {'; '.join(wrong) or 'none is known yet'}"

    async def tokenize(self, text: str) -> Passage:
        """By any replica that can; the ones that are up first."""
        why, now_s = self.why_not_ready, self.fleet.clock.monotonic()
        members = sorted(self.fleet.members.values(), key=lambda one: not one.serves(now_s))
        for engine in [one.engine for one in members if one.engine is not None]:
            try:
                return await engine.tokenize(text)
            except EngineUnavailable as error:
                why = why or error.message
        raise EngineUnavailable(why, retry_after_s=_RETRY_S)

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        """As an engine's; one unbroken text, whoever writes it.

        Raises:
            EngineUnavailable: no replica takes it in time, or it has moved too often.
            BadRequest: as a replica's; never tried elsewhere.
        """
        relay = Relay(job=job, max_moves=self.max_moves)
        voyage = _Voyage(relay=relay)
        while True:
            attempt = relay.next_job()
            if isinstance(attempt, End):
                yield attempt
                return
            member = await self._found(voyage, attempt)
            assert member.engine is not None
            error: EngineUnavailable = EngineDied("a replica's stream broke off without an end")
            with self._seated(member, attempt) as seat:
                try:
                    async with aclosing(member.engine.stream(attempt)) as pieces:
                        async for piece in pieces:
                            if not seat.heard:
                                self._heard(member, seat, voyage)
                            if isinstance(piece, End):
                                yield relay.end(piece)
                                return
                            text, end = relay.take(piece)
                            yield text
                            if end is not None:
                                yield end
                                return
                except EngineUnavailable as failure:
                    error = failure
            self._failed(member, voyage, error)

    async def _found(self, voyage: _Voyage, job: Job) -> Member:
        """A replica for one more stretch of a stream; waits for one, for so long.

        Raises:
            EngineUnavailable: none takes it; what the last one said, else what is wrong.
        """
        while True:
            member = self._picked(voyage, job)
            if member is not None:
                return member
            left_s = self.wait_s - voyage.waited_s
            if left_s <= 0 or self._left.is_set() or not (_is_begun(voyage) or self._any_up()):
                raise voyage.error or EngineUnavailable(
                    self.why_not_ready or "all replicas are busy", retry_after_s=_RETRY_S
                )
            before_s = self.fleet.clock.monotonic()
            await self.fleet.change(left_s)
            voyage.waited_s += self.fleet.clock.monotonic() - before_s

    def _any_up(self) -> bool:
        return any(member.up and not member.leaving for member in self.fleet.members.values())

    def _picked(self, voyage: _Voyage, job: Job) -> Member | None:
        now_s = self.fleet.clock.monotonic()
        takers = [member for member in self.fleet.members.values() if member.takes(now_s)]
        able = {member.name: member for member in voyage.among(takers)}
        marks = marks_of(voyage.relay.job)
        slow_start_s = self.fleet.rhythm.slow_start_s
        standings = [member.standing(now_s, slow_start_s) for member in able.values()]
        name = pick(standings, tokens_of(job), self._prefixes.worth(marks))
        if name is None:
            return None
        self._prefixes.sent(marks, name)
        able[name].picked = next(self._numbers)
        return able[name]

    @contextmanager
    def _seated(self, member: Member, job: Job) -> Iterator[_Seat]:
        """Counts a stream at a replica for as long as it is there."""
        seat, tokens = _Seat(), tokens_of(job)
        member.breaker.began(self.fleet.clock.monotonic())
        member.num_streams += 1
        member.reserved_tokens += tokens
        self.fleet.tell(member)
        try:
            yield seat
        finally:
            member.num_streams -= 1
            member.reserved_tokens -= tokens
            if not seat.heard:
                member.breaker.left()
            if member.leaving:
                member.kick.set()
            self.fleet.tell(member)

    def _heard(self, member: Member, seat: _Seat, voyage: _Voyage) -> None:
        """The first piece of a replica's stream: it works."""
        seat.heard = True
        voyage.waited_s = 0.0
        member.breaker.succeeded()

    def _failed(self, member: Member, voyage: _Voyage, error: EngineUnavailable) -> None:
        """A replica could not go on.

        Raises:
            EngineUnavailable: nobody else may.
        """
        if self._left.is_set():
            raise error
        now_s = self.fleet.clock.monotonic()
        voyage.error = error
        member.kick.set()
        if voyage.relay.is_busy(error):
            member.busy_until_s = now_s + min(max(error.retry_after_s or 1, 1), _MAX_BUSY_S)
            return
        member.breaker.failed(now_s)
        voyage.avoided[member] = member.num_ups
        if not voyage.relay.move():
            raise error
        why = why_of(error)
        self.fleet.notes.moved(why)
        logger.warning(
            "stream moves",
            extra={
                "request_id": voyage.relay.job.id,
                "replica": member.name,
                "why": why,
                "moves": voyage.relay.moves,
                "written_tokens": voyage.relay.heard.num_tokens,
            },
        )


def _is_begun(voyage: _Voyage) -> bool:
    """Whether a draft would be lost; a new one may as well be refused at once."""
    job = voyage.relay.job
    return bool(job.written.num_tokens or voyage.relay.heard.parts)
