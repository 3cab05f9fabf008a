"""Kept responses: found, looked up as context, read as an object, whole or as events. It must not
know how they are written or stored."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.drafts.output import Output as Shown
from server.drafts.output import Told
from server.drafts.reading import Over
from server.drafts.report import endings_of, error_of, unpacked
from server.drafts.store import Kind, Record, State
from server.errors import (
    UNEXPECTED,
    BadRequest,
    DraftInterrupted,
    Internal,
    LonghandError,
    NotFound,
)
from server.events import Channel, Fragment, Progress
from server.routes.desk import GONE, unless_gone
from server.routes.kept import INTERRUPTED, Shelf
from server.routes.response_work import kept_fields, kept_turns
from server.sse import DraftResponse
from server.wire.encode import queued_comment, total
from server.wire.encode_responses import (
    PREFIX,
    ResponseHead,
    Standing,
    ended_standing,
    failure_of,
    response_object,
)
from server.wire.response_input import Reference, Turn, named
from server.wire.response_output import INPUT_PREFIX, Output, owner_of
from server.wire.response_sequence import NOTHING_YET, Telling

logger = logging.getLogger(__name__)

_DRAFT_PREFIX = "draft_"


def name_of(record: Record) -> str:
    """The name of a draft as a response; worked example: ``draft_5f`` is ``resp_5f``."""
    return f"{PREFIX}{record.id.removeprefix(_DRAFT_PREFIX)}"


def head_of(record: Record) -> ResponseHead:
    fields = {**kept_fields(record.request), "id": name_of(record)}
    return ResponseHead(id=fields["id"], fields=fields)


def turns_of(record: Record) -> tuple[Turn, ...]:
    """The input of a response, each item by its id."""
    return named(kept_turns(record.request), f"{INPUT_PREFIX}_{head_of(record).key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """The kept responses of one owner."""

    shelf: Shelf
    owner: str

    async def find(self, given_id: str) -> Record:
        """Raises NotFound: there is none, or it is somebody else's."""
        name = given_id.removeprefix(PREFIX)
        try:
            record = await self.shelf.scribe.find(f"{_DRAFT_PREFIX}{name}", self.owner)
        except NotFound:
            record = None
        if record is None or record.kind is not Kind.RESPONSE or name == given_id:
            raise NotFound(
                f"there is no response {given_id!r}", param="response_id", code="response_not_found"
            )
        return record

    async def conversation(self, given_id: str) -> tuple[Turn, ...]:
        """All that was said up to the end of an earlier response.

        Raises:
            BadRequest: there is none, it is not over, or it has no answer to go on from.
        """
        try:
            record = await self.find(given_id)
        except NotFound as error:
            raise _no_previous(error.message, "previous_response_not_found") from None
        if not record.state.over:
            raise _no_previous(f"{given_id!r} is still being written", "invalid_value")
        output = await self.output(record)
        if not output.answer():
            raise _no_previous(f"{given_id!r} has no answer to go on from", "invalid_value")
        said = [item for item in output.items if item.channel is Channel.ANSWER]
        answer = Turn(role="assistant", text=output.answer(), id=said[-1].id)
        return (*turns_of(record), answer)

    async def referred(self, reference: Reference) -> Turn | None:
        """The message of an item id; None for reasoning, which is left out.

        Raises:
            BadRequest: there is no such item.
        """
        key = owner_of(reference.id)
        try:
            record = await self.find(f"{PREFIX}{key}")
        except NotFound:
            raise no_item(reference) from None
        for turn in turns_of(record):
            if turn.id == reference.id:
                return turn
        for item in (await self.output(record)).items:
            if item.id == reference.id:
                is_answer = item.channel is Channel.ANSWER
                return Turn(role="assistant", text=item.text, id=item.id) if is_answer else None
        raise no_item(reference)

    async def output(self, record: Record) -> Output:
        """All that was shown of a response so far."""
        return _output(await self.shelf.scribe.output(record), head_of(record).key)

    async def told(self, record: Record) -> dict[str, Any]:
        """The response as it stands."""
        scribe = self.shelf.scribe
        output, meta = await self.output(record), unpacked(record.meta)
        standing = Standing(status="queued" if record.state is State.QUEUED else "in_progress")
        if record.state.over or (record.state is State.INTERRUPTED and not scribe.policy.carry_on):
            over = Over(state=record.state, meta=meta, error=error_of(meta))
            standing = await self.standing(record, over)
        if standing.status == "completed":
            output.settle()
        return response_object(head_of(record), standing, output)

    async def standing(self, record: Record, over: Over) -> Standing:
        """How a response stands to which nothing is added."""
        if over.state is State.CANCELLED:
            return Standing(status="cancelled")
        ended = endings_of(over.meta).get(0)
        if over.state is not State.FINISHED or ended is None:
            error = over.error or DraftInterrupted(INTERRUPTED)
            return Standing(status="failed", failure=failure_of(error))
        # As it was stored, so that every reader is told the same time.
        stored = await self.shelf.scribe.store.get(record.id)
        usage = total(over.meta["prompt_tokens"], [ended.usage])
        at_s = record.created_s if stored is None else stored.updated_s
        return ended_standing(ended, usage, completed_at=int(at_s))


def no_item(reference: Reference) -> BadRequest:
    return BadRequest(
        f"{reference.where}.id: there is no item {reference.id!r}", param=f"{reference.where}.id"
    )


def _no_previous(message: str, code: str) -> BadRequest:
    return BadRequest(f"previous_response_id: {message}", param="previous_response_id", code=code)


def _output(shown: Shown, key: str) -> Output:
    output = Output(key)
    for choice in shown.choices():
        if isinstance(choice.event, Fragment):
            output.add(choice.event)
    return output


@dataclass(slots=True, kw_only=True)
class Reply:
    """One reader of a response. asked: whether it is the client that asked for it to be written,
    which may ask once more if its connection breaks."""

    responses: Responses
    record: Record
    headers: dict[str, str]
    asked: bool = False
    is_answered: bool = False

    def stream(self, starting_after: int = NOTHING_YET) -> Response:
        return DraftResponse(
            self._frames(Telling(head_of(self.record), starting_after=starting_after)),
            release=self._leave,
            keep_alive_s=self.responses.shelf.desk.pace.keep_alive_s,
            headers=self.headers,
            may_lag=True,
        )

    async def now(self) -> Response:
        """The response as it stands, in one body."""
        self.is_answered = True
        return self._body(await self.responses.told(self.record))

    async def whole(self, request: Request) -> Response:
        """The response in one body once it is over; if the client goes before, it goes on."""
        try:
            told = await unless_gone(self._over(), request)
            if told is None:
                return Response(status_code=GONE)
            self.is_answered = True
            return self._body(told)
        finally:
            self._leave()

    def _body(self, told: dict[str, Any]) -> Response:
        return Response(orjson.dumps(told), media_type="application/json", headers=self.headers)

    def _leave(self) -> None:
        if self.asked and not self.is_answered:
            self.responses.shelf.scribe.left(self.record)
            self.responses.shelf.desk.metrics.disconnects.labels(stage="kept").inc()

    async def _over(self) -> dict[str, Any]:
        head = head_of(self.record)
        output, standing = Output(head.key), None
        async with aclosing(self.responses.shelf.scribe.follow(self.record.id)) as readings:
            async for reading in readings:
                if isinstance(reading, Over):
                    standing = await self._standing(reading)
                elif isinstance(reading, Told) and isinstance(reading.choice.event, Fragment):
                    output.add(reading.choice.event)
        assert standing is not None  # a reading that ends, ends with one
        if standing.status == "completed":
            output.settle()
        return response_object(head, standing, output)

    async def _standing(self, over: Over) -> Standing:
        """Raises LonghandError: the response is not over, but is not written here any more."""
        if over.state is State.INTERRUPTED and isinstance(over.error, LonghandError):
            raise over.error
        return await self.responses.standing(self.record, over)

    async def _frames(self, telling: Telling) -> AsyncGenerator[bytes, None]:
        """Every frame; always with an end, unless the client goes first."""
        try:
            begun = telling.opening()
            if self.record.state is not State.QUEUED:
                begun += telling.started()
            yield begun
            async with aclosing(self._told(telling)) as frames:
                async for frame in frames:
                    if frame:
                        yield frame
            self.is_answered = True
        except LonghandError as error:
            self.is_answered = True
            yield telling.error(error)
        except Exception:
            logger.exception("a response could not be read", extra={"draft": self.record.id})
            yield telling.error(Internal(UNEXPECTED))

    async def _told(self, telling: Telling) -> AsyncGenerator[bytes, None]:
        scribe, quiet_s = self.responses.shelf.scribe, self.responses.shelf.desk.pace.heartbeat_s
        async with aclosing(scribe.follow(self.record.id, quiet_s=quiet_s)) as readings:
            async for reading in readings:
                if isinstance(reading, Over):
                    yield telling.end(await self._standing(reading))
                elif not isinstance(reading, Told):
                    yield await self._sign_of_life(telling)
                elif isinstance(reading.choice.event, Fragment):
                    yield telling.fragment(reading.choice.event)
                elif isinstance(reading.choice.event, Progress):
                    yield telling.pulse(reading.choice.event)

    async def _sign_of_life(self, telling: Telling) -> bytes:
        record = await self.responses.shelf.scribe.find(self.record.id, self.responses.owner)
        started = b"" if record.state is State.QUEUED else telling.started()
        waits = self.responses.shelf.desk.kept_position(self.record.id)
        return queued_comment(waits) + (started or telling.pulse())
