"""How much is taken on: bodies by size, drafts by number. It must not know what a draft is."""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import EngineUnavailable, Overloaded, RateLimited


class BodyLimit:
    """Answers 413 to a body over ``max_bytes``, by its declared length or else by count."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        over = declared.isdigit() and int(declared) > self._max_bytes
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if over or received > self._max_bytes:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the body is over the limit of {self._max_bytes} bytes",
                )
            return message

        await self._app(scope, counted, send)


@dataclass(eq=False, slots=True)
class Ticket:
    """A request's claim to ``drafts`` places. Release it once, whether or not it was granted."""

    drafts: int
    caller: str
    _admission: "Admission"
    _granted: asyncio.Event = field(default_factory=asyncio.Event)
    _released: bool = False

    async def granted(self, timeout_s: float | None) -> bool:
        """Whether the places are there, waiting at most ``timeout_s`` for them; None: no end."""
        if not self._granted.is_set():
            waiting = asyncio.create_task(self._granted.wait())
            try:
                await asyncio.wait([waiting], timeout=timeout_s)
            finally:
                waiting.cancel()
        return self._granted.is_set()

    def release(self) -> None:
        """Gives the places back; a second call does nothing."""
        if not self._released:
            self._released = True
            self._admission.leave(self)

    def give_back(self) -> None:
        """Gives one place back for a draft that has stopped; the last one stays to the end."""
        if self.drafts > 1 and self.is_granted and not self._released:
            self.drafts -= 1
            self._admission.leave_one(self)

    def grant(self) -> None:
        self._granted.set()

    @property
    def is_granted(self) -> bool:
        return self._granted.is_set()


@dataclass(slots=True)
class Admission:
    """Places for ``max_running`` drafts and a queue for ``max_queued`` more, first come first
    served. A request that needs several places waits until it can have them all.

    max_per_caller: drafts of one caller, running or queued; None for no such limit.
    """

    max_running: int
    max_queued: int
    retry_after_s: int
    max_per_caller: int | None = None
    running: int = 0
    closed: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: deque[Ticket] = field(default_factory=deque)
    _by_caller: Counter[str] = field(default_factory=Counter)

    @property
    def queued(self) -> int:
        """Drafts that wait."""
        return sum(ticket.drafts for ticket in self._waiting)

    def enter(self, drafts: int, caller: str) -> Ticket:
        """A ticket, granted at once where there is room.

        Raises:
            RateLimited: the caller's own share is used up.
            Overloaded: neither a place nor a place in the queue is left.
            EngineUnavailable: the server is shutting down.
        """
        if self.closed:
            raise EngineUnavailable("the server is shutting down", retry_after_s=1)
        # Such a ticket would never be granted, nor any behind it; the routes refuse it.
        assert drafts <= self.max_running
        self._check_share(drafts, caller)
        ticket = Ticket(drafts, caller, self)
        room = not self._waiting and self.running + drafts <= self.max_running
        if not room and self.queued + drafts > self.max_queued:
            raise Overloaded(
                f"{self.running} drafts are being written and {self.queued} wait; the limits are "
                f"{self.max_running} and {self.max_queued}",
                retry_after_s=self.retry_after_s,
            )
        self._by_caller[caller] += drafts
        self._waiting.append(ticket)
        self._grant()
        return ticket

    def _check_share(self, drafts: int, caller: str) -> None:
        under_way = self._by_caller[caller]
        if self.max_per_caller is not None and under_way + drafts > self.max_per_caller:
            raise RateLimited(
                f"this key has {under_way} drafts under way and may have {self.max_per_caller}",
                retry_after_s=self.retry_after_s,
            )

    def close(self) -> None:
        """Takes nothing more on; ``idle`` is set once what was taken on has ended."""
        self.closed = True
        self._grant()

    def leave(self, ticket: Ticket) -> None:
        """What ``Ticket.release`` calls."""
        self._by_caller[ticket.caller] -= ticket.drafts
        if not self._by_caller[ticket.caller]:
            del self._by_caller[ticket.caller]
        if ticket.is_granted:
            self.running -= ticket.drafts
        else:
            self._waiting.remove(ticket)
        self._grant()

    def leave_one(self, ticket: Ticket) -> None:
        """What ``Ticket.give_back`` calls."""
        self._by_caller[ticket.caller] -= 1
        self.running -= 1
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self.running + self._waiting[0].drafts <= self.max_running:
            ticket = self._waiting.popleft()
            self.running += ticket.drafts
            ticket.grant()
        if self.closed and not self.running and not self._waiting:
            self.idle.set()
