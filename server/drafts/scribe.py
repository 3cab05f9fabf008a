"""The drafts of this server: started, found, read, cancelled, carried on, handed over.

It must not know wire formats; what a draft says is ``writing``'s, where it is kept the store's.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from server.drafts.again import Left, check_same
from server.drafts.committer import Committer
from server.drafts.live import Live
from server.drafts.output import Output
from server.drafts.reading import Over, Reading, output_of, read_elsewhere, read_live, read_over
from server.drafts.report import unpacked
from server.drafts.store import Record, State, Store
from server.drafts.tending import Policy, Tending
from server.drafts.unbroken import Unbroken
from server.drafts.writing import Accepted, Writer
from server.errors import DraftInterrupted, NotFound, StoreUnavailable
from server.tasks import end

logger = logging.getLogger(__name__)

# A store that is away must not hold up the end of the process: who takes over finds the rest.
_HAND_OVER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The draft of a request: a new one, or the one that the same request began before."""

    record: Record
    is_new: bool
    is_stored: bool = True


@dataclass(slots=True, kw_only=True)
class Scribe:
    """Owns the drafts that are written here, as tasks: they go on whoever reads them.

    model: the served one; drafts of another are left for a gateway that has it.
    on_evict: told how many old drafts were deleted.
    """

    store: Store
    committer: Committer
    writer: Writer
    policy: Policy
    model: str
    on_evict: Callable[[int], None] = lambda _num: None
    holder: str = field(default_factory=lambda: secrets.token_hex(8))
    tending: Tending = field(init=False)
    _lives: dict[str, Live] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _own: list[asyncio.Task[None]] = field(default_factory=list)
    _left: Left = field(default_factory=Left)
    _unbroken: Unbroken = field(default_factory=Unbroken)
    _is_closed: bool = False

    @property
    def num_live(self) -> int:
        return len(self._lives)

    @property
    def why_not_ready(self) -> str:
        """Why drafts cannot be stored now; "" if they can, or need not be."""
        return (self.tending.trouble or self.committer.trouble) if self.policy.strict else ""

    def __post_init__(self) -> None:
        self.tending = Tending(
            store=self.store,
            policy=self.policy,
            holder=self.holder,
            model=self.model,
            lives=self._lives,
            carry_on=self._carry_on,
            on_evict=self.on_evict,
        )

    async def open(self) -> None:
        """Begins to keep drafts and carries on those that were interrupted. A store that is away
        is tried again and again."""
        await self.tending.open()
        self._own = [
            asyncio.create_task(self.committer.run(), name="drafts' commits"),
            asyncio.create_task(self.tending.run(), name="drafts' leases"),
        ]

    async def close(self) -> None:
        """Hands over what is still written, and lets the store go."""
        await self.hand_over()
        await end(*self._unbroken.tasks, *self._tasks.values(), *self._own)
        await self.store.close()

    async def hand_over(self) -> None:
        """Stops every draft where it is, to be carried on by another gateway or the next start."""
        self._is_closed = True
        if self._unbroken.tasks:
            await asyncio.wait(self._unbroken.tasks, timeout=_HAND_OVER_S)
        for live in self._lives.values():
            text = self.policy.farewell(live.id, live.output.position)
            live.stop(State.INTERRUPTED, DraftInterrupted(text, retry_after_s=5))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=_HAND_OVER_S)

    async def start(self, record: Record, accepted: Accepted) -> Started:
        """Has a draft written. The record comes with a new id; its ``meta`` names the model.

        Raises:
            KeyReused: its idempotency key came before, with another body.
            StoreUnavailable: it cannot be stored, and shall not be written otherwise.
        """
        try:
            return await self._unbroken.run(self._start(record, accepted))
        except asyncio.CancelledError:
            # The draft goes on, as one does whose client goes later.
            self.left(record)
            raise

    async def _start(self, record: Record, accepted: Accepted) -> Started:
        try:
            there = await self._created(record)
            if there is not None:
                check_same(there, record.body_hash)
        except BaseException:
            accepted.claim.release()
            raise
        if there is not None and there.id != record.id:
            accepted.claim.release()
            return Started(record=there, is_new=False)
        live = self._take_up(record, is_stored=there is not None)
        self._write(live, accepted)
        return Started(record=record, is_new=True, is_stored=live.durable)

    async def _created(self, record: Record) -> Record | None:
        """The record that is stored now; None where there is no store, and none is needed."""
        self._check_open()
        try:
            return await self.store.create(record, self.holder, self.policy.lease_s)
        except StoreUnavailable as error:
            if self.policy.strict:
                raise
            self.committer.unstored(record.id, error.message)
            return None

    def _check_open(self) -> None:
        if self._is_closed:
            raise DraftInterrupted("the server is shutting down", retry_after_s=1)

    def _take_up(self, record: Record, *, is_stored: bool = True) -> Live:
        live = Live(
            record=record,
            meta=unpacked(record.meta),
            changed=self.committer.changed,
            durable=is_stored,
        )
        self._lives[record.id] = live
        return live

    def _carry_on(self, record: Record, output: Output) -> None:
        """A draft that was interrupted is ours now; its readers have ``output`` meanwhile."""
        if record.id in self._lives:
            # Taken up while the caller read it.
            return
        live = self._take_up(record)
        live.output = output
        self.left(record)
        self._write(live, None)

    def _write(self, live: Live, accepted: Accepted | None) -> None:
        task = asyncio.create_task(self.writer.run(live, accepted), name=f"draft {live.id}")
        self._tasks[live.id] = task
        task.add_done_callback(lambda task: self._written(live, task))

    def _written(self, live: Live, task: asyncio.Task[None]) -> None:
        del self._lives[live.id], self._tasks[live.id]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a draft was lost", extra={"draft": live.id}, exc_info=error)
        if not live.is_closed:
            live.close(State.INTERRUPTED, DraftInterrupted("the draft is not written any more"))

    def begun(self, idempotency: str, body_hash: str) -> Record | None:
        """The draft that is written here for an idempotency key.

        Raises:
            KeyReused: it came with another body.
        """
        for live in self._lives.values():
            if live.record.idempotency == idempotency:
                check_same(live.record, body_hash)
                return live.as_record()
        return None

    def left(self, record: Record) -> None:
        """The client of a draft has gone before it had all of it; it may ask once more."""
        self._left.add(record)

    async def asked_again(self, owner: str, body_hash: str) -> Record | None:
        """The draft of a client that has gone and asks for the very same once more."""
        draft_id = self._left.take(owner, body_hash)
        return None if draft_id is None else await self._record(draft_id)

    async def _record(self, draft_id: str) -> Record | None:
        live = self._lives.get(draft_id)
        return await self.store.get(draft_id) if live is None else live.as_record()

    async def find(self, draft_id: str, owner: str) -> Record:
        """The record of a draft of this owner.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        record = await self._record(draft_id)
        if record is None or record.owner != owner:
            raise NotFound(f"there is no draft {draft_id!r}", param="id", code="draft_not_found")
        return record

    async def list(self, owner: str, *, limit: int, before: str | None) -> tuple[Record, ...]:
        """An owner's drafts, newest first, as they are now."""
        records = await self.store.list(owner, limit=limit, before=before)
        return tuple(
            self._lives[one.id].as_record() if one.id in self._lives else one for one in records
        )

    async def output(self, record: Record) -> Output:
        """All that was shown of a draft so far."""
        live = self._lives.get(record.id)
        return await output_of(self.store, record) if live is None else live.output

    def position(self, draft_id: str) -> int | None:
        """How far a draft is that is written here."""
        live = self._lives.get(draft_id)
        return None if live is None else live.output.position

    async def follow(
        self, draft_id: str, *, after: int = 0, quiet_s: float | None = None
    ) -> AsyncGenerator[Reading, None]:
        """What a draft shows behind a position, and goes on to show; last, ``Over``.

        quiet_s: after so long without anything, ``Quiet`` comes.

        Raises:
            NotFound: the draft was deleted.
        """
        while True:
            async with aclosing(await self._source(draft_id, after, quiet_s)) as readings:
                async for reading in readings:
                    yield reading
                    if isinstance(reading, Over):
                        return
                    after = max(after, getattr(reading, "position", 0))

    async def _source(
        self, draft_id: str, after: int, quiet_s: float | None
    ) -> AsyncGenerator[Reading, None]:
        live = self._lives.get(draft_id)
        if live is not None and not (live.is_closed and live.is_lost):
            return read_live(live, after, quiet_s)
        record = await self.store.get(draft_id)
        if record is None:
            raise NotFound(f"the draft {draft_id!r} was deleted", param="id", code="draft_deleted")
        left_alone = record.state is State.INTERRUPTED and not self.policy.carry_on
        if record.state.over or left_alone:
            return read_over(self.store, record, after)
        marks = not self.policy.carry_on
        return read_elsewhere(self.store, draft_id, after, quiet_s, marks=marks)

    async def cancel(self, draft_id: str) -> None:
        """Ends a draft where it is, whoever writes it; one that is over stays as it is."""
        live = self._lives.get(draft_id)
        if live is not None:
            live.stop(State.CANCELLED)
            await live.closed()
            return
        await self._unbroken.run(self.tending.cancel(draft_id))

    async def resume(self, record: Record) -> None:
        """Has a draft carried on that was left interrupted.

        Raises:
            NotInterrupted: it is being written, or over, or of another model.
            DraftInterrupted: this process is about to end.
        """
        self._check_open()
        await self._unbroken.run(self.tending.resume(record))

    async def delete(self, draft_id: str) -> None:
        """Deletes a draft; one that is being written is cancelled first."""
        if draft_id in self._lives:
            await self.cancel(draft_id)
        await self.store.delete(draft_id)
