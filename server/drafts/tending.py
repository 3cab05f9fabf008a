"""Keeps the drafts of this server held, takes those that nobody holds or that it is asked to take,
deletes old ones.

It must not write a draft; ``carry_on`` does.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from server.drafts.entries import Kept, kept, whole
from server.drafts.live import Live
from server.drafts.output import Output
from server.drafts.report import ending, packed, unpacked
from server.drafts.store import Record, State, Store, now_s
from server.errors import NotInterrupted, StoreUnavailable

logger = logging.getLogger(__name__)

_MAX_CLAIMED = 256
_DAMAGED = "store_damaged"
_SHUTTING_DOWN = "the server is shutting down; the draft is kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How drafts are kept. Times in seconds.

    carry_on: whether drafts found interrupted are carried on, or only marked. strict: whether a
    draft is refused that cannot be stored. lease_s: how long a gateway that is gone still holds
    its drafts.
    """

    max_bytes: int | None = None
    carry_on: bool = True
    strict: bool = True
    lease_s: float = 15.0
    evict_every_s: float = 60.0

    def farewell(self, draft_id: str, position: int) -> str:
        """What the readers of a draft are told that the end of the process leaves unfinished."""
        if not self.carry_on:
            return f"{_SHUTTING_DOWN}; POST /v1/drafts/{draft_id}/resume has it carried on"
        where = f"GET /v1/drafts/{draft_id}/events?after={position}"
        return f"{_SHUTTING_DOWN} and will be carried on: read on at {where}"


@dataclass(slots=True, kw_only=True)
class Tending:
    """One process's share in a store. lives: what is written here, by id.

    carry_on: given a draft that nobody wrote, and what it had shown. model: the served one; drafts
    of another are left for a gateway that has it. on_evict: told how many drafts were deleted for
    their age or for room. trouble: why the store could not be opened; "" once it is.
    """

    store: Store
    policy: Policy
    holder: str
    model: str
    lives: Mapping[str, Live]
    carry_on: Callable[[Record, Output], None]
    on_evict: Callable[[int], None]
    trouble: str = ""
    _next_eviction_s: float = 0.0
    # Held in the store, and neither written nor marked yet: the store went in between.
    _claimed: list[Record] = field(default_factory=list)

    async def open(self) -> None:
        """Opens the store and claims for the first time, if the store is there."""
        try:
            await self.store.open()
        except StoreUnavailable as error:
            # It is tried again every few seconds: said once, it is on the health page meanwhile.
            if error.message != self.trouble:
                logger.error("drafts cannot be stored", extra={"reason": error.message})
            self.trouble = error.message
            return
        self.trouble = ""
        await self._try(self._claim)

    async def run(self) -> None:
        """Tends the drafts for as long as it runs."""
        while True:
            await asyncio.sleep(self.policy.lease_s / 3)
            await self.tend()

    async def tend(self) -> None:
        """What is due now."""
        if self.trouble:
            await self.open()
            return
        await self._try(self._renew, self._claim, self._evict)

    async def _try(self, *dues: Callable[[], Awaitable[None]]) -> None:
        """One after the other, as long as the store is there."""
        try:
            for due in dues:
                await due()
        except StoreUnavailable as error:
            logger.warning("drafts cannot be tended", extra={"reason": error.message})

    async def _renew(self) -> None:
        held = [live.id for live in self.lives.values() if live.durable]
        held += [record.id for record in self._claimed]
        still = await self.store.renew(held, self.holder, self.policy.lease_s) if held else ()
        self._claimed = [record for record in self._claimed if record.id in still]
        for draft_id in set(held) - set(still):
            live = self.lives.get(draft_id)
            if live is not None and not live.is_closed:
                live.lose()

    async def _claim(self) -> None:
        found = await self.store.claim(
            self.holder, self.policy.lease_s, _MAX_CLAIMED, interrupted=self.policy.carry_on
        )
        waiting, self._claimed = [*self._claimed, *found], []
        for at, record in enumerate(waiting):
            try:
                await self._take_on(record)
            except StoreUnavailable as error:
                # It stays held, and is tried again at the next look.
                self._claimed.append(record)
                if error.code != _DAMAGED:
                    self._claimed += waiting[at + 1 :]
                    raise
                # Of this draft alone: the others are not to wait for it.
                logger.error("the log of a draft is damaged", extra={"draft": record.id})

    async def _take_on(self, record: Record) -> None:
        if record.id in self.lives:
            return
        if not self.policy.carry_on or not self._is_ours(record):
            await self.store.update(record.id, state=State.INTERRUPTED)
            return
        self.carry_on(record, await self._shown(record))

    def _is_ours(self, record: Record) -> bool:
        return bool(unpacked(record.meta).get("model") == self.model)

    async def _shown(self, record: Record) -> Output:
        """What its readers can have while the engine still loads."""
        found = Kept()
        try:
            for entry in await self.store.entries(record.id):
                found.take(entry)
        except (ValueError, LookupError, TypeError):
            # It will fail when it is to be carried on, with what could be read of it.
            logger.exception("the log of a draft cannot be read", extra={"draft": record.id})
        return found.output

    async def resume(self, record: Record) -> None:
        """Has a draft carried on that was left interrupted.

        Raises:
            NotInterrupted: it is being written, or over, or of another model.
        """
        if record.state is not State.INTERRUPTED or record.id in self.lives:
            raise NotInterrupted(f"this draft is {record.state}; only an interrupted one goes on")
        if not self._is_ours(record):
            raise NotInterrupted(f"this draft is of another model than {self.model!r}")
        taken = await self.store.take(record.id, self.holder, self.policy.lease_s)
        if taken is None:
            raise NotInterrupted("this draft is over")
        try:
            # So that no other gateway tells its readers that it is left.
            await self.store.update(record.id, state=State.QUEUED)
            output = await self._shown(taken)
        except StoreUnavailable:
            self._claimed.append(taken)
            raise
        self.carry_on(taken, output)

    async def cancel(self, draft_id: str) -> None:
        """Ends a draft that is not written here; one that is over stays as it is."""
        record = await self.store.take(draft_id, self.holder, self.policy.lease_s)
        if record is None:
            return
        found = kept(await self.store.entries(draft_id))
        meta = packed(ending(unpacked(record.meta), found.output, None))
        await self.store.end(draft_id, state=State.CANCELLED, meta=meta, whole=whole(found.output))

    async def _evict(self) -> None:
        if time.monotonic() >= self._next_eviction_s:
            self._next_eviction_s = time.monotonic() + self.policy.evict_every_s
            self.on_evict(await self.store.evict(now_s=now_s(), max_bytes=self.policy.max_bytes))
