"""Admission: tickets to requests, one at a time, and refusals. It must not know what a draft is.

A ticket is taken before a request is planned, so that a full server plans nothing, and states its
claim afterwards. The rules are the ledger's and the queue's; here are the waiting and the clock.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from server.admission.claim import Claim
from server.admission.drain import retry_after_s
from server.admission.estimate import Lengths
from server.admission.ledger import Ledger
from server.admission.queue import Waiter, due
from server.errors import EngineUnavailable, LonghandError, Overloaded, RateLimited


@dataclass(eq=False, slots=True)
class Ticket:
    """A request's way to its places. Release it once, whether or not it was granted.

    drafts: how many places it has or wants; fewer as drafts stop.
    """

    drafts: int
    caller: str
    _admission: "Admission"
    _waiter: Waiter | None = None
    _granted: asyncio.Event = field(default_factory=asyncio.Event)
    _released: bool = False

    def claim(self, claim: Claim, priority: int = 0) -> None:
        """States what it takes, now that it is planned; granted at once where there is room.

        Raises:
            Overloaded: there is neither that room nor a place in the queue any more.
        """
        if not self._released:
            self._waiter = self._admission.ask(self, claim, priority)

    async def granted(self, timeout_s: float | None) -> bool:
        """Whether the places are there, waiting at most ``timeout_s`` for them; None: no end."""
        if not self._granted.is_set():
            waiting = asyncio.create_task(self._granted.wait())
            try:
                await asyncio.wait([waiting], timeout=timeout_s)
            finally:
                waiting.cancel()
        return self._granted.is_set()

    def wrote(self, index: int, tokens: int) -> None:
        """The ``index``-th draft has so many tokens now."""
        if self._waiter is not None and self.is_granted and not self._released:
            self._admission.ledger.wrote(self._waiter, index, tokens)

    def give_back(self, index: int, took_tokens: int | None) -> None:
        """The place of a draft that has stopped is free; the last one stays to the end.

        took_tokens: what it took to its end; None for one that was not finished.
        """
        if self._waiter is not None and self.is_granted and not self._released:
            self._admission.stop(self, self._waiter, index, took_tokens)

    def release(self) -> None:
        """Gives everything back; a second call does nothing."""
        if not self._released:
            self._released = True
            self._admission.leave(self, self._waiter)

    def grant(self) -> None:
        self._granted.set()

    @property
    def is_granted(self) -> bool:
        return self._granted.is_set()

    @property
    def position(self) -> int | None:
        """1 for the next in the queue; None for one that does not wait."""
        if self._waiter is None or self.is_granted or self._released:
            return None
        return self._admission.position(self._waiter)


@dataclass(slots=True, kw_only=True)
class Admission:
    """Room for ``max_running`` drafts that fit the KV cache, and a queue for ``max_queued`` more.

    retry_after_s: the advice to those refused while no rate was measured.
    max_per_caller: drafts of one caller, running or queued; None for one without such a limit.
    shares_queue: which callers may wait with as many drafts only as the queue has places left, so
    that one alone fills half of it (Choudhury, Hahne, IEEE/ACM Trans. Networking 6(2), 1998, with a
    factor of 1): those that are somebody.
    capacity_tokens: what the KV cache holds; None where that is not known.
    """

    max_running: int
    max_queued: int
    retry_after_s: int
    max_per_caller: Callable[[str], int | None] = lambda _caller: None
    shares_queue: Callable[[str], bool] = lambda _caller: False
    capacity_tokens: Callable[[], int | None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    lengths: Lengths = field(default_factory=Lengths)
    ledger: Ledger = field(init=False)
    closed: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    _planned: int = 0
    _by_caller: Counter[str] = field(default_factory=Counter)
    _not_taken_by_caller: Counter[str] = field(default_factory=Counter)
    _waiting: dict[Waiter, Ticket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(max_running=self.max_running)

    @property
    def running(self) -> int:
        """Drafts that have their places."""
        return self.ledger.running_drafts

    @property
    def queued(self) -> int:
        """Drafts that wait."""
        return self.ledger.queue.drafts

    @property
    def rate(self) -> float | None:
        """Tokens of claims given back a second; None while nothing was measured."""
        return self.ledger.drain.rate(self.clock())

    def enter(self, drafts: int, caller: str) -> Ticket:
        """A ticket for a request that is to be planned.

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
        # What is being planned comes before it, and may need what is free.
        free = 0 if self.queued else self.max_running - self.running
        self._planned += drafts
        self._by_caller[caller] += drafts
        self._not_taken_by_caller[caller] += drafts
        ticket = Ticket(drafts, caller, self)
        try:
            self._check_queue(ticket, self.queued + max(0, self._planned - free))
        except LonghandError:
            ticket.release()
            raise
        return ticket

    def _check_share(self, drafts: int, caller: str) -> None:
        under_way, most = self._by_caller[caller], self.max_per_caller(caller)
        if most is not None and under_way + drafts > most:
            raise RateLimited(
                f"this key has {under_way} drafts under way and may have {most}",
                retry_after_s=self._advice_s(self._each_tokens(under_way)),
            )

    def _check_queue(self, ticket: Ticket, queued: int) -> None:
        """Raises if so many drafts cannot wait, the ticket's among them."""
        if not queued:
            return
        ahead_tokens = self.ledger.queue.tokens or self._each_tokens(self.running)
        if queued > self.max_queued:
            raise Overloaded(
                f"{self.running} drafts are being written and {self.queued} wait; the limits are "
                f"{self.max_running} and {self.max_queued}",
                retry_after_s=self._advice_s(ahead_tokens),
            )
        own, left = self._not_taken_by_caller[ticket.caller], self.max_queued - queued
        if own > left + ticket.drafts and self.shares_queue(ticket.caller):
            raise RateLimited(
                f"this key would have {own} drafts waiting, and the queue is left {left} places, "
                "which are kept for other keys",
                retry_after_s=self._advice_s(ahead_tokens),
            )

    def _each_tokens(self, drafts: int) -> float:
        """What is given back until one of so many drafts ends: all that is reserved is within the
        time that a draft takes (Little's law), and they end one after the other.

        Worked number: 60,000 tokens reserved: until one of 4 drafts has ended 15,000.
        """
        return self.ledger.reserved_tokens / max(1, drafts)

    def _advice_s(self, ahead_tokens: float) -> int:
        return retry_after_s(ahead_tokens, self.rate, unknown_s=self.retry_after_s)

    def ask(self, ticket: Ticket, claim: Claim, priority: int) -> Waiter:
        """What ``Ticket.claim`` calls."""
        waiter = Waiter(claim=claim, caller=ticket.caller, due_s=due(self.clock(), priority))
        self._planned -= ticket.drafts
        self._waiting[waiter] = ticket
        self.ledger.queue.join(waiter)
        self._take_turns()
        try:
            self._check_queue(ticket, 0 if ticket.is_granted else self.queued)
        except LonghandError:
            self._planned += ticket.drafts
            del self._waiting[waiter]
            self.ledger.queue.leave(waiter)
            raise
        return waiter

    def position(self, waiter: Waiter) -> int:
        """1 for the next."""
        return 1 + self.ledger.queue.line(self.clock()).index(waiter)

    def close(self) -> None:
        """Takes nothing more on; ``idle`` is set once what was taken on has ended."""
        self.closed = True
        self._take_turns()

    def stop(self, ticket: Ticket, waiter: Waiter, index: int, took_tokens: int | None) -> None:
        """What ``Ticket.give_back`` calls."""
        if took_tokens is not None and waiter.claim.is_guess:
            self.lengths.add(took_tokens)
        if self.ledger.stop(waiter, index, self.clock()):
            ticket.drafts -= 1
            self._by_caller[ticket.caller] -= 1
            self._take_turns()

    def leave(self, ticket: Ticket, waiter: Waiter | None) -> None:
        """What ``Ticket.release`` calls."""
        _less(self._by_caller, ticket)
        if waiter is None:
            self._planned -= ticket.drafts
        elif ticket.is_granted:
            self.ledger.leave(waiter, self.clock())
        else:
            del self._waiting[waiter]
            self.ledger.queue.leave(waiter)
        if not ticket.is_granted:
            _less(self._not_taken_by_caller, ticket)
        self._take_turns()

    def _take_turns(self) -> None:
        for waiter in self.ledger.take_turns(self.clock(), self.capacity_tokens()):
            ticket = self._waiting.pop(waiter)
            _less(self._not_taken_by_caller, ticket)
            ticket.grant()
        if self.closed and not (self.running or self._planned or self._waiting):
            self.idle.set()


def _less(counted: Counter[str], ticket: Ticket) -> None:
    counted[ticket.caller] -= ticket.drafts
    if not counted[ticket.caller]:
        del counted[ticket.caller]
