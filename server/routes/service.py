"""What the routes need, as one value on the application. It must not build any of it."""

import secrets
import time
from dataclasses import dataclass

from starlette.requests import Request

from server.callers.caller import Caller, Ceilings
from server.callers.register import Register
from server.edges.bounds import Bounds
from server.engine.supervised import Supervised
from server.errors import BadRequest, NotFound
from server.metrics import Metrics
from server.routes.desk import Desk
from server.routes.kept import Shelf, idempotency_key
from server.wire.chat import Candidates, Efforts
from server.wire.encode import Head, ReasoningField


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where a request says nothing, and the limits it is held to."""

    temperature: float
    top_p: float
    max_n: int
    efforts: Efforts
    candidates: Candidates
    reasoning_field: ReasoningField


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The parts of a running server. ``created`` is the model's date in seconds since 1970; shelf:
    where drafts are kept, None where none are. bounds: what a connection is held to."""

    engine: Supervised
    desk: Desk
    metrics: Metrics
    defaults: Defaults
    created: int
    register: Register
    bounds: Bounds
    shelf: Shelf | None = None

    def check_model(self, model: str | None) -> None:
        """Raises NotFound for a model that is not the served one."""
        served = self.engine.card.model
        if model is not None and model != served:
            raise NotFound(
                f"model: {model!r} is not served here; this server has {served!r}",
                param="model",
                code="model_not_found",
            )

    def head(self, request: Request, prefix: str) -> Head:
        return Head(
            id=f"{prefix}-{request_id(request)}",
            model=self.engine.card.model,
            created=seconds_since_1970(),
        )


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def shelf_for(service: Service, request: Request, store: bool | None) -> Shelf | None:
    """The shelf, if the draft of a request is to be kept: it says so, or says nothing and has an
    Idempotency-Key, which means nothing for a draft that is not.

    Raises:
        BadRequest: it is to be kept, and this server keeps none.
    """
    if store and service.shelf is None:
        raise BadRequest(
            "store: this server keeps no drafts (setting drafts: off); send store: false",
            param="store",
            code="unsupported_parameter",
        )
    wanted = store or (store is None and idempotency_key(request) is not None)
    return service.shelf if wanted else None


def caller_name(request: Request) -> str:
    """Who asks, as the guard found out before the route was reached."""
    caller: Caller = request.state.caller
    return caller.name


def ceilings_of(request: Request) -> Ceilings:
    """What whoever asks may ask for."""
    caller: Caller = request.state.caller
    return caller.ceilings


def request_id(request: Request) -> str:
    """The caller's ``X-Request-Id`` if it is a sane one, else one of ours; the same all along."""
    if not hasattr(request.state, "request_id"):
        given = request.headers.get("x-request-id", "")
        sane = 0 < len(given) <= 128 and given.isascii() and given.isprintable()
        request.state.request_id = given if sane else secrets.token_hex(12)
    found: str = request.state.request_id
    return found


def seconds_since_1970() -> int:
    return time.time_ns() // 1_000_000_000
