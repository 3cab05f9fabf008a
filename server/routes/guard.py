"""Before a body is read: whose request it is, and whether his minute has room for it. It must not
know what is asked for."""

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.callers.register import Register
from server.errors import RateLimited, Unauthorized
from server.routes.refusals import refusal

# What asks for work; to look, to cancel and to delete costs nothing.
_WORK = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/plan"})


class Guard:
    """ASGI middleware: everything under /v1 needs a key, where keys are asked for, and work a place
    in its caller's minute. Health, version, metrics and docs stay open, as scrapers and probes have
    no key."""

    def __init__(self, app: ASGIApp, *, register: Register) -> None:
        self._app = app
        self._register = register

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1"):
            await self._app(scope, receive, send)
            return
        try:
            caller = self._register.caller(Headers(scope=scope))
        except Unauthorized as error:
            await refusal(error, Request(scope))(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        if scope["method"] != "POST" or scope["path"] not in _WORK:
            await self._app(scope, receive, send)
            return
        try:
            self._register.enter(caller)
        except RateLimited as error:
            told = self._register.rates.headers(caller)
            await refusal(error, Request(scope), told)(scope, receive, send)
            return
        await self._app(scope, receive, _with(send, self._register.rates.headers(caller)))


def _with(send: Send, headers: Mapping[str, str]) -> Send:
    """``send`` that puts headers on the answer."""
    if not headers:
        return send

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return sent
