"""Is the process alive, and can it write? Two questions, two answers (live is not ready)."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from server import __version__
from server.engine.supervised import Health
from server.routes.service import service_of

router = APIRouter(tags=["operations"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """200 as long as the process answers: a reason to restart it only if this fails."""
    return {"status": "live"}


@router.get("/health/ready", response_model=None)
@router.get("/health", response_model=None)
async def ready(request: Request) -> JSONResponse:
    """200 when the server takes work; 503 with the reason while the model loads, once the engine
    is dead or all that it stands before are away, and while running drafts finish
    before the process ends."""
    service = service_of(request)
    engine = service.engine
    status, reason = engine.state()
    if status is Health.READY and service.desk.admission.closed:
        status, reason = Health.STOPPED, "the server is shutting down"
    elif status is Health.READY and service.shelf and service.shelf.scribe.why_not_ready:
        status, reason = Health.DEAD, f"drafts: {service.shelf.scribe.why_not_ready}"
    body: dict[str, Any] = {"status": status.value, "model": engine.card.model}
    if status is Health.READY:
        return JSONResponse(body)
    return JSONResponse({**body, "reason": reason}, HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/version")
async def version() -> dict[str, str]:
    """Longhand's version."""
    return {"version": __version__}
