"""Bodies by the time they take to come. It must not know what is in them."""

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyTime:
    """ASGI middleware: answers 408 to a body that is not there ``timeout_s`` after it was first
    asked for. Who waits for more than the body, waits for the client to go, without a bound."""

    def __init__(self, app: ASGIApp, *, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        until_s: float | None = None
        is_whole = False

        async def timed() -> Message:
            nonlocal until_s, is_whole
            if is_whole:
                return await receive()
            if until_s is None:
                until_s = asyncio.get_running_loop().time() + self._timeout_s
            try:
                async with asyncio.timeout_at(until_s):
                    message = await receive()
            except TimeoutError:
                # FastAPI lets this one through as it is; any other error of a body is a 400 to it.
                raise HTTPException(
                    HTTPStatus.REQUEST_TIMEOUT,
                    f"the body was not there after {self._timeout_s:g} s",
                ) from None
            is_whole = not message.get("more_body", False)
            return message

        await self._app(scope, timed, send)
