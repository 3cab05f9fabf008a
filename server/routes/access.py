"""One line in the log for each request, and its id on each response. No text of a request is in it.

The route is named by its pattern: what a caller puts into a path is a caller's text.
"""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.callers.caller import Caller
from server.callers.register import SPENT, Spent
from server.routes.service import request_id

logger = logging.getLogger(__name__)

# Probes and scrapers ask every few seconds; they are told of where somebody looks for trouble.
_QUIET = ("/health", "/metrics")
# A client that goes before the headers is answered by nobody; nginx logs that as 499.
_GONE = 499


class Access:
    """ASGI middleware, the outermost but for the server's own."""

    def __init__(self, app: ASGIApp, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given_id = request_id(Request(scope))
        started_s = self._monotonic()
        status: int = _GONE

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault("x-request-id", given_id)
            await send(message)

        spent = Spent()
        token = SPENT.set(spent)
        try:
            await self._app(scope, receive, named)
        except Exception:
            # Starlette answers it, outside of every middleware.
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            SPENT.reset(token)
            level = logging.DEBUG if scope["path"].startswith(_QUIET) else logging.INFO
            fields = {**_told(scope), "status": int(status), "tokens": spent.tokens}
            fields["ms"] = round((self._monotonic() - started_s) * 1000, 1)
            logger.log(level, "request", extra={"request_id": given_id, **fields})


def _told(scope: Scope) -> dict[str, Any]:
    caller: Caller | None = scope.get("state", {}).get("caller")
    client = scope.get("client")
    return {
        "caller": None if caller is None else caller.label,
        "client": None if client is None else client[0],
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", "other"),
    }
