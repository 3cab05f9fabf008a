"""Keeps the drafts of this server held, takes those that nobody holds, deletes old ones.

It must not write a draft; ``carry_on`` does.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.drafts.entries import kept
from server.drafts.live import Live
from server.drafts.output import Output
from server.drafts.report import unpacked
from server.drafts.store import Record, State, Store, now_s
from server.errors import StoreUnavailable

logger = logging.getLogger(__name__)

_MAX_CLAIMED = 256


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


@dataclass(slots=True, kw_only=True)
class Tending:
    """One process's share in a store. lives: what is written here, by id.

    carry_on: given a draft that nobody wrote, and what it had shown. model: the served one; drafts
    of another are left for a gateway that has it. on_mark, on_evict: told how many drafts were
    left interrupted, and how many were deleted for their age or for room.
    trouble: why the store could not be opened; "" once it is.
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

    async def open(self) -> None:
        """Opens the store and claims for the first time, if the store is there."""
        try:
            await self.store.open()
            self.trouble = ""
            await self._claim()
        except StoreUnavailable as error:
            # It is tried again every few seconds: said once, it is on the health page meanwhile.
            if error.message != self.trouble:
                logger.error("drafts cannot be stored", extra={"reason": error.message})
            self.trouble = error.message

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
        try:
            await self._renew()
            await self._claim()
            await self._evict()
        except StoreUnavailable as error:
            logger.warning("drafts cannot be tended", extra={"reason": error.message})

    async def _renew(self) -> None:
        held = [live.id for live in self.lives.values() if live.durable]
        still = await self.store.renew(held, self.holder, self.policy.lease_s) if held else ()
        for draft_id in set(held) - set(still):
            live = self.lives.get(draft_id)
            if live is not None and not live.is_closed:
                live.lose()

    async def _claim(self) -> None:
        records = await self.store.claim(
            self.holder, self.policy.lease_s, _MAX_CLAIMED, interrupted=self.policy.carry_on
        )
        for record in records:
            if record.id in self.lives:
                continue
            if not self.policy.carry_on or unpacked(record.meta).get("model") != self.model:
                await self.store.update(record.id, state=State.INTERRUPTED)
                continue
            self.carry_on(record, await self._shown(record))

    async def _shown(self, record: Record) -> Output:
        """What its readers can have while the engine still loads."""
        try:
            return kept(await self.store.entries(record.id)).output
        except (ValueError, LookupError, TypeError, StoreUnavailable):
            # It will fail, or be let go, when it is to be carried on, and its readers be told.
            logger.exception("the log of a draft cannot be read", extra={"draft": record.id})
            return Output()

    async def _evict(self) -> None:
        if time.monotonic() >= self._next_eviction_s:
            self._next_eviction_s = time.monotonic() + self.policy.evict_every_s
            self.on_evict(await self.store.evict(now_s=now_s(), max_bytes=self.policy.max_bytes))
