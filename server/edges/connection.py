"""uvicorn's HTTP connection, held to bounds that it has none of itself. It must not know requests.

uvicorn 0.54 with httptools takes any number of headers of any size, waits for ever for the rest of
a request, and waits for ever for a client that does not read: its only time-out is for connections
that idle between two requests (``timeout_keep_alive``).
"""

import asyncio
from http import HTTPStatus
from typing import ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from server.edges.bounds import MAY_LAG, Bounds
from server.edges.deadline import Deadline

# How long a client may still send what nobody wants, so that it reads the answer first: closed at
# once, TCP would throw that away (RFC 9112, section 9.6).
_LINGER_S = 5.0


class Connection(HttpToolsProtocol):
    """One connection. ``bounds`` are a subclass's, made by ``bounded``."""

    bounds: ClassVar[Bounds] = Bounds()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # uvicorn's own narrows its base class in the same way.
        super().connection_made(transport)
        self._reading, self._writing = Deadline(self.loop), Deadline(self.loop)
        # Of headers that are not complete; None while a body comes or an answer is written.
        self._header_bytes: int | None = 0
        self._is_asked = self._is_whole = self._is_over = False
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reading.stop()
        self._writing.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        before = self._header_bytes
        super().data_received(data)
        if self._is_over or self.transport.is_closing():
            return
        if before is not None and self._header_bytes is not None:
            # All of it belongs to headers that are not complete; a single one may be endless.
            self._header_bytes += len(data)
            self._check_headers()
        elif self._is_idle and not self._reading.is_set:
            # Blank lines between two requests, which end uvicorn's own time-out.
            self._await_headers()

    @property
    def _is_idle(self) -> bool:
        return self._is_whole and self.cycle.response_complete

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_asked, self._is_whole = True, False
        self._header_bytes = 0
        self._await_headers()

    def on_headers_complete(self) -> None:
        self._reading.stop()
        sizes = [len(name) + len(value) for name, value in self.headers]
        self._header_bytes = len(self.url) + sum(sizes)
        if self._check_headers():
            self._header_bytes = None
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_whole = True
        if not self._is_over:
            self._reading.stop()
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self._is_whole:
            self._reading.start(_LINGER_S, self.transport.close)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing.start(self.bounds.send_timeout_s, self._cut_reader)

    def resume_writing(self) -> None:
        self._writing.stop()
        super().resume_writing()

    def _await_headers(self) -> None:
        self._reading.start(self.bounds.receive_timeout_s, self._cut_headers)

    def _check_headers(self) -> bool:
        """Whether the headers are within bounds; if not, the connection is over."""
        size, number = self._header_bytes or 0, len(self.headers or ())
        if size <= self.bounds.max_header_bytes and number <= self.bounds.max_headers:
            return True
        self._end(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            f"headers: at most {self.bounds.max_headers}, with the request's first line at most "
            f"{self.bounds.max_header_bytes} bytes",
        )
        return False

    def _cut_headers(self) -> None:
        if not self._is_asked:
            # Nothing was asked, so there is nothing to answer: browsers open spare connections.
            self.transport.close()
            return
        self._end(
            HTTPStatus.REQUEST_TIMEOUT,
            "slow_headers",
            f"headers: not complete within {self.bounds.receive_timeout_s:g} s",
        )

    def _cut_reader(self) -> None:
        if self.cycle.scope["state"].get(MAY_LAG):
            return
        self.bounds.on_cut("slow_reader")
        # ``close`` would wait until the client has read what lies in the buffer.
        self.transport.abort()

    def _end(self, status: HTTPStatus, code: str, message: str) -> None:
        """The last answer on this connection, to a request that the application never sees."""
        self._is_over = True
        self.bounds.on_cut(code)
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        body = orjson.dumps({"error": error})
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json\r\nconnection: close\r\n"
            + b"content-length: %d\r\n\r\n" % len(body)
            + body
        )
        self._reading.start(_LINGER_S, self.transport.close)


def bounded(bounds: Bounds) -> type[asyncio.Protocol]:
    """The class of connections that are held to ``bounds``."""
    return type("BoundedConnection", (Connection,), {"bounds": bounds})
