"""Writes the candidates of a request side by side, stops those that cannot win, shows the best.

It must not decide who that is: ``contest`` and the panel do.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from rewards.panel import Panel
from server.contest import Contest, Entry, endings
from server.engine.base import Engine, Job
from server.errors import LonghandError
from server.events import Choice, Ended, Event, Fate, Fragment, Progress
from server.jury import Jury
from server.tasks import end
from server.write import write

logger = logging.getLogger(__name__)

# A winner is shown in fragments of about this many characters: far fewer than it was written in.
_SHOWN_CHARS = 512


def _not_held(_index: int, _tokens: int) -> None:
    """What is written needs no room."""


def _not_missed(_index: int, _tokens: int | None) -> None:
    """Nobody waits for a place."""


def _never() -> bool:
    """There is room."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the drafts of a request share with other requests; they are named by their index.

    wrote: told how many tokens a draft has now. freed: told of each draft that has stopped, its
    engine stream closed, and how many tokens it took, None for one that was not finished: its place
    can be given to somebody else. crowded: whether room is short now, so that fewer should go on.
    """

    wrote: Callable[[int, int], None] = _not_held
    freed: Callable[[int, int | None], None] = _not_missed
    crowded: Callable[[], bool] = _never


ROOM_FOR_ALL = Room()


@dataclass(slots=True, kw_only=True)
class Race:
    """One best-of request while it runs."""

    engine: Engine
    jobs: Sequence[Job]
    contest: Contest
    jury: Jury
    panel: Panel
    room: Room
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> AsyncGenerator[Choice, None]:
        """``Progress`` while the candidates are written and judged, then the events of the best.

        Raises:
            EngineUnavailable, BadRequest: fewer candidates are left than are to be shown; the
                first error of them.
        """
        self._tasks = [
            asyncio.create_task(self._write(entry, job))
            for entry, job in zip(self.contest.entries, self.jobs, strict=True)
        ]
        # A task of its own, so that nobody waits for the reader of this before a draft is stopped.
        referee = asyncio.create_task(self._referee())
        try:
            while not referee.done():
                await asyncio.wait([referee], timeout=self.contest.wish.progress_s)
                yield Choice(index=0, event=Progress(candidates=self.contest.standings()))
            for index, (entry, ended) in enumerate(referee.result()):
                for event in merged(entry.events):
                    yield Choice(index=index, event=event)
                yield Choice(index=index, event=ended)
        finally:
            await end(referee, *self._tasks)

    async def _write(self, entry: Entry, job: Job) -> None:
        """One candidate to its end, or to where nothing can become of it."""
        try:
            async with aclosing(write(self.engine, job, self.contest.rules, entry.draft)) as events:
                async for event in events:
                    entry.take(event)
                    self.room.wrote(entry.index, entry.draft.num_tokens)
                    why = self._hopeless(entry)
                    if why is not None:
                        entry.drop(why)
                        break
                    if self.contest.passes(entry):
                        self._news.set()
        except LonghandError as error:
            # The others go on; if too few are left, this is what the caller is told.
            entry.fail(error)
        except Exception as error:
            logger.exception("a candidate failed", extra={"request_id": job.id})
            entry.fail(error)
        finally:
            self._news.set()
            whole = entry.fate is Fate.FINISHED
            self.room.freed(entry.index, entry.draft.num_tokens if whole else None)

    def _hopeless(self, entry: Entry) -> str | None:
        try:
            return self.contest.hopeless(entry)
        except Exception as error:
            # What reads drafts must not take one down with it.
            logger.warning("a candidate could not be read", extra={"error": type(error).__name__})
            return None

    async def _referee(self) -> list[tuple[Entry, Ended]]:
        """The drafts to show, best first, once all that could be among them are written."""
        while self.contest.writing and self.contest.enough:
            await self._news.wait()
            self._news.clear()
            await self._compare()
        if not self.contest.enough:
            raise next(entry.error for entry in self.contest.entries if entry.error is not None)
        finished = self.contest.finished
        drafts = [self.contest.draft_of(entry) for entry in finished]
        scores = await self.jury.hear(drafts, self.panel)
        return endings(self.contest, self.contest.judged(finished, scores, self.panel))

    async def _compare(self) -> None:
        """Compares what there is once every candidate has come as far, and stops the worse."""
        while group := self.contest.due():
            drafts = [self.contest.draft_of(entry) for entry in group]
            scores = await self.jury.hear_so_far(drafts, self.panel)
            verdict = self.contest.judged(group, scores, self.panel)
            losers = self.contest.losers(group, verdict, crowded=self.room.crowded())
            for entry, why in losers:
                entry.drop(why)
            await end(*(self._tasks[entry.index] for entry, _ in losers))


def merged(events: Sequence[Event]) -> Iterator[Event]:
    """The same text in fewer fragments; those with log-probabilities stay as they are."""
    waiting: Fragment | None = None
    for event in events:
        plain = event if isinstance(event, Fragment) and not event.logprobs else None
        if waiting and plain and _fit(waiting, plain):
            waiting = replace(waiting, text=waiting.text + plain.text)
            continue
        if waiting:
            yield waiting
        waiting = plain
        if plain is None:
            yield event
    if waiting:
        yield waiting


def _fit(one: Fragment, other: Fragment) -> bool:
    return one.channel is other.channel and len(one.text) + len(other.text) <= _SHOWN_CHARS
