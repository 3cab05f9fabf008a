"""The one thread that writes all texts, a step of each in turn, and the way back to their readers.

It must not know a model: what a step is, a ``Writer`` knows. Turns are not batched: the texts are
of different lengths, and alone each one comes out the same whoever else is being served.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from server.engine.base import End, Piece
from server.errors import EngineDied, EngineUnavailable, LonghandError

logger = logging.getLogger(__name__)

# Pieces that may wait for a slow reader; then its text pauses.
_MAX_WAITING_PIECES = 64


class Writer(Protocol):
    """Writes one text. A LonghandError from a step ends this text alone."""

    def step(self) -> Sequence[Piece]: ...


class Slot:
    """One text's place in the loop; pieces come out of ``get`` on the event loop it was made on.

    start: makes the writer, in the loop's thread.
    """

    def __init__(self, start: Callable[[], Writer], on_room: Callable[[], None]) -> None:
        self._start = start
        self._on_room = on_room
        self._event_loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._waiting: deque[Piece | LonghandError] = deque()
        self._writer: Writer | None = None
        self.over = False

    @property
    def full(self) -> bool:
        return len(self._waiting) >= _MAX_WAITING_PIECES

    def put(self, item: Piece | LonghandError) -> None:
        """Hands an item to the reader; an End or an error is the last one."""
        if not isinstance(item, LonghandError | End):
            self._append(item)
        elif not self.over:
            self.over = True
            self._append(item)

    def _append(self, item: Piece | LonghandError) -> None:
        self._waiting.append(item)
        # An event loop that was closed under its readers has none to wake.
        with suppress(RuntimeError):
            self._event_loop.call_soon_threadsafe(self._ready.set)

    def step(self) -> None:
        """One step of the text; what it raises of ours ends this text, all else is the loop's."""
        try:
            if self._writer is None:
                self._writer = self._start()
            for piece in self._writer.step():
                self.put(piece)
        except LonghandError as error:
            self.put(error)

    def free(self) -> None:
        """Lets go of the cache; nothing is written after this."""
        self.over = True
        self._writer = None

    async def get(self) -> Piece:
        """The next piece.

        Raises:
            LonghandError: the text cannot go on.
        """
        while not self._waiting:
            self._ready.clear()
            # An item may have come just before the clear.
            if not self._waiting:
                await self._ready.wait()
        was_full = self.full
        item = self._waiting.popleft()
        if was_full:
            self._on_room()
        if isinstance(item, LonghandError):
            raise item
        return item


class Loop:
    """Steps every slot in turn until it is stopped or a step fails in an unforeseen way.

    on_death: called once from the loop's thread, with a sentence, if it ends by itself.
    """

    def __init__(self, on_death: Callable[[str], None]) -> None:
        self._on_death = on_death
        self._slots: deque[Slot] = deque()
        self._changed = threading.Condition()
        self._reason = ""
        self._thread = threading.Thread(target=self._run, name="local-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def num_open(self) -> int:
        """Texts being written; one that was removed no longer counts."""
        with self._changed:
            return sum(not slot.over for slot in self._slots)

    def add(self, start: Callable[[], Writer]) -> Slot:
        """A new text.

        Raises:
            EngineUnavailable: the loop has ended.
        """
        slot = Slot(start, self._wake)
        with self._changed:
            if self._reason:
                raise EngineUnavailable(self._reason)
            self._slots.append(slot)
            self._changed.notify()
        return slot

    def remove(self, slot: Slot) -> None:
        """Frees the text's place at once; a step under way is its last."""
        slot.over = True
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def stop(self, reason: str) -> None:
        """Ends every text with EngineDied, without waiting for the thread."""
        with self._changed:
            self._reason = self._reason or reason
            slots = list(self._slots)
            self._slots.clear()
            self._changed.notify()
        for slot in slots:
            slot.put(EngineDied(self._reason))

    def join(self, timeout_s: float) -> None:
        """Waits for the step under way."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while (slot := self._next()) is not None:
                slot.step()
        except BaseException as error:
            logger.exception("the local engine failed")
            reason = f"the local engine failed: {type(error).__name__}"
            self.stop(reason)
            self._on_death(reason)

    def _next(self) -> Slot | None:
        """The slot whose turn it is; waits for one, None once the loop is stopped."""
        with self._changed:
            while not self._reason:
                self._drop_those_over()
                for _ in range(len(self._slots)):
                    slot = self._slots[0]
                    self._slots.rotate(-1)
                    if not slot.full:
                        return slot
                self._changed.wait()
        return None

    def _drop_those_over(self) -> None:
        for slot in [slot for slot in self._slots if slot.over]:
            self._slots.remove(slot)
            slot.free()
