"""The way to one server over HTTP: calls, streams, time-outs. It must not know what they mean."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import Any, cast
from urllib.parse import quote

import httpx
import orjson

from server import __version__
from server.engine.upstream.access import UpstreamOptions, certificates
from server.engine.upstream.faults import LOST, STALLED, Broken, refusal
from server.errors import LonghandError

logger = logging.getLogger(__name__)

# uvicorn, and so vLLM, closes a connection that was idle for 5 s (VLLM_HTTP_TIMEOUT_KEEP_ALIVE).
_KEEP_ALIVE_S = 4.0
# What of an id goes into a header as it is.
_SAFE = "!#$&'*+,/:;=?@^_`|~()[]{}<>"
# For a call that generates nothing; reading the body included.
_CALL_S = 15.0
# How long the last byte of a finished stream may take, so that its connection is used again.
_DRAIN_S = 0.25
_MAX_CALL_BYTES = 16 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
# The connection went before an answer began: the server had closed it when it was idle.
_GONE = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


class Incoming:
    """A streamed answer, in chunks as they come."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks

    async def read(self, within_s: float) -> bytes:
        """The next bytes; none once the answer is over.

        Raises:
            Broken: nothing came in time, or the connection broke.
        """
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                return await anext(self._chunks, b"")
        except TimeoutError:
            raise Broken(f"sent nothing for {within_s:.3g} s", code=STALLED) from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise Broken(_said(error), code=LOST) from None

    async def drain(self) -> None:
        """Reads on to the end, for a moment: only then is the connection free for another."""
        with suppress(Broken):
            while await self.read(_DRAIN_S):
                pass


class Link:
    """Connections to one address: opened as needed, as many as there are streams, used again.

    ip: one of those that the address's name stands for, to connect to; None: any.
    """

    def __init__(self, address: str, options: UpstreamOptions, ip: str | None = None) -> None:
        self._address = address
        self._options = options
        self._http: httpx.AsyncClient | None = None
        url = httpx.URL(address)
        # The name stays in ``Host`` and in what the certificate is checked for.
        self._host = url.netloc.decode()
        self._extensions = {"sni_hostname": url.host}
        self._url = str(url if ip is None else url.copy_with(host=ip)).rstrip("/")

    def open(self) -> None:
        options, headers = self._options, {"user-agent": f"longhand/{__version__}"}
        # A compressed stream would be held back until a block is full.
        headers["accept-encoding"] = "identity"
        if options.key is not None:
            headers["authorization"] = f"Bearer {options.key}"
        secure = self._address.startswith("https:")
        self._http = httpx.AsyncClient(
            headers=headers,
            verify=certificates(options.ca_file) if secure else False,
            timeout=httpx.Timeout(None, connect=options.patience.connect_s),
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=None,
                keepalive_expiry=_KEEP_ALIVE_S,
            ),
            trust_env=False,
        )

    async def close(self) -> None:
        """Ends every call and stream there is."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def get(self, path: str) -> Any:
        """What a GET answers as JSON.

        Raises:
            Broken: there is no such answer.
        """
        return _json(await self.text("GET", path))

    async def post(self, path: str, body: Any) -> Any:
        """What a POST of JSON answers as JSON; raises as ``get``."""
        return _json(await self.text("POST", path, body))

    async def text(self, method: str, path: str, body: Any = None) -> bytes:
        """The body of an answer that is a success; raises as ``get``."""
        try:
            async with asyncio.timeout(_CALL_S):
                async with self._answer(method, path, body, {}) as response:
                    return await _body(response, _MAX_CALL_BYTES)
        except TimeoutError:
            raise Broken(f"did not answer within {_CALL_S:g} s", code=STALLED) from None
        except httpx.HTTPError as error:
            raise Broken(_said(error), code=LOST) from None
        except LonghandError as error:
            # It says nothing of a caller's request.
            raise Broken(f"refused a call: {error}") from None

    @asynccontextmanager
    async def stream(
        self, path: str, body: Any, *, request_id: str, kind: str, within_s: float
    ) -> AsyncGenerator[Incoming, None]:
        """A POST whose answer streams; ``kind`` is the content type that it must have.

        Leaving the context closes the connection unless all was read: the server then aborts.

        Raises:
            Broken: no answer within ``within_s``, or another content type.
            LonghandError: the answer says that the request is wrong.
        """
        answer = self._answer("POST", path, body, {"x-request-id": quote(request_id, safe=_SAFE)})
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(within_s):
                    response = await stack.enter_async_context(answer)
            except TimeoutError:
                raise Broken(f"sent nothing for {within_s:.3g} s", code=STALLED) from None
            except httpx.HTTPError as error:
                raise Broken(_said(error), code=LOST) from None
            _check_kind(response, kind)
            yield Incoming(await stack.enter_async_context(aclosing(_chunks(response))))

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> AsyncGenerator[httpx.Response, None]:
        """An answer that is a success, its body unread."""
        content = None if body is None else orjson.dumps(body)
        if content is not None:
            headers = {**headers, "content-type": "application/json"}
        response = await self._sent(method, path, content, headers)
        try:
            if not response.is_success:
                raise refusal(
                    response.status_code,
                    response.headers,
                    await _body(response, _MAX_ERROR_BYTES, cut=True),
                )
            yield response
        finally:
            await response.aclose()

    async def _sent(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        """Sends a request, and once more where its connection had been closed under it."""
        try:
            return await self._once(method, path, content, headers)
        except _GONE:
            logger.debug("connection was gone, asked again", extra={"upstream": self._address})
            return await self._once(method, path, content, headers)

    async def _once(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        if self._http is None:
            raise Broken("is no longer asked: the engine was closed", code=LOST)
        request = self._http.build_request(
            method,
            self._url + path,
            content=content,
            headers={"host": self._host, **headers},
            extensions=self._extensions,
        )
        return await self._http.send(request, stream=True)


def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    return cast(AsyncGenerator[bytes, None], response.aiter_raw())


async def _body(response: httpx.Response, max_bytes: int, *, cut: bool = False) -> bytes:
    body = bytearray()
    async with aclosing(_chunks(response)) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > max_bytes:
                if cut:
                    break
                raise Broken("sent an answer without an end")
    return bytes(body[:max_bytes])


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        raise Broken("answered with something that is no JSON") from None


def _check_kind(response: httpx.Response, kind: str) -> None:
    told = response.headers.get("content-type", "no content type").split(";")[0].strip().lower()
    if told != kind:
        raise Broken(f"sent {told[:80]}, not {kind}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Broken("sent a compressed stream, which nobody asked for")


def _said(error: httpx.HTTPError | httpx.StreamError) -> str:
    """httpx's own words name its parts, and for a closed connection there are none."""
    match error:
        case httpx.ConnectTimeout():
            return "could not be reached in time"
        case httpx.ConnectError():
            return f"could not be reached: {str(error).rstrip('.') or 'no connection'}"
        case httpx.RemoteProtocolError():
            return "broke off its answer, or sent one that is no HTTP"
        case _:
            return "lost the connection"
