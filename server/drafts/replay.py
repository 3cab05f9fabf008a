"""An engine that notes what another one says, and says again what was noted of it before.

It must not decide anything about the text, nor start or end the engine behind it.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol, Self

from server.drafts.tape import NO_TAPE, Stretch
from server.engine.base import Card, End, Engine, Job, Passage, Piece
from server.engine.seam import Seam

# A replay takes microseconds a piece; other drafts must not wait for all of it.
_PIECES_AT_ONCE = 64


class Diverged(Exception):
    """What is written now is not what was written then; says nothing of the text."""


class Notes(Protocol):
    """Where it is noted what an engine says to the drafts of a request."""

    def opened(self, index: int) -> None: ...

    def said(self, index: int, piece: Piece) -> None: ...

    def resumed(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class TapedEngine:
    """The engine of one request. indexes: of the draft that a job writes, by the job's id.

    Streams that are on the tape are played as they were heard. Where the tape breaks off inside
    one, the engine carries on behind its last piece; token ids make that exact. A piece is noted
    before anybody has it, so that nothing is ever shown that could not be written again.
    """

    engine: Engine
    indexes: Mapping[str, int]
    notes: Notes
    tape: Mapping[int, Sequence[Stretch]] = field(default_factory=lambda: NO_TAPE)
    _played: dict[int, int] = field(default_factory=dict)

    @property
    def card(self) -> Card:
        return self.engine.card

    async def tokenize(self, text: str) -> Passage:
        return await self.engine.tokenize(text)

    async def watch(self) -> str:
        return await self.engine.watch()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """The engine behind it is not ours to leave."""

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        """As the engine's.

        Raises:
            Diverged: more is wanted of a stream that was left before it said more.
        """
        index = self.indexes[job.id]
        at = self._played.get(index, 0)
        self._played[index] = at + 1
        stretches = self.tape.get(index, ())
        if at >= len(stretches):
            self.notes.opened(index)
            pieces = self.engine.stream(job)
        else:
            pieces = self._again(job, stretches[at], is_last=at + 1 == len(stretches))
        async with aclosing(pieces):
            async for piece in pieces:
                if at >= len(stretches):
                    self.notes.said(index, piece)
                yield piece

    async def _again(
        self, job: Job, stretch: Stretch, *, is_last: bool
    ) -> AsyncGenerator[Piece, None]:
        """What was heard, and, where it breaks off, what the engine says behind it."""
        for at, heard in enumerate(stretch.pieces):
            if not at % _PIECES_AT_ONCE:
                await asyncio.sleep(0)
            yield heard
        if stretch.end is not None:
            yield stretch.end
        elif not is_last:
            raise Diverged("more is asked of an engine's stream than was then")
        else:
            async with aclosing(self._behind(job, stretch)) as pieces:
                async for piece in pieces:
                    self.notes.said(self.indexes[job.id], piece)
                    yield piece

    async def _behind(self, job: Job, stretch: Stretch) -> AsyncGenerator[Piece, None]:
        following = stretch.following(job)
        if isinstance(following, End):
            yield following
            return
        self.notes.resumed()
        seam = Seam(job.stop, stretch.heard.tail(job.stop))
        async with aclosing(self.engine.stream(following)) as pieces:
            async for piece in pieces:
                if isinstance(piece, End):
                    # The rest of what it found in its cache was written, not asked.
                    cached_tokens = min(piece.cached_tokens, job.prompt.num_tokens)
                    yield replace(piece, cached_tokens=cached_tokens)
                    return
                text, end = seam.pass_on(piece)
                yield text
                if end is not None:
                    yield end
                    return
