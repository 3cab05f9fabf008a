"""``GET /v1/models`` and ``/v1/models/{id}``: what is served, also while it loads."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from server.routes.service import Service, service_of

router = APIRouter(tags=["models"])


@router.get("/v1/models")
async def list_models(request: Request) -> dict[str, Any]:
    """The one model of this server."""
    return {"object": "list", "data": [_card(service_of(request))]}


@router.get("/v1/models/{model:path}")
async def retrieve_model(model: str, request: Request) -> dict[str, Any]:
    """The model of that name; 404 for any other."""
    service = service_of(request)
    service.check_model(model)
    return _card(service)


def _card(service: Service) -> dict[str, Any]:
    """``max_model_len`` is vLLM's addition to OpenAI's card, in tokens."""
    card = service.engine.card
    return {
        "id": card.model,
        "object": "model",
        "created": service.created,
        "owned_by": "longhand",
        "max_model_len": card.window_tokens,
    }
