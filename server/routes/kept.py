"""Where a draft that is kept becomes a response. It must not know how drafts are written or stored.

The response is one reader of the draft among others: when its client goes, the draft goes on.
"""

import hashlib
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.answer import Commission
from server.drafts.output import Told
from server.drafts.reading import Over, Reading
from server.drafts.report import packed, unpacked
from server.drafts.scribe import Scribe, Started
from server.drafts.store import Kind, Record, State, now_s
from server.drafts.writing import Accepted
from server.errors import (
    UNEXPECTED,
    BadRequest,
    DraftCancelled,
    DraftInterrupted,
    Internal,
    LonghandError,
)
from server.routes.desk import GONE, Desk, Place, unless_gone
from server.sse import DraftResponse
from server.wire.encode import Encoder, Folded, Head, total

logger = logging.getLogger(__name__)

_MAX_KEY_CHARS = 255
# Of a draft that nobody carries on unasked; where one is carried on, its readers wait.
INTERRUPTED = (
    "this was interrupted, and what was written is kept; POST /v1/drafts/{id}/resume, with the id "
    "in the header longhand-draft-id, has it carried on"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A draft that is to be kept.

    caller: as admission knows it. body: what the draft is carried on by after a crash. accept:
    plans it.
    """

    kind: Kind
    head: Head
    caller: str
    body: bytes
    drafts: int
    accept: Callable[[], Awaitable[Commission]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Wanted):
    """A request that is answered with its draft. encoder: for the draft of a head and an id, which
    may be an earlier request's."""

    encoder: Callable[[Head, str], Encoder]
    is_stream: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Has drafts written that are kept, and answers with them. ttl_s: how long they are.
    on_replay: told when a request is answered with an earlier one's."""

    scribe: Scribe
    desk: Desk
    ttl_s: float | None
    on_replay: Callable[[], None] = lambda: None

    async def answer(self, asked: Asked, request: Request, headers: dict[str, str]) -> Response:
        """The draft of a request, streamed or whole; of the same request before, if it came again.

        Raises:
            KeyReused: its Idempotency-Key came before with another body.
            StoreUnavailable, and whatever admission and planning raise.
        """
        record, also = await self.draft_of(asked, request)
        told = {**headers, **also}
        encoder = asked.encoder(Head(**unpacked(record.meta)["head"]), record.id)
        reply = _Reply(shelf=self, record=record, encoder=encoder, headers=told)
        return reply.stream() if asked.is_stream else await reply.whole(request)

    async def draft_of(self, wanted: Wanted, request: Request) -> tuple[Record, dict[str, str]]:
        """The draft of a request, and headers that tell of it. Raises as ``answer``."""
        owner = owner_of(wanted.caller)
        body_hash = _hashed(wanted.kind, _canonical(await request.body()))
        key = idempotency_key(request)
        idempotency = None if key is None else _hashed(owner, key)
        record = await self._before(owner, idempotency, body_hash, request)
        if record is None:
            started = await self._begin(wanted, owner, idempotency, body_hash)
        else:
            started = Started(record=record, is_new=False)
        headers = {"longhand-draft-id": started.record.id}
        if not started.is_stored:
            headers["longhand-draft-stored"] = "false"
        if not started.is_new:
            headers["idempotent-replayed"] = "true"
            self.on_replay()
        return started.record, headers

    async def _before(
        self, owner: str, idempotency: str | None, body_hash: str, request: Request
    ) -> Record | None:
        """The draft that the very same request began, as far as this process knows."""
        if idempotency is not None:
            return self.scribe.begun(idempotency, body_hash)
        if request.headers.get("x-stainless-retry-count", "0") == "0":
            return None
        # openai-python repeats a request whose connection broke, and says so.
        return await self.scribe.asked_again(owner, body_hash)

    async def _begin(
        self, wanted: Wanted, owner: str, idempotency: str | None, body_hash: str
    ) -> Started:
        ticket, commission = await self.desk.admit(wanted.drafts, wanted.caller, wanted.accept)
        created_s = now_s()
        record = Record(
            id=f"draft_{secrets.token_hex(12)}",
            owner=owner,
            kind=wanted.kind,
            state=State.QUEUED,
            created_s=created_s,
            updated_s=created_s,
            expires_s=None if self.ttl_s is None else created_s + self.ttl_s,
            request=wanted.body,
            meta=packed(
                {
                    **meta_of(wanted.head, commission),
                    "asks_outline": self.desk.answerer.asks_outline,
                }
            ),
            idempotency=idempotency,
            body_hash=body_hash,
        )
        place = Place(desk=self.desk, ticket=ticket, draft_id=record.id)
        accepted = Accepted(commission=commission, claim=place, room=self.desk.room(ticket))
        return await self.scribe.start(record, accepted)


def meta_of(head: Head, commission: Commission) -> dict[str, Any]:
    """What is kept of a request beside its body: what planning it again could not find out."""
    return {
        "model": head.model,
        "head": asdict(head),
        "asked": asdict(commission.rules.asked),
        "outline": commission.outline and asdict(commission.outline),
        "choices": commission.choices,
        "left_out": commission.left_out,
        "prompt_tokens": commission.prompt_tokens,
    }


@dataclass(slots=True, kw_only=True)
class _Reply:
    """One client of a draft."""

    shelf: Shelf
    record: Record
    encoder: Encoder
    headers: dict[str, str]
    is_answered: bool = False

    def stream(self) -> Response:
        return DraftResponse(
            self._frames(),
            release=self._leave,
            keep_alive_s=self.shelf.desk.pace.keep_alive_s,
            headers=self.headers,
            may_lag=True,
        )

    async def whole(self, request: Request) -> Response:
        """The draft in one body once it is over; if the client goes before, it goes on."""
        try:
            body = await unless_gone(self._fold(), request)
            if body is None:
                return Response(status_code=GONE)
            self.is_answered = True
            return Response(body, media_type="application/json", headers=self.headers)
        finally:
            self._leave()

    def _leave(self) -> None:
        if not self.is_answered:
            self.shelf.scribe.left(self.record)
            self.shelf.desk.metrics.disconnects.labels(stage="kept").inc()

    async def _fold(self) -> bytes:
        folded: dict[int, Folded] = {}
        reading: Reading | None = None
        async with aclosing(self.shelf.scribe.follow(self.record.id)) as readings:
            async for reading in readings:
                if isinstance(reading, Told):
                    folded.setdefault(reading.choice.index, Folded()).add(reading.choice)
        assert isinstance(reading, Over), "the last reading says how the draft stands"
        usage = total(*_usage(reading))
        return self.encoder.whole([folded[at] for at in sorted(folded)], usage)

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        """Every frame; always with an end, unless the client goes first."""
        quiet_s = self.shelf.desk.pace.heartbeat_s
        try:
            yield self.encoder.opening()
            follow = self.shelf.scribe.follow(self.record.id, quiet_s=quiet_s)
            async with aclosing(follow) as readings:
                async for reading in readings:
                    if isinstance(reading, Told):
                        frame = self.encoder.chunk(reading.choice, reading.position)
                    elif isinstance(reading, Over):
                        frame = self.encoder.closing(total(*_usage(reading)))
                    else:
                        waits = self.shelf.desk.kept_position(self.record.id)
                        frame = self.encoder.heartbeat(waits)
                    if frame:
                        yield frame
            self.is_answered = True
        except LonghandError as error:
            self.is_answered = True
            yield self.encoder.failed(error)
        except Exception:
            logger.exception("a kept draft could not be read", extra={"draft": self.record.id})
            yield self.encoder.failed(Internal(UNEXPECTED))


def _usage(over: Over) -> tuple[int, list[Any]]:
    """The prompt's tokens and each draft's usage, of a draft that is finished.

    Raises:
        LonghandError: it is not: what it failed of.
    """
    check_finished(over)
    return over.meta.get("prompt_tokens", 0), [one.usage for one in over.ended.values()]


def check_finished(over: Over) -> None:
    """Raises what a client is told of a draft that was not finished."""
    if over.state is State.CANCELLED:
        raise DraftCancelled("this draft was cancelled; what was written is kept")
    if over.state is not State.FINISHED:
        raise over.error or DraftInterrupted(INTERRUPTED)


def owner_of(caller: str) -> str:
    """Whose a caller's drafts are; on an open server they are everybody's."""
    return "" if caller == "anyone" else caller


def idempotency_key(request: Request) -> str | None:
    """The request's Idempotency-Key (draft-ietf-httpapi-idempotency-key-header, section 2.1).

    Raises:
        BadRequest: it is longer than a key should be.
    """
    key = request.headers.get("idempotency-key") or None
    if key is not None and len(key) > _MAX_KEY_CHARS:
        raise BadRequest(
            f"Idempotency-Key: {len(key)} characters; at most {_MAX_KEY_CHARS}",
            param="Idempotency-Key",
        )
    return key


def _hashed(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def _canonical(body: bytes) -> bytes:
    """A JSON body with its keys in order; as it is where orjson is stricter than its reader was."""
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        return body
