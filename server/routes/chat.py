"""``POST /v1/chat/completions``. Parse, admit, write, answer; nothing else."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from server.drafts.store import Kind
from server.routes.ceilings import held, lowered, planned
from server.routes.desk import Task
from server.routes.kept import Asked
from server.routes.service import caller_name, ceilings_of, request_id, service_of, shelf_for
from server.routes.work import chat_body, chat_work
from server.wire.chat import ChatRequest
from server.wire.encode import Style
from server.wire.encode_chat import ChatEncoder

router = APIRouter(tags=["writing"])


@router.post("/v1/chat/completions", response_model=None)
async def create_chat_completion(body: ChatRequest, request: Request) -> Response:
    """Write an answer to a conversation, planned first, streamed or whole."""
    service, ceilings = service_of(request), ceilings_of(request)
    service.check_model(body.model)
    body = held(body, ceilings)
    service.metrics.count_unknown(body.unknown)
    head = service.head(request, "chatcmpl")
    brief, order = chat_work(body, lowered(service.defaults, ceilings), head.id)
    style = Style(
        reasoning_field=service.defaults.reasoning_field,
        show_reasoning=body.shows_reasoning,
        show_usage=body.wants_usage,
        show_logprobs=order.sampling.logprobs is not None,
        show_progress=body.shows_progress,
    )
    desk, caller = service.desk, caller_name(request)
    headers = {"x-request-id": request_id(request)}
    accept = planned(lambda: desk.answerer.accept(brief, order), ceilings, "messages")
    shelf = shelf_for(service, request, body.store)
    if shelf is not None:
        asked = Asked(
            kind=Kind.CHAT,
            head=head,
            caller=caller,
            body=chat_body(body, order, brief.reasoning_tokens),
            drafts=order.drafts,
            accept=accept,
            encoder=lambda head, draft_id: ChatEncoder(head, style, n=order.n, draft_id=draft_id),
            is_stream=body.wants_stream,
        )
        return await shelf.answer(asked, request, headers)
    ticket, commission = await desk.admit(order.drafts, caller, accept)
    encoder = ChatEncoder(head, style, n=order.n)
    task = Task(commission=commission, ticket=ticket, encoder=encoder, headers=headers)
    return desk.stream(task) if body.wants_stream else await desk.whole(task, request)
