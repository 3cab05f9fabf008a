"""Writes one live draft to its end: from its start, or on from its tape. It keeps no list of them.

It must not know requests, keys or wire formats; ``restore`` makes work of a stored request again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from server.answer import Answerer, Commission
from server.best_of import ROOM_FOR_ALL, Room
from server.drafts import entries
from server.drafts.entries import Kept
from server.drafts.live import Live
from server.drafts.output import Known
from server.drafts.replay import Diverged, TapedEngine
from server.drafts.report import ending, packed
from server.drafts.store import Kind, Record, State, Store
from server.engine.supervised import Supervised
from server.errors import (
    UNEXPECTED,
    EngineUnavailable,
    Internal,
    LeaseLost,
    LonghandError,
    Overloaded,
    RateLimited,
    StoreUnavailable,
)
from server.events import Choice
from server.tasks import end

logger = logging.getLogger(__name__)

# A draft that kills its engine whenever it is carried on must not do so for ever.
_MAX_IDLE_RESUMES = 8
_RETRY_S = 0.25
_PATIENCE_S = 30.0


class Claim(Protocol):
    """A draft's claim to its places among others."""

    async def granted(self) -> None:
        """Returns once the places are there."""
        ...

    def release(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Work that can begin."""

    commission: Commission
    claim: Claim
    room: Room = ROOM_FOR_ALL


Restore = Callable[[Record], Awaitable[Accepted]]
Observe = Callable[[AsyncGenerator[Choice, None], int], AsyncGenerator[Choice, None]]
Ends = tuple[State, LonghandError | None]


class Unfit(Exception):
    """The draft cannot be carried on here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """How drafts of one server are written.

    restore: makes work of a stored record, by its kind. observe: counts events; it is given the
    prompt's tokens too. carried_on: told when a draft goes on that was interrupted. ended: told how
    each ended here.
    """

    store: Store
    engine: Supervised
    answerer: Answerer
    restore: Mapping[Kind, Restore]
    observe: Observe
    carried_on: Callable[[], None] = lambda: None
    ended: Callable[[State], None] = lambda _state: None

    async def run(self, live: Live, accepted: Accepted | None) -> None:
        """To where nothing more comes of it here. ``accepted`` None: on from what is stored."""
        try:
            ends = await self._run(live, accepted)
        finally:
            if accepted is not None:
                # It may have been stopped before it began.
                accepted.claim.release()
        await live.settled()
        if live.is_sealed and live.stopped is not None:
            # It was written, but not stored to its end: so it has not ended.
            ends = live.stopped
        await self._close(live, *ends)

    async def _run(self, live: Live, accepted: Accepted | None) -> Ends:
        while live.stopped is None:
            live.writing = asyncio.create_task(self._write(live, accepted))
            try:
                await asyncio.wait([live.writing])
            finally:
                await end(live.writing)
            ends = self._ends(live, live.writing)
            if ends is not None:
                return ends
            accepted = None
            await asyncio.sleep(_RETRY_S)
        return live.stopped

    async def _write(self, live: Live, accepted: Accepted | None) -> None:
        kept = Kept()
        if accepted is None:
            await self._engine_ready()
            kept = entries.kept(await self._stored(live))
            if len(kept.output.ended()) == live.meta.get("choices"):
                # All was said; only that it is over was not stored yet.
                return
            if kept.tape.idle_resumes >= _MAX_IDLE_RESUMES:
                raise Unfit(f"it was carried on {kept.tape.idle_resumes} times without a word")
            accepted = await self._restored(live)
            self.carried_on()
        try:
            await accepted.claim.granted()
            await self._begin(live, accepted.commission)
            async with aclosing(self._choices(live, accepted, kept)) as choices:
                async for choice in choices:
                    live.add(choice)
        finally:
            accepted.claim.release()

    async def _stored(self, live: Live) -> tuple[bytes, ...]:
        await live.settled()
        if not live.durable:
            raise Unfit("its log was not stored")
        return await self.store.entries(live.id)

    async def _begin(self, live: Live, commission: Commission) -> None:
        live.state = State.WRITING
        live.meta["choices"] = commission.choices
        live.meta["prompt_tokens"] = commission.prompt_tokens
        if live.durable:
            try:
                await self.store.update(live.id, state=State.WRITING, meta=packed(live.meta))
            except StoreUnavailable:
                # The first commit will tell.
                logger.warning("a draft's state was not stored")

    def _choices(self, live: Live, accepted: Accepted, kept: Kept) -> AsyncGenerator[Choice, None]:
        commission = accepted.commission
        engine = TapedEngine(
            engine=self.engine,
            indexes={job.id: index for index, job in enumerate(commission.jobs)},
            notes=live,
            tape=kept.tape.stretches,
        )
        written = replace(self.answerer, engine=engine).write(commission, accepted.room)
        if not kept.output.choices():
            return self.observe(written, commission.prompt_tokens)
        return self.observe(_new(written, Known.of(kept.output.choices())), 0)

    async def _engine_ready(self) -> None:
        """Returns once there is an engine.

        Raises:
            EngineUnavailable: there will be none any more.
        """
        ready = asyncio.create_task(self.engine.ready.wait())
        failed = asyncio.create_task(self.engine.failed.wait())
        try:
            await asyncio.wait([ready, failed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(ready, failed)
        if not self.engine.ready.is_set():
            raise EngineUnavailable(self.engine.reason)

    async def _restored(self, live: Live) -> Accepted:
        """The work of a stored record, once there is a place in the queue for it."""
        while True:
            try:
                return await self.restore[live.record.kind](live.as_record())
            except (Overloaded, RateLimited):
                await asyncio.sleep(_RETRY_S)

    def _ends(self, live: Live, writing: asyncio.Task[None]) -> Ends | None:
        """How the draft stands after a try to write it; None: it is to be carried on here."""
        if writing.cancelled():
            return live.stopped or (State.INTERRUPTED, None)
        error = writing.exception()
        match error:
            case None:
                return State.FINISHED, None
            case EngineUnavailable() if not live.durable:
                return State.FAILED, error
            case EngineUnavailable() if self.engine.failed.is_set():
                return State.INTERRUPTED, error
            case EngineUnavailable():
                return None
            case StoreUnavailable():
                return State.INTERRUPTED, error
            case LonghandError():
                return State.FAILED, error
            case Diverged() | Unfit():
                message = f"this draft cannot be carried on by this server: {error}"
                return State.FAILED, Internal(message, code="draft_not_carried_on")
        logger.error("a draft failed", extra={"draft": live.id}, exc_info=error)
        return State.FAILED, Internal(UNEXPECTED)

    async def _close(self, live: Live, state: State, error: LonghandError | None) -> None:
        live.meta = ending(live.meta, live.output, error if state.over else None)
        try:
            if live.durable and not live.is_lost:
                await self._store_end(live, state)
        except LeaseLost:
            live.is_lost = True
        except StoreUnavailable as away:
            # Its entries are there: it is found and ended when the store is back.
            logger.error("the end of a draft was not stored", extra={"reason": away.message})
        live.close(state, error)
        self.ended(state)
        logger.info("a kept draft ended", extra={"draft": live.id, "state": state.value})

    async def _store_end(self, live: Live, state: State) -> None:
        meta = packed(live.meta)
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                if state.over:
                    whole = entries.whole(live.output)
                    await self.store.end(live.id, state=state, meta=meta, whole=whole)
                else:
                    await self.store.update(live.id, state=state, meta=meta)
                return
            except StoreUnavailable:
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(_RETRY_S)


async def _new(choices: AsyncGenerator[Choice, None], known: Known) -> AsyncGenerator[Choice, None]:
    """The events that were not shown before."""
    async with aclosing(choices):
        async for choice in choices:
            new = known.new(choice)
            if new is not None:
                yield new
