"""``POST /v1/plan``: what a chat request would do, before anything is written."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.routes.ceilings import check_words, held, lowered
from server.routes.service import caller_name, ceilings_of, request_id, service_of
from server.routes.work import chat_work
from server.wire.chat import ChatRequest
from server.wire.encode_plan import plan_object

router = APIRouter(tags=["writing"])


@router.post("/v1/plan", response_model=None)
async def create_plan(body: ChatRequest, request: Request) -> Response:
    """The length, budgets and control that a chat request with this body would be written by."""
    service, ceilings = service_of(request), ceilings_of(request)
    service.check_model(body.model)
    body = held(body, ceilings)
    service.metrics.count_unknown(body.unknown)
    # Its order is not needed, but refused here as there.
    brief, _ = chat_work(body, lowered(service.defaults, ceilings), request_id(request))
    layout = service.desk.answerer.layout
    # A length may be asked of the model, so planning takes a place as writing does.
    ticket = service.desk.admission.enter(1, caller_name(request))
    try:
        laid = await layout.plan(brief)
    finally:
        ticket.release()
    check_words(laid.plan.asked, ceilings, "messages")
    shown = plan_object(
        laid.plan,
        template=layout.prompter.source,
        window_tokens=layout.engine.card.window_tokens,
    )
    return JSONResponse(
        {"object": "plan", "model": service.engine.card.model, **shown},
        headers={"x-request-id": request_id(request)},
    )
