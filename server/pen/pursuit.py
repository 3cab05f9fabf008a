"""Has a draft written and follows it to its end, over broken connections. It must show nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from server.pen.client import Client, Stream
from server.pen.events import (
    CANCELLED,
    FAILED,
    INTERRUPTED,
    OVER,
    Channel,
    Delta,
    Ended,
    Event,
    Fault,
    Standings,
)
from server.pen.outcomes import Broken, Failed, Lost, Refused, Unfinished
from server.pen.patience import Patience
from server.pen.transcript import Gap, Transcript

# A connection that held so long was one, even if nothing was said on it.
_HELD_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The server answers. ``draft_id`` is None where it does not keep the draft."""

    draft_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """New text of the draft, every character of it once."""

    channel: Channel
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The connection is gone; the next try comes after ``wait_s`` seconds."""

    why: str
    wait_s: float


News = Connected | Said | Standings | Waiting


@dataclass(slots=True, kw_only=True)
class Pursuit:
    """One draft, asked for with ``body`` or followed by ``draft_id``, and what came of it so far.

    is_stored: whether ``body`` asks the server to keep the draft; then a request whose answer was
    lost is sent again with the same idempotency key. carries_on: whether a draft that was left
    interrupted is to be carried on.
    """

    body: Mapping[str, Any] = field(default_factory=dict)
    is_stored: bool = True
    carries_on: bool = False
    draft_id: str | None = None
    transcript: Transcript = field(default_factory=Transcript)
    patience: Patience = field(default_factory=Patience)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    num_breaks: int = 0
    has_begun: bool = False
    _idempotency_key: str = field(default_factory=lambda: uuid4().hex)

    async def follow(self, client: Client, hear: Callable[[News], None]) -> Ended:
        """Stays until the draft is over. May be cancelled, and called again, at any point.

        Raises:
            Failed: the server could not write it to its end.
            Lost: the connection broke, and there is no way or no more patience to mend it.
            Refused: the server does not want it.
            Unfinished: the server keeps it as it is, and it is not to be carried on.
        """
        while True:
            try:
                return await self._attempt(client, hear)
            except (Broken, Gap) as error:
                why, wait_s = str(error), self._wait_after(error)
            except Refused as error:
                why, wait_s = str(error), self._wait_after_refusal(error)
            self.num_breaks += 1
            hear(Waiting(why=why, wait_s=wait_s))
            await self.sleep(wait_s)

    async def _attempt(self, client: Client, hear: Callable[[News], None]) -> Ended:
        """One connection, until it or the draft ends."""
        since_s = self.clock()
        try:
            async with self._opened(client) as stream:
                if not self.has_begun:
                    self.has_begun = True
                    self.draft_id = self.draft_id or stream.draft_id
                hear(Connected(draft_id=self.draft_id))
                async with aclosing(stream.events()) as events:
                    async for event in events:
                        ended = await self._heard(client, event, hear)
                        if ended is not None:
                            return ended
        finally:
            if self.clock() - since_s >= _HELD_S:
                self.patience.news()
        raise Broken("the connection ended before the draft did", sent=True)

    def _opened(self, client: Client) -> AbstractAsyncContextManager[Stream]:
        if self.draft_id is not None:
            return client.events(self.draft_id, self.transcript.position)
        return client.chat(self.body, self._idempotency_key if self.is_stored else None)

    async def _heard(
        self, client: Client, event: Event, hear: Callable[[News], None]
    ) -> Ended | None:
        match event:
            case Delta(channel=channel):
                before = self.transcript.position
                new = self.transcript.receive(event)
                if self.transcript.position > before:
                    self.patience.news()
                if new:
                    hear(Said(channel=channel, text=new))
            case Standings():
                hear(event)
            case Fault():
                return await self._judged(client, event)
            case Ended(state=state) if state == INTERRUPTED:
                await self._carry_on(client)
            case _:
                return _checked(event)
        return None

    async def _carry_on(self, client: Client) -> None:
        """
        Raises:
            Unfinished: the draft is not to be carried on.
            Broken: it is, and to be asked for again.
            Refused: it cannot be.
        """
        if self.draft_id is None or not self.carries_on:
            raise Unfinished("the draft was interrupted, and the server carries none on unasked")
        await client.resume(self.draft_id)
        raise Broken("the draft was interrupted; it is being carried on", sent=True)

    async def _judged(self, client: Client, fault: Fault) -> Ended:
        """Whether an error is the draft's end or only this connection's: a server that shuts down
        says so in an error event, too, and its drafts go on elsewhere."""
        if self.draft_id is None:
            raise Failed(fault.message)
        told = await client.draft(self.draft_id)
        match told.get("state"):
            case "failed":
                raise Failed(fault.message)
            case "cancelled":
                return Ended(state=CANCELLED)
            case _:
                raise Broken(fault.message, sent=True)

    def _wait_after(self, error: Broken | Gap) -> float:
        wait_s = self.patience.wait_s(self.clock())
        never_sent = isinstance(error, Broken) and not error.sent
        if wait_s is None or not (self.can_go_on or never_sent):
            raise Lost(str(error)) from None
        return wait_s

    @property
    def can_go_on(self) -> bool:
        """Whether asking again leads to the same draft and not to a second one."""
        return self.draft_id is not None or (self.is_stored and not self.has_begun)

    def _wait_after_refusal(self, error: Refused) -> float:
        # While it starts anew a server, or the proxy before it, may say anything of 5xx.
        follows = self.draft_id is not None and error.status >= 500
        if not (error.may_retry or follows):
            raise error
        wait_s = self.patience.wait_s(self.clock(), error.retry_after_s)
        if wait_s is None:
            raise Lost(str(error)) from None
        return wait_s


def _checked(ended: Ended) -> Ended:
    """
    Raises:
        Failed: that is how it ended.
        Broken: it has not ended; a server that starts anew may carry it on.
    """
    if ended.state == FAILED:
        raise Failed("the draft failed")
    if ended.state not in OVER:
        raise Broken(f"the draft is {ended.state or 'not over'}", sent=True)
    return ended
