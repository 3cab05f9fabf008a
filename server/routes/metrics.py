"""``GET /metrics`` for Prometheus, vLLM's own metrics on the same page."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from server.engine.supervised import Health
from server.routes.service import service_of

router = APIRouter(tags=["operations"])


@router.get("/metrics", response_model=None)
async def metrics(request: Request) -> Response:
    """Everything that is counted, in Prometheus' text format."""
    service = service_of(request)
    service.metrics.engine_up.set(service.engine.health is Health.READY)
    service.metrics.queue_depth.set(service.desk.admission.queued)
    return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)
