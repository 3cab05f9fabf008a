"""``/v1/drafts``: kept drafts listed, read, followed, carried on, cancelled, deleted. A key sees
its own."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from server.drafts.output import Told
from server.drafts.reading import Over
from server.drafts.scribe import Scribe
from server.drafts.store import Record
from server.errors import UNEXPECTED, BadRequest, Internal, LonghandError, NotFound
from server.routes.kept import owner_of
from server.routes.service import Service, caller_name, request_id, service_of
from server.sse import DraftResponse
from server.wire.encode_drafts import (
    draft_object,
    error_frame,
    list_object,
    over_frame,
    told_frame,
)

logger = logging.getLogger(__name__)

router = APIRouter(tags=["drafts"])


@router.get("/v1/drafts")
async def list_drafts(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: str | None = None,
) -> dict[str, Any]:
    """The caller's drafts, newest first, without their texts; ``before``: those older than it."""
    scribe = _scribe(service_of(request))
    owner = owner_of(caller_name(request))
    records = await scribe.list(owner, limit=limit + 1, before=before)
    told = [
        draft_object(one, output=None, position=scribe.position(one.id)) for one in records[:limit]
    ]
    return list_object(told, has_more=len(records) > limit)


@router.get("/v1/drafts/{draft_id}")
async def retrieve_draft(draft_id: str, request: Request) -> dict[str, Any]:
    """A draft with its text so far."""
    scribe, record = await _found(draft_id, request)
    return draft_object(record, output=await scribe.output(record), position=None)


@router.post("/v1/drafts/{draft_id}/cancel")
async def cancel_draft(draft_id: str, request: Request) -> dict[str, Any]:
    """Ends a draft where it is; one that is over stays as it is."""
    scribe, _ = await _found(draft_id, request)
    await scribe.cancel(draft_id)
    return await retrieve_draft(draft_id, request)


@router.post("/v1/drafts/{draft_id}/resume", status_code=HTTPStatus.ACCEPTED)
async def resume_draft(draft_id: str, request: Request) -> dict[str, Any]:
    """Has a draft carried on that was left interrupted; 409 for any other."""
    scribe, record = await _found(draft_id, request)
    await scribe.resume(record)
    return await retrieve_draft(draft_id, request)


@router.delete("/v1/drafts/{draft_id}")
async def delete_draft(draft_id: str, request: Request) -> dict[str, Any]:
    """Deletes a draft, cancelled first if it is being written."""
    scribe, _ = await _found(draft_id, request)
    await scribe.delete(draft_id)
    return {"id": draft_id, "object": "draft.deleted", "deleted": True}


@router.get("/v1/drafts/{draft_id}/events", response_model=None)
async def follow_draft(
    draft_id: str,
    request: Request,
    after: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """What a draft shows behind a position, and goes on to show, as server-sent events."""
    scribe, _ = await _found(draft_id, request)
    position = _last_position(request) if after is None else after
    return DraftResponse(
        _events(scribe, draft_id, position),
        release=_nothing,
        keep_alive_s=service_of(request).desk.pace.keep_alive_s,
        headers={"x-request-id": request_id(request), "longhand-draft-id": draft_id},
        may_lag=True,
    )


def _nothing() -> None:
    """A reader holds no place."""


async def _events(scribe: Scribe, draft_id: str, after: int) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(scribe.follow(draft_id, after=after)) as readings:
            async for reading in readings:
                if isinstance(reading, Told):
                    yield told_frame(reading)
                else:
                    assert isinstance(reading, Over), "without quiet_s nothing is quiet"
                    yield over_frame(reading)
    except LonghandError as error:
        yield error_frame(error)
    except Exception:
        logger.exception("a draft could not be read", extra={"draft": draft_id})
        yield error_frame(Internal(UNEXPECTED))


def _last_position(request: Request) -> int:
    """What a browser that reconnects says it had."""
    given = request.headers.get("last-event-id", "").strip()
    if not given:
        return 0
    if not (given.isascii() and given.isdigit()):
        raise BadRequest("Last-Event-ID: a position, as in the events' ids", param="Last-Event-ID")
    return int(given)


async def _found(draft_id: str, request: Request) -> tuple[Scribe, Record]:
    scribe = _scribe(service_of(request))
    return scribe, await scribe.find(draft_id, owner_of(caller_name(request)))


def _scribe(service: Service) -> Scribe:
    if service.shelf is None:
        raise NotFound("this server keeps no drafts (setting drafts: off)", code="drafts_off")
    return service.shelf.scribe
