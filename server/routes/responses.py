"""``/v1/responses``: created, read, followed, cancelled, deleted. Parse, admit, write, answer;
nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from server.drafts.store import Kind
from server.errors import BadRequest, NotFound
from server.routes.ceilings import held, lowered, planned
from server.routes.desk import Task
from server.routes.kept import Shelf, Wanted, owner_of
from server.routes.response_shelf import Reply, Responses, name_of, no_item, turns_of
from server.routes.response_work import Work, kept_body, work_of
from server.routes.service import (
    Service,
    caller_name,
    ceilings_of,
    request_id,
    seconds_since_1970,
    service_of,
    shelf_for,
)
from server.wire.encode import Head
from server.wire.encode_responses import PREFIX, Page, ResponseHead, deleted_object, items_page
from server.wire.response_encoder import ResponsesEncoder
from server.wire.response_input import Turn, read_input
from server.wire.response_sequence import NOTHING_YET
from server.wire.responses import ResponsesRequest

router = APIRouter(tags=["responses"])


@router.post("/v1/responses", response_model=None)
async def create_response(body: ResponsesRequest, request: Request) -> Response:
    """Write an answer, streamed, whole or in the background; kept unless ``store`` is false."""
    service, ceilings = service_of(request), ceilings_of(request)
    service.check_model(body.model)
    service.metrics.count_unknown(body.unknown)
    body = held(body, ceilings)
    shelf = _shelf_for(service, body, request)
    head = replace(service.head(request, "resp"), id=f"{PREFIX}{request_id(request)}")
    turns = await _turns(service, body, request)
    defaults = lowered(service.defaults, ceilings)
    work = work_of(body, turns, head, defaults, stored=shelf is not None)
    if shelf is None:
        return await _unkept(service, work, request)
    return await _kept(shelf, work, head, request)


def _shelf_for(service: Service, body: ResponsesRequest, request: Request) -> Shelf | None:
    """Where the response is to be kept. A server that keeps none answers those who do not ask.

    Raises:
        BadRequest: it must be kept, and cannot be.
    """
    if not body.keeps:
        return None
    asked = body.store or body.background
    return shelf_for(service, request, True) if asked else service.shelf


async def _turns(service: Service, body: ResponsesRequest, request: Request) -> Sequence[Turn]:
    """The whole conversation: of the response before, if there is one, and of the input.

    Raises:
        BadRequest: it refers to what is not there.
    """
    earlier = _responses(service, request)
    said: list[Turn] = []
    if body.previous_response_id is not None:
        if earlier is None:
            raise BadRequest(
                "previous_response_id: this server keeps no drafts (setting drafts: off)",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        said.extend(await earlier.conversation(body.previous_response_id))
    for item in read_input(body.input):
        if isinstance(item, Turn):
            said.append(item)
            continue
        if earlier is None:
            raise no_item(item)
        turn = await earlier.referred(item)
        said.extend([] if turn is None else [turn])
    return said


async def _unkept(service: Service, work: Work, request: Request) -> Response:
    desk, order = service.desk, work.order
    accept = planned(lambda: work.accept(desk.answerer), ceilings_of(request), "input")
    ticket, commission = await desk.admit(order.drafts, caller_name(request), accept)
    head = ResponseHead(id=work.fields["id"], fields=work.fields)
    task = Task(
        commission=commission,
        ticket=ticket,
        encoder=ResponsesEncoder(head, seconds_since_1970),
        headers={"x-request-id": request_id(request)},
    )
    return desk.stream(task) if work.body.wants_stream else await desk.whole(task, request)


async def _kept(shelf: Shelf, work: Work, head: Head, request: Request) -> Response:
    wanted = Wanted(
        kind=Kind.RESPONSE,
        head=head,
        caller=caller_name(request),
        body=kept_body(work),
        drafts=work.order.drafts,
        accept=planned(lambda: work.accept(shelf.desk.answerer), ceilings_of(request), "input"),
    )
    record, headers = await shelf.draft_of(wanted, request)
    reply = Reply(
        responses=Responses(shelf=shelf, owner=record.owner),
        record=record,
        headers={"x-request-id": request_id(request), **headers},
        asked=True,
    )
    if work.body.wants_stream:
        return reply.stream()
    return await reply.now() if work.body.background else await reply.whole(request)


@router.get("/v1/responses/{response_id}", response_model=None)
async def retrieve_response(
    response_id: str,
    request: Request,
    stream: bool = False,
    starting_after: Annotated[int, Query(ge=0)] | None = None,
    include_obfuscation: bool = False,
) -> Response:
    """A response as it stands; or its events, those behind ``starting_after``, as they come."""
    if include_obfuscation:
        raise BadRequest(
            "include_obfuscation: deltas are sent as they are",
            param="include_obfuscation",
            code="unsupported_parameter",
        )
    reply = await _reply(response_id, request)
    after = NOTHING_YET if starting_after is None else starting_after
    return reply.stream(after) if stream else await reply.now()


@router.post("/v1/responses/{response_id}/cancel", response_model=None)
async def cancel_response(response_id: str, request: Request) -> Response:
    """Ends a response where it is; one that is over stays as it is."""
    reply = await _reply(response_id, request)
    await reply.responses.shelf.scribe.cancel(reply.record.id)
    return await (await _reply(response_id, request)).now()


@router.delete("/v1/responses/{response_id}")
async def delete_response(response_id: str, request: Request) -> dict[str, Any]:
    """Deletes a response, cancelled first if it is being written."""
    reply = await _reply(response_id, request)
    await reply.responses.shelf.scribe.delete(reply.record.id)
    return deleted_object(name_of(reply.record))


@router.get("/v1/responses/{response_id}/input_items")
async def list_input_items(
    response_id: str,
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """The conversation that a response answers, the last message first."""
    reply = await _reply(response_id, request)
    page = Page(limit=limit, descending=order == "desc", after=after)
    return items_page(turns_of(reply.record), page)


def _responses(service: Service, request: Request) -> Responses | None:
    if service.shelf is None:
        return None
    return Responses(shelf=service.shelf, owner=owner_of(caller_name(request)))


async def _reply(response_id: str, request: Request) -> Reply:
    responses = _responses(service_of(request), request)
    if responses is None:
        raise NotFound("this server keeps no drafts (setting drafts: off)", code="drafts_off")
    record = await responses.find(response_id)
    headers = {"x-request-id": request_id(request), "longhand-draft-id": record.id}
    return Reply(responses=responses, record=record, headers=headers)
