"""The part of the composition root that lets callers in: settings to keys, bounds and middleware.
Built here only."""

from ipaddress import ip_address

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from server.callers.caller import Ceilings
from server.callers.key_file import BadKeyFile
from server.callers.keyring import Keyring
from server.callers.keys import Keys, keys_of
from server.callers.register import Register
from server.edges.bounds import Bounds
from server.edges.receiving import BodyTime
from server.errors import CannotServe
from server.limits import BodyLimit
from server.metrics import Measured, Metrics
from server.routes.access import Access
from server.routes.guard import Guard
from server.routes.service import Service
from server.settings import Settings

# What a page in a browser may read of an answer beside its body.
_EXPOSED = (
    "x-request-id", "retry-after", "longhand-draft-id", "longhand-draft-stored",
    *(f"x-ratelimit-{word}-requests" for word in ("limit", "remaining", "reset")),
    *(f"x-ratelimit-{word}-tokens" for word in ("limit", "remaining", "reset")),
)  # fmt: skip


def register(settings: Settings, metrics: Metrics) -> Register:
    """The callers of a server.

    Raises:
        CannotServe: keys that are none, or a server that anybody could use.
    """
    problem = openness(settings)
    if problem:
        raise CannotServe(problem)
    keyring = Keyring(
        path=settings.keys_file, always=_always(settings), on_read=metrics.callers.count_reading
    )
    made = Register(keyring=keyring, metrics=metrics.callers)
    try:
        keyring.open()
    except BadKeyFile as error:
        raise CannotServe(f"keys_file: {error}; `longhand keys add NAME` makes one") from None
    return made


def asks_for_keys(settings: Settings) -> bool:
    return bool(settings.api_keys) or settings.keys_file is not None


def openness(settings: Settings) -> str | None:
    """Why these settings would let anybody in; None if they do not, or shall."""
    if asks_for_keys(settings) or settings.allow_anonymous or is_loopback(settings.host):
        return None
    return (
        f"host {settings.host!r} is reached from beyond this machine, and there are no API keys: "
        "anybody could use the server. Make a key (`longhand keys add NAME --file keys.jsonl`) and "
        "set keys_file, or api_keys; or set allow_anonymous: true"
    )


def is_loopback(host: str) -> bool:
    """Whether a server that listens there is reached from this machine alone. A name other than
    localhost may mean any address, so it does not count."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _always(settings: Settings) -> Keys:
    try:
        keys = keys_of(key.get_secret_value() for key in settings.api_keys)
    except ValueError as error:
        raise CannotServe(f"api_keys: {error}") from None
    return Keys(
        keys=keys,
        is_open=not asks_for_keys(settings),
        default=Ceilings(
            requests_per_minute=settings.requests_per_minute_per_key,
            tokens_per_minute=settings.tokens_per_minute_per_key,
            max_drafts=settings.max_drafts_per_key,
        ),
    )


def bounds(settings: Settings, metrics: Metrics) -> Bounds:
    """What a connection is held to before a request of it is seen."""
    return Bounds(
        max_header_bytes=settings.max_header_bytes,
        max_headers=settings.max_headers,
        receive_timeout_s=settings.receive_timeout_s,
        send_timeout_s=settings.send_timeout_s,
        trusted_proxies=settings.trusted_proxies,
        on_cut=lambda reason: metrics.callers.cut.labels(reason=reason).inc(),
    )


def stand_before(app: FastAPI, settings: Settings, service: Service) -> None:
    """Puts what every request passes before the routes of an application."""
    # The last one added is the outermost: its line and id, its measure, a page's origin, the key,
    # then the body's time and size.
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(BodyTime, timeout_s=settings.receive_timeout_s)
    app.add_middleware(Guard, register=service.register)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("*",),
            expose_headers=_EXPOSED,
        )
    app.add_middleware(Measured, metrics=service.metrics)
    app.add_middleware(Access)
