"""``POST /v1/completions``: raw text, no template, no channels. Parse, admit, write, answer."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from server.answer import Order
from server.errors import BadRequest
from server.routes.desk import Task
from server.routes.service import caller_name, request_id, service_of
from server.wire.completions import CompletionRequest
from server.wire.encode import Style
from server.wire.encode_completion import CompletionEncoder

router = APIRouter(tags=["writing"])


@router.post("/v1/completions", response_model=None)
async def create_completion(body: CompletionRequest, request: Request) -> Response:
    """Carry on a raw text, streamed or whole."""
    service = service_of(request)
    defaults = service.defaults
    service.check_model(body.model)
    service.metrics.count_unknown(body.unknown)
    prompts = body.prompts()
    head = service.head(request, "cmpl")
    order = Order(
        id=head.id,
        n=body.drafts(defaults.max_n),
        stops=body.stops(),
        priority=body.priority or 0,
        sampling=body.sampling(
            temperature=defaults.temperature, top_p=defaults.top_p, logprobs=body.logprobs
        ),
    )
    style = Style(show_usage=body.wants_usage, show_logprobs=body.logprobs is not None)
    desk = service.desk
    drafts = order.n * len(prompts)
    if drafts > desk.admission.max_running:
        raise BadRequest(
            f"prompt: {drafts} drafts at once are over this server's limit of "
            f"{desk.admission.max_running}",
            param="prompt",
        )
    ticket, commission = await desk.admit(
        drafts,
        caller_name(request),
        lambda: desk.answerer.accept_raw(prompts, order, max_tokens=body.length_tokens),
    )
    task = Task(
        commission=commission,
        ticket=ticket,
        encoder=CompletionEncoder(head, style),
        headers={"x-request-id": request_id(request)},
    )
    return desk.stream(task) if body.wants_stream else await desk.whole(task, request)
