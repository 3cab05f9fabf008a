"""Where accepted work becomes a response, streamed or whole. It must not know any wire format."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from server.admission.admission import Admission, Ticket
from server.admission.estimate import claim_of
from server.answer import Answerer, Commission
from server.best_of import Room
from server.callers.register import Bill
from server.errors import UNEXPECTED, EngineUnavailable, Internal, LonghandError
from server.events import Channel, Choice, Ended, Fragment, Usage
from server.metrics import Metrics
from server.sse import DraftResponse
from server.tasks import end
from server.wire.encode import Encoder, Folded, total

# Beyond this vLLM soon preempts drafts: it throws their cache away and computes it again.
_FULL_KV_CACHE = 0.9

# Nobody reads this; the status is nginx's for a client that has gone.
GONE = 499

_CUT_OFF = (
    "the server was shut down before the draft was done; send the request again. A draft sent with "
    "store: true is carried on after a restart"
)

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often something is sent while nothing is written, in seconds."""

    keep_alive_s: float
    heartbeat_s: float


@dataclass(slots=True, kw_only=True)
class Task:
    """One request being answered: what was accepted, its claim, how it is told.

    stage: how far it is, for counting clients that go. since: when it began to wait for its
    places, on the monotonic clock. answered: whether the client was given its end.
    """

    commission: Commission
    ticket: Ticket
    encoder: Encoder
    headers: dict[str, str]
    stage: str = "queued"
    since: float = field(default_factory=time.monotonic)
    answered: bool = False


@dataclass(slots=True, kw_only=True)
class Place:
    """A request's claim to its places, for the kept draft of an id, which waits by itself."""

    desk: "Desk"
    ticket: Ticket
    draft_id: str
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.desk.kept_waiting[self.draft_id] = self.ticket

    async def granted(self) -> None:
        await self.ticket.granted(None)
        self.desk.metrics.queue_wait.observe(time.monotonic() - self.since)

    def release(self) -> None:
        self.ticket.release()
        self.desk.kept_waiting.pop(self.draft_id, None)
        self.desk.count_queue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Admits work, has it written, answers, counts. bill: where the tokens of a caller's request
    go. kept_waiting: tickets of drafts that are kept, by their ids, so that whoever reads one is
    told of its place in the queue."""

    answerer: Answerer
    admission: Admission
    metrics: Metrics
    pace: Pace
    bill: Callable[[str], Bill]
    kept_waiting: dict[str, Ticket] = field(default_factory=dict)

    async def admit(
        self, drafts: int, caller: str, accept: Callable[[], Awaitable[Commission]]
    ) -> tuple[Ticket, Commission]:
        """A ticket and the planned work; the ticket first, so that a full server plans nothing.

        Raises:
            Overloaded, RateLimited, and whatever ``accept`` raises.
        """
        with self._refusals_counted():
            ticket = self.admission.enter(drafts, caller)
        try:
            commission = await accept()
            claim = claim_of(commission, self.admission.lengths)
            with self._refusals_counted():
                ticket.claim(claim, commission.jobs[0].priority)
        except BaseException:
            ticket.release()
            self.count_queue()
            raise
        if ticket.position is not None:
            self.metrics.admission.position.observe(ticket.position)
        self.count_queue()
        self.bill(caller).charge(commission.prompt_tokens)
        return ticket, commission

    @contextmanager
    def _refusals_counted(self) -> Iterator[None]:
        try:
            yield
        except LonghandError as error:
            self.metrics.admission.count_refusal(error)
            raise

    def count_queue(self) -> None:
        self.metrics.admission.show(self.admission)

    def kept_position(self, draft_id: str) -> int | None:
        """Where a kept draft waits in this server's queue, 1 for the next; None: it does not."""
        ticket = self.kept_waiting.get(draft_id)
        return None if ticket is None else ticket.position

    def room(self, ticket: Ticket) -> Room:
        """What the drafts of a request share with others."""

        bill = self.bill(ticket.caller)

        def wrote(index: int, tokens: int) -> None:
            ticket.wrote(index, tokens)
            bill.wrote(index, tokens)

        def freed(index: int, took_tokens: int | None) -> None:
            ticket.give_back(index, took_tokens)
            self.count_queue()

        return Room(wrote=wrote, freed=freed, crowded=self._crowded)

    def _crowded(self) -> bool:
        return self.admission.queued > 0 or self.metrics.kv_cache_usage() >= _FULL_KV_CACHE

    def _leave(self, task: Task) -> None:
        """Whatever way a request ended: its places are free, and a client that went is counted."""
        task.ticket.release()
        self.count_queue()
        if not task.answered:
            self.metrics.disconnects.labels(stage=task.stage).inc()

    async def _granted(self, task: Task) -> bool:
        """Whether the task has its places, after waiting for them for one heartbeat at most."""
        granted = await task.ticket.granted(self.pace.heartbeat_s)
        if granted:
            self.metrics.queue_wait.observe(time.monotonic() - task.since)
        return granted

    def stream(self, task: Task) -> Response:
        return DraftResponse(
            self._frames(task),
            release=lambda: self._leave(task),
            keep_alive_s=self.pace.keep_alive_s,
            headers=task.headers,
        )

    async def whole(self, task: Task, request: Request) -> Response:
        """The answer in one body, given up as soon as the client has gone."""
        try:
            body = await unless_gone(self._fold(task), request)
            if body is None:
                return Response(status_code=GONE)
            task.answered = True
            return Response(body, media_type="application/json", headers=task.headers)
        finally:
            self._leave(task)

    async def _fold(self, task: Task) -> bytes:
        while not await self._granted(task):
            continue
        folded = [Folded() for _ in range(task.commission.choices)]
        async with aclosing(self._choices(task)) as choices:
            async for choice in choices:
                folded[choice.index].add(choice)
        usage = total(task.commission.prompt_tokens, [f.ended.usage for f in folded if f.ended])
        return task.encoder.whole(folded, usage)

    async def _frames(self, task: Task) -> AsyncGenerator[bytes, None]:
        """Every frame of a stream. It always ends in a final frame or an error frame, unless the
        client goes first."""
        try:
            while not await self._granted(task):
                yield task.encoder.heartbeat(task.ticket.position)
            async with aclosing(self._written(task)) as frames:
                async for frame in frames:
                    yield frame
            task.answered = True
        except LonghandError as error:
            task.answered = True
            self.metrics.count_broken(error)
            yield task.encoder.failed(self._told(error))
        except Exception:
            # Anything else is a fault of ours; the client still gets an end.
            logger.exception("a stream failed", extra={"request_id": task.headers["x-request-id"]})
            task.answered = True
            unforeseen = Internal(UNEXPECTED)
            self.metrics.count_broken(unforeseen)
            yield task.encoder.failed(unforeseen)

    def _told(self, error: LonghandError) -> LonghandError:
        """An error as the client of a draft that is not kept is told it."""
        if self.admission.closed and isinstance(error, EngineUnavailable):
            return EngineUnavailable(_CUT_OFF, code="server_shutdown", retry_after_s=5)
        return error

    async def _written(self, task: Task) -> AsyncGenerator[bytes, None]:
        yield task.encoder.opening()
        drafts: list[Usage] = []
        async with aclosing(self._choices(task)) as choices:
            async for choice in choices:
                if isinstance(choice.event, Ended):
                    drafts.append(choice.event.usage)
                frame = task.encoder.chunk(choice)
                if frame:
                    yield frame
        yield task.encoder.closing(total(task.commission.prompt_tokens, drafts))

    async def _choices(self, task: Task) -> AsyncGenerator[Choice, None]:
        """The events, counted; ``task.stage`` follows them."""
        task.stage = "prompt" if task.commission.contest is None else "candidates"
        room = self.room(task.ticket)
        observed = self.metrics.observe(
            self.answerer.write(task.commission, room),
            prompt_tokens=task.commission.prompt_tokens,
        )
        started = time.monotonic()
        async with aclosing(observed) as choices:
            async for choice in choices:
                if isinstance(choice.event, Fragment):
                    task.stage = _STAGES[choice.event.channel]
                elif isinstance(choice.event, Ended):
                    _log(task, choice.event, time.monotonic() - started)
                yield choice


_STAGES = {Channel.REASONING: "reasoning", Channel.ANSWER: "answer"}


def _log(task: Task, ended: Ended, seconds: float) -> None:
    logger.info(
        "draft ended",
        extra={
            "request_id": task.headers["x-request-id"],
            "finish_reason": ended.finish_reason,
            "prompt_tokens": ended.usage.prompt_tokens,
            "reasoning_tokens": ended.usage.reasoning_tokens,
            "answer_tokens": ended.usage.answer_tokens,
            "answer_words": ended.answer_words,
            "faults": list(ended.faults),
            "seconds": round(seconds, 3),
        },
    )


async def unless_gone(work: Coroutine[Any, Any, T], request: Request) -> T | None:
    """What the work brings; None if the client went before, and the work was stopped."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait([working, gone], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        await end(working, gone)


async def _disconnected(request: Request) -> None:
    """Returns once the client has gone. The body was read before, so nothing else can come."""
    await request.receive()
