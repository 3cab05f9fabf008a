"""A server-sent-event response that owns its draft: it ends it, and frees its place, on any way
out. It must not know what the frames say."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import AppStatus
from starlette.types import Receive, Scope, Send

from server.edges.bounds import MAY_LAG

# sse-starlette would cut every stream the moment SIGTERM arrives; the host drains them instead.
AppStatus.enable_automatic_graceful_drain = False


class DraftResponse(EventSourceResponse):
    """Streams ``frames`` with a comment every ``keep_alive_s``; ``release`` runs exactly once,
    also when the client has gone before the first byte.

    A client that does not read holds the draft back, and is cut after a while (``edges``); where
    the draft is kept, it goes on without it, and the client ``may_lag``.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        *,
        release: Callable[[], None],
        keep_alive_s: float,
        headers: dict[str, str],
        may_lag: bool = False,
    ) -> None:
        super().__init__(
            frames,
            headers=headers,
            ping=keep_alive_s,
            sep="\n",
            ping_message_factory=lambda: ServerSentEvent(comment="keep-alive", sep="\n"),
        )
        self._frames = frames
        self._release = release
        self._may_lag = may_lag

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[MAY_LAG] = self._may_lag
        try:
            async with aclosing(self._frames):
                await super().__call__(scope, receive, send)
        finally:
            self._release()

    async def _stream_response(self, send: Send) -> None:
        """As sse-starlette's, which opens a cancel scope and writes two log records for each
        event (DECISIONS.md has what that costs)."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        async with aclosing(self._frames) as frames:
            async for frame in frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        async with self._send_lock:
            self.active = False
            await send({"type": "http.response.body", "body": b"", "more_body": False})
