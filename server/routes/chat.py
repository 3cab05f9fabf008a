"""``POST /v1/chat/completions``. Parse, admit, write, answer; nothing else."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from server.answer import Order
from server.routes.desk import Task
from server.routes.service import caller_name, request_id, service_of
from server.wire.chat import ChatRequest, to_brief
from server.wire.encode import Style
from server.wire.encode_chat import ChatEncoder

router = APIRouter(tags=["writing"])


@router.post("/v1/chat/completions", response_model=None)
async def create_chat_completion(body: ChatRequest, request: Request) -> Response:
    """Write an answer to a conversation, planned first, streamed or whole."""
    service = service_of(request)
    defaults = service.defaults
    service.check_model(body.model)
    service.metrics.count_unknown(body.unknown)
    brief = to_brief(body, defaults.efforts)
    head = service.head(request, "chatcmpl")
    rivals = body.rivals()
    order = Order(
        id=head.id,
        n=body.drafts(defaults.max_n),
        stops=body.stops(),
        priority=body.priority or 0,
        best_of=body.candidates(defaults.candidates),
        sampling=body.sampling(
            temperature=defaults.temperature, top_p=defaults.top_p, logprobs=rivals
        ),
    )
    style = Style(
        reasoning_field=defaults.reasoning_field,
        show_reasoning=body.shows_reasoning,
        show_usage=body.wants_usage,
        show_logprobs=rivals is not None,
        show_progress=body.shows_progress,
    )
    desk = service.desk
    ticket, commission = await desk.admit(
        order.drafts, caller_name(request), lambda: desk.answerer.accept(brief, order)
    )
    task = Task(
        commission=commission,
        ticket=ticket,
        encoder=ChatEncoder(head, style, n=order.n),
        headers={"x-request-id": request_id(request)},
    )
    return desk.stream(task) if body.wants_stream else await desk.whole(task, request)
