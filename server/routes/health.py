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
    """200 when the engine takes work; 503 with the reason while it loads or once it is dead."""
    engine = service_of(request).engine
    is_ready = engine.health is Health.READY
    body: dict[str, Any] = {"status": engine.health.value, "model": engine.card.model}
    if not is_ready:
        body["reason"] = engine.reason
    return JSONResponse(body, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/version")
async def version() -> dict[str, str]:
    """Longhand's version."""
    return {"version": __version__}
