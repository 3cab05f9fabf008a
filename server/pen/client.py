"""Talks to a server over HTTP: models, streams of text, stored drafts. It must not try again."""

import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from httpx_sse import EventSource, ServerSentEvent

from server import __version__
from server.pen.address import Address
from server.pen.events import Event, Garbled, fault_of, of_chat, of_draft
from server.pen.outcomes import Broken, Refused
from server.pen.patience import advised_s

DRAFT_HEADER = "longhand-draft-id"
_CONNECT_S = 10.0
# A Longhand sends a comment every 15 s by default; four times that is a connection that is gone.
_STORED_READ_S = 60.0
# Others may think for minutes before the first byte: what openai-python waits (its default).
_PLAIN_READ_S = 600.0
# Too busy, too early, not there now. With 409 the server says when to come again, or means it.
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_REASON_CHARS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The model that a server would write with; ``is_longhand``: whether drafts can be stored."""

    model: str
    is_longhand: bool


class Stream:
    """A response that is being received; ``draft_id`` is None where no draft is stored."""

    def __init__(self, response: httpx.Response, *, is_chat: bool) -> None:
        self._response = response
        self._is_chat = is_chat
        self.draft_id: str | None = response.headers.get(DRAFT_HEADER)

    async def events(self) -> AsyncGenerator[Event, None]:
        """What is said until the connection ends, which need not be the end of the draft.

        Raises:
            Broken: the connection broke off, or what came is no event stream.
        """
        kind = self._response.headers.get("content-type", "nothing that it names")
        if "text/event-stream" not in kind:
            raise Broken(f"the server sent no event stream but {kind}", sent=True)
        try:
            async with aclosing(EventSource(self._response).aiter_sse()) as frames:
                async for frame in frames:
                    # A comment between events that have ids makes an empty event.
                    if frame.data:
                        for event in self._read(frame):
                            yield event
        except httpx.RequestError as error:
            raise Broken(_said(error), sent=True) from None
        except Garbled as error:
            raise Broken(f"the server sent no event stream: {error}", sent=True) from None

    def _read(self, frame: ServerSentEvent) -> Iterator[Event]:
        return of_chat(frame.data) if self._is_chat else of_draft(frame.event, frame.data)


class Client:
    """One server. An asynchronous context manager: its connections are closed at the end."""

    def __init__(self, address: Address) -> None:
        headers = {
            "accept": "application/json, text/event-stream",
            "user-agent": f"longhand/{__version__}",
        }
        if address.key is not None:
            headers["authorization"] = f"Bearer {address.key}"
        self.url = address.url
        self._http = httpx.AsyncClient(
            base_url=address.url,
            headers=headers,
            timeout=httpx.Timeout(_STORED_READ_S, connect=_CONNECT_S),
            # Reading the certificates takes longer than many an answer; here nobody asks for them.
            verify=address.url.startswith("https:"),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def served(self, model: str | None) -> Served:
        """What the server would write with: ``model``, or the first that it names.

        Raises:
            Broken, Refused: there is no server, it wants a key, or no model is known.
        """
        try:
            told = await self._json("GET", "/v1/models")
        except Refused as error:
            # Small servers have no such route; then somebody must say which model.
            if model is None or error.status not in (404, 405, 501):
                raise
            return Served(model=model, is_longhand=False)
        cards = [card for card in told.get("data") or () if isinstance(card, dict)]
        names = [card["id"] for card in cards if isinstance(card.get("id"), str)]
        if model is None and not names:
            raise Refused("the server names no model; say which with --model", status=200)
        owners = {card.get("owned_by") for card in cards}
        return Served(model=model or names[0], is_longhand="longhand" in owners)

    @asynccontextmanager
    async def chat(
        self, body: Mapping[str, Any], idempotency_key: str | None
    ) -> AsyncGenerator[Stream, None]:
        """Asks for a streamed chat completion. With a key, asking again starts no second draft.

        Raises:
            Broken, Refused: no answer, or one that says no.
        """
        headers = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        read_s = _PLAIN_READ_S if idempotency_key is None else _STORED_READ_S
        timeout = httpx.Timeout(_CONNECT_S, read=read_s)
        request = self._http.build_request(
            "POST", "/v1/chat/completions", json=dict(body), headers=headers, timeout=timeout
        )
        async with self._streamed(request) as response:
            yield Stream(response, is_chat=True)

    @asynccontextmanager
    async def events(self, draft_id: str, after: int) -> AsyncGenerator[Stream, None]:
        """Follows a stored draft from a position on.

        Raises:
            Broken, Refused: no answer, or one that says no.
        """
        request = self._http.build_request(
            "GET", f"{_path(draft_id)}/events", params={"after": after}
        )
        async with self._streamed(request) as response:
            yield Stream(response, is_chat=False)

    async def drafts(self, *, limit: int, before: str | None) -> Mapping[str, Any]:
        """A page of the stored drafts, newest first."""
        params: dict[str, str | int] = {"limit": limit}
        if before is not None:
            params["before"] = before
        return await self._json("GET", "/v1/drafts", params=params)

    async def draft(self, draft_id: str) -> Mapping[str, Any]:
        """A stored draft as it is now."""
        return await self._json("GET", _path(draft_id))

    async def cancel(self, draft_id: str) -> Mapping[str, Any]:
        """Ends a draft; what is written of it stays."""
        return await self._json("POST", f"{_path(draft_id)}/cancel")

    async def resume(self, draft_id: str) -> Mapping[str, Any]:
        """Has a draft carried on that was left interrupted; refused with 409 if it was not."""
        return await self._json("POST", f"{_path(draft_id)}/resume")

    async def delete(self, draft_id: str) -> None:
        """Removes a draft from the store."""
        await self._json("DELETE", _path(draft_id))

    async def _json(self, method: str, path: str, **given: Any) -> Mapping[str, Any]:
        async with self._streamed(self._http.build_request(method, path, **given)) as response:
            body = await _body(response)
        try:
            told = json.loads(body) if body else {}
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Refused(f"{self.url} answers, but not as an API would", status=200)
        return told

    @asynccontextmanager
    async def _streamed(self, request: httpx.Request) -> AsyncGenerator[httpx.Response, None]:
        try:
            response = await self._http.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Broken(f"cannot reach {self.url}: {_said(error)}", sent=False) from None
        except httpx.RequestError as error:
            raise Broken(_said(error), sent=True) from None
        try:
            if not response.is_success:
                raise _refusal(response, await _body(response))
            yield response
        finally:
            await response.aclose()


async def _body(response: httpx.Response) -> bytes:
    try:
        return await response.aread()
    except httpx.RequestError as error:
        raise Broken(_said(error), sent=True) from None


def _refusal(response: httpx.Response, body: bytes) -> Refused:
    status, headers = response.status_code, response.headers
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    reason = fault_of(told).message if isinstance(told, dict) else response.reason_phrase
    error = told.get("error") if isinstance(told, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    advised = advised_s(headers.get("retry-after"), time.time_ns() / 1e9)
    refused = headers.get("x-should-retry") == "false"
    return Refused(
        f"{reason[:_LONGEST_REASON_CHARS]} (HTTP {status})",
        status=status,
        param=param if isinstance(param, str) else None,
        may_retry=not refused and (status in _RETRIED or (status == 409 and advised is not None)),
        retry_after_s=advised,
    )


def _path(draft_id: str) -> str:
    return f"/v1/drafts/{quote(draft_id, safe='')}"


def _said(error: httpx.RequestError) -> str:
    """What httpx says is of its own parts, or nothing."""
    match error:
        case httpx.ConnectTimeout():
            return "no connection in time"
        case httpx.ConnectError():
            return str(error).rstrip(".") or "no connection"
        case httpx.TimeoutException():
            return "nothing came for too long"
        case _:
            return "the connection broke"
