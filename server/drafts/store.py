"""What a store of drafts keeps and promises. It must not know what a draft says, nor a backend."""

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """Where a draft stands. ``INTERRUPTED``: nobody writes it now; it can be carried on."""

    QUEUED = "queued"
    WRITING = "writing"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def over(self) -> bool:
        """Whether nothing will be added to the draft any more."""
        return self in (State.FINISHED, State.CANCELLED, State.FAILED)


def live_states(*, interrupted: bool = True) -> frozenset[State]:
    """Those of drafts that are not over, with or without the ones that nobody writes."""
    live = frozenset(state for state in State if not state.over)
    return live if interrupted else live - {State.INTERRUPTED}


class Kind(StrEnum):
    """By which door the request came."""

    CHAT = "chat"
    COMPLETION = "completion"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of a draft beside its text. Times are in seconds since 1970.

    owner: a hash of the API key, "" on an open server. request: the accepted body, for recovery;
    empty in what ``Store.list`` returns. meta: JSON, what the route tells of the draft.
    idempotency: a hash of owner and Idempotency-Key. body_hash: of the body that came with it.
    expires_s: from when on it may be evicted. size_bytes: what it takes in the store, set there;
    0 of a live draft counts nothing of its log.
    """

    id: str
    owner: str
    kind: Kind
    state: State
    created_s: float
    updated_s: float
    expires_s: float | None
    request: bytes
    meta: bytes = b"{}"
    idempotency: str | None = None
    body_hash: str | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one tick added to one draft. ``body`` is opaque to stores and never empty."""

    draft_id: str
    body: bytes


class Store(Protocol):
    """Where drafts are kept. Every method raises ``StoreUnavailable`` where the store cannot.

    A draft that is not over has at most one holder: whoever created, claimed or took it, through
    this object. Only the holder adds to it, so a gateway that was taken for dead and wakes up
    writes nothing into what another one carries on (Kleppmann 2016, "How to do distributed
    locking": a lease needs a fence).
    """

    async def open(self) -> None:
        """Makes the store ready, old data brought to this version's form."""
        ...

    async def close(self) -> None:
        """Lets go of files and connections; drafts held stay as they are. Never raises."""
        ...

    async def create(self, record: Record, holder: str, lease_s: float) -> Record:
        """The record that is there now: another one, if the idempotency hash is taken."""
        ...

    async def append(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        """One commit: on return all is stored, or nothing was on an error.

        Returns the ids of drafts that took nothing because they are over or gone, or because
        nobody holds them through this object. One draft may come several times, in its order.
        """
        ...

    async def update(
        self, draft_id: str, *, state: State | None = None, meta: bytes | None = None
    ) -> None:
        """Changes a record, over or not, if it is there. ``INTERRUPTED`` gives up its lease.

        ``state`` is one that is not over (``end`` is for those), and is ignored where the draft
        is over or held by another.
        """
        ...

    async def end(self, draft_id: str, *, state: State, meta: bytes, whole: bytes) -> None:
        """The draft is over. ``whole``: all of its output, which the store compresses.

        Its entries go. Raises ``LeaseLost``, with nothing changed, where the draft is over already
        or gone or another one holds it.
        """
        ...

    async def get(self, draft_id: str) -> Record | None: ...

    async def list(
        self, owner: str, *, limit: int, before: str | None = None
    ) -> tuple[Record, ...]:
        """The owner's drafts, newest first, without request bodies, from behind ``before`` on.

        Nothing is behind an id that is not there (any more).
        """
        ...

    async def entries(self, draft_id: str) -> tuple[bytes, ...]:
        """What was appended to a draft that is not over, in order."""
        ...

    async def whole(self, draft_id: str) -> bytes | None:
        """All output of a draft that is over, as ``end`` was given it."""
        ...

    async def delete(self, draft_id: str) -> bool:
        """Whether it was there. Its holder learns of it at the next ``append``."""
        ...

    async def evict(self, *, now_s: float, max_bytes: int | None) -> int:
        """Deletes what is past ``expires_s``, then the longest ended till ``max_bytes`` hold all.

        Live drafts are never touched: only those that are over, and, once past ``expires_s``,
        those ``INTERRUPTED`` that nobody holds. Returns how many went.
        """
        ...

    async def claim(
        self, holder: str, lease_s: float, limit: int, *, interrupted: bool = True
    ) -> tuple[Record, ...]:
        """Takes drafts that are not over and that nobody holds, oldest first, with requests.

        interrupted: also those that were left ``INTERRUPTED``.
        """
        ...

    async def take(self, draft_id: str, holder: str, lease_s: float) -> Record | None:
        """Makes ``holder`` the holder whoever held it: to cancel what another gateway writes.

        None where the draft is over or not there.
        """
        ...

    async def renew(self, draft_ids: Sequence[str], holder: str, lease_s: float) -> tuple[str, ...]:
        """Which of these ``holder`` still holds, each now for ``lease_s`` from here on."""
        ...

    def follow(self, draft_id: str) -> AsyncGenerator[bytes, None]:
        """Entries from the first, then as they are appended by anyone, until the draft is over.

        A reader that falls behind by a minute may be ended early; ``whole`` has it all by then.
        """
        ...


def now_s() -> float:
    """Seconds since 1970, for dates; durations are taken from ``time.monotonic``."""
    return time.time_ns() / 1e9
