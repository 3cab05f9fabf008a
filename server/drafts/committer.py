"""One commit for what all live drafts added in a tick. It must not know what entries say."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from server.drafts.live import Live
from server.drafts.store import Entry, State, Store
from server.errors import StoreUnavailable
from server.events import Choice

logger = logging.getLogger(__name__)

# From the start of one commit to the start of the next at least; the first after a pause does not
# wait. A commit costs 0.1 ms of CPU and more whatever is in it.
_INTERVAL_S = 0.004
_RETRY_S = 0.25
_PATIENCE_S = 30.0

# (entries, bytes, seconds) of a commit; zero entries: it failed.
Committed = Callable[[int, int, float], None]


def _untold(_entries: int, _bytes: int, _seconds: float) -> None:
    """Nobody counts."""


def _uncounted() -> None:
    """Nobody counts."""


@dataclass(slots=True, kw_only=True)
class Committer:
    """Stores what live drafts add, and shows it only then.

    strict: whether drafts stop when the store stays away; else they go on without it, from then on
    not durable. on_unstored: told of each that does. trouble:
    why the store took nothing at the last try; "" if it did.
    """

    store: Store
    strict: bool = True
    on_commit: Committed = _untold
    on_unstored: Callable[[], None] = _uncounted
    trouble: str = ""
    _changed: list[Live] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, live: Live) -> None:
        """A draft has something to store; it says so once, until that is taken."""
        self._changed.append(live)
        self._news.set()

    async def run(self) -> None:
        """Commits for as long as it runs."""
        while True:
            await self._news.wait()
            # All that comes in this turn of the event loop goes together: an engine's step brings
            # all its streams at once.
            await asyncio.sleep(0)
            started = time.monotonic()
            self._news.clear()
            changed, self._changed = self._changed, []
            await self._commit(changed)
            await asyncio.sleep(max(0.0, started + _INTERVAL_S - time.monotonic()))

    async def _commit(self, changed: list[Live]) -> None:
        stored: list[tuple[Live, list[Choice]]] = []
        entries: list[Entry] = []
        for live in changed:
            body, shown = live.take()
            if body and live.durable:
                entries.append(Entry(draft_id=live.id, body=body))
            stored.append((live, shown))
        refused = await self._store(entries) if entries else frozenset[str]()
        for live, shown in stored:
            if refused is None and live.durable and self.strict:
                live.seal()
                live.stop(State.INTERRUPTED, StoreUnavailable(self.trouble))
            elif refused is not None and live.id in refused:
                live.lose()
            else:
                if refused is None and live.durable:
                    live.durable = False
                    self.unstored(live.id, self.trouble)
                live.publish(shown)

    def unstored(self, draft_id: str, reason: str) -> None:
        """A draft goes on that nothing will be stored of; its report says so, too."""
        self.on_unstored()
        logger.warning("a draft is not stored", extra={"draft": draft_id, "reason": reason})

    async def _store(self, entries: list[Entry]) -> frozenset[str] | None:
        """The drafts that took nothing; None where the store stayed away too long."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            started = time.monotonic()
            try:
                refused = await self.store.append(entries)
            except StoreUnavailable as error:
                self.trouble = error.message
                self.on_commit(0, 0, time.monotonic() - started)
                if not self.strict or time.monotonic() >= until:
                    return None
                await asyncio.sleep(_RETRY_S)
                continue
            self.trouble = ""
            size_bytes = sum(len(entry.body) for entry in entries)
            self.on_commit(len(entries), size_bytes, time.monotonic() - started)
            return frozenset(refused)
