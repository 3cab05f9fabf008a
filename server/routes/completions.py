"""``POST /v1/completions``: raw text, no template, no channels. Parse, admit, write, answer."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from server.answer import Commission
from server.drafts.store import Kind
from server.errors import BadRequest
from server.routes.ceilings import held
from server.routes.desk import Task
from server.routes.kept import Asked
from server.routes.service import caller_name, ceilings_of, request_id, service_of, shelf_for
from server.routes.work import completion_body, completion_work
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
    body = held(body, ceilings_of(request))
    service.metrics.count_unknown(body.unknown)
    prompts = body.prompts()
    head = service.head(request, "cmpl")
    order = completion_work(body, defaults, head.id)
    style = Style(show_usage=body.wants_usage, show_logprobs=body.logprobs is not None)
    desk, caller = service.desk, caller_name(request)
    drafts = order.n * len(prompts)
    if drafts > desk.admission.max_running:
        raise BadRequest(
            f"prompt: {drafts} drafts at once are over this server's limit of "
            f"{desk.admission.max_running}",
            param="prompt",
        )

    async def accept() -> Commission:
        return await desk.answerer.accept_raw(prompts, order, max_tokens=body.length_tokens)

    headers = {"x-request-id": request_id(request)}
    shelf = shelf_for(service, request, body.store)
    if shelf is not None:
        asked = Asked(
            kind=Kind.COMPLETION,
            head=head,
            caller=caller,
            body=completion_body(body, order),
            drafts=drafts,
            accept=accept,
            encoder=lambda head, draft_id: CompletionEncoder(head, style, draft_id=draft_id),
            is_stream=body.wants_stream,
        )
        return await shelf.answer(asked, request, headers)
    ticket, commission = await desk.admit(drafts, caller, accept)
    encoder = CompletionEncoder(head, style)
    task = Task(commission=commission, ticket=ticket, encoder=encoder, headers=headers)
    return desk.stream(task) if body.wants_stream else await desk.whole(task, request)
