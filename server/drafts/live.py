"""One draft that this process writes: what is stored of it, what is not yet, who waits for more.

It must not write, store or send anything itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from server.drafts.entries import Jotter
from server.drafts.output import Output
from server.drafts.report import packed
from server.drafts.store import Record, State
from server.engine.base import Piece
from server.errors import LonghandError
from server.events import Choice, Ended, Progress


@dataclass(slots=True, kw_only=True, eq=False)
class Live:
    """``output`` holds what is stored: what may be shown. It is also where an engine's words are
    noted (``replay.Notes``).

    changed: told when there is something to store. durable: whether it is stored at all; without
    a store a draft may be let go on all the same. is_closed: nothing comes here any more; ``state``
    and ``error`` say why. is_lost: because another gateway holds the draft now. is_sealed: nothing
    more is stored here.
    """

    record: Record
    meta: dict[str, Any]
    changed: Callable[["Live"], None]
    output: Output = field(default_factory=Output)
    state: State = State.QUEUED
    error: LonghandError | None = None
    durable: bool = True
    is_closed: bool = False
    is_lost: bool = False
    is_sealed: bool = False
    num_readers: int = 0
    progress: Progress | None = None
    num_progress: int = 0
    writing: asyncio.Task[None] | None = None
    stopped: tuple[State, LonghandError | None] | None = None
    _jotter: Jotter = field(default_factory=Jotter)
    _pending: list[Choice] = field(default_factory=list)
    _is_dirty: bool = False
    _is_storing: bool = False
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.record.id

    def as_record(self) -> Record:
        """The record as it is now."""
        return replace(self.record, state=self.state, meta=packed(self.meta))

    def opened(self, index: int) -> None:
        self._jotter.opened(index)
        self._change()

    def said(self, index: int, piece: Piece) -> None:
        self._jotter.said(index, piece)
        self._change()

    def resumed(self) -> None:
        self._jotter.resumed()
        self._change()

    def add(self, choice: Choice) -> None:
        """An event to be shown once it is stored."""
        self._jotter.shown(choice)
        self._pending.append(choice)
        self._change()

    def _change(self) -> None:
        if not (self._is_dirty or self.is_sealed):
            self._is_dirty = True
            self.changed(self)

    def take(self) -> tuple[bytes, list[Choice]]:
        """What is to be stored, and what may be shown then; ``publish`` follows, or ``seal``."""
        self._is_dirty, self._is_storing = False, True
        shown, self._pending = self._pending, []
        return self._jotter.take(), shown

    def publish(self, choices: list[Choice]) -> None:
        """These are stored; readers are told."""
        self._is_storing = False
        for choice in choices:
            self.output.add(choice if self.durable else _unstored(choice))
            if isinstance(choice.event, Progress):
                self.progress = choice.event
                self.num_progress += 1
        self._wake()

    def seal(self) -> None:
        """Nothing more can be stored: what is not is dropped, as if it had not been written."""
        self.is_sealed, self._is_dirty, self._is_storing = True, False, False
        self._pending.clear()
        self._jotter.take()
        self._wake()

    def stop(self, state: State, error: LonghandError | None = None) -> None:
        """Writing ends here, for this reason, unless it has ended."""
        if self.stopped is None and not self.is_closed:
            self.stopped = state, error
            if self.writing is not None:
                self.writing.cancel()

    def lose(self) -> None:
        """Another gateway holds the draft, or it was deleted."""
        self.is_lost = True
        self.seal()
        self.stop(State.INTERRUPTED)

    def close(self, state: State, error: LonghandError | None) -> None:
        """Nothing comes here any more."""
        self.state, self.error, self.is_closed = state, error, True
        self._wake()

    async def settled(self) -> None:
        """Returns once all that was added is stored, or never will be."""
        while self._is_dirty or self._is_storing:
            await self.news()

    async def closed(self) -> None:
        while not self.is_closed:
            await self.news()

    async def news(self, timeout_s: float | None = None) -> bool:
        """Whether anything changed, after waiting for it."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if timeout_s is None:
            await future
            return True
        await asyncio.wait([future], timeout=timeout_s)
        return future.done()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


def _unstored(choice: Choice) -> Choice:
    """As its readers are told it: an end says that it is not kept."""
    if not isinstance(choice.event, Ended):
        return choice
    return replace(choice, event=replace(choice.event, stored=False))
