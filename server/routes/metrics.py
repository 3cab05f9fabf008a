"""``GET /metrics`` for Prometheus, vLLM's own metrics on the same page."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from server.routes.service import service_of

router = APIRouter(tags=["operations"])


@router.get("/metrics", response_model=None)
async def metrics(request: Request) -> Response:
    """Everything that is counted, in Prometheus' text format."""
    return Response(service_of(request).metrics.page(), media_type=CONTENT_TYPE_LATEST)
