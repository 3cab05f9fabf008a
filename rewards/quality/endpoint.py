"""A model behind an HTTP endpoint: one call with limits and bounded retries; it judges nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 8.0
Sleep = Callable[[float], Awaitable[None]]


class EndpointFailed(Exception):
    """The endpoint gave no usable reply. Says why, never what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the model is. ``url`` without the route: "http://host:8000" or ".../v1".

    timeout_s: for one try, from the first byte sent to the last one read. retries: further tries
    after an error that may pass (no connection, a timeout, 408, 425, 429, 500, 502 to 504).
    connections: calls at a time.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 120.0
    retries: int = 2
    connections: int = 16

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url must begin with http:// or https://, not {self.url!r}")
        if self.timeout_s <= 0 or self.retries < 0 or self.connections < 1:
            raise ValueError("timeout_s and connections must be positive, retries not negative")


class Caller:
    """Posts JSON to an endpoint. ``client`` and ``sleep`` can be brought along, for tests too."""

    def __init__(
        self,
        endpoint: Endpoint,
        client: httpx.AsyncClient | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._client = client or httpx.AsyncClient(trust_env=False)
        self._places = asyncio.Semaphore(endpoint.connections)
        self._sleep = sleep

    async def post(self, route: str, body: object) -> Any:
        """The reply's JSON.

        Raises:
            EndpointFailed: after the last try, or at once for an error that will not pass.
        """
        async with self._places:
            tried = 0
            while True:
                reply, wait_s = await self._try(route, body)
                if not isinstance(reply, str):
                    return reply.value
                if wait_s is None or tried == self._endpoint.retries:
                    raise EndpointFailed(reply)
                await self._sleep(min(_LONGEST_WAIT_S, max(wait_s, _FIRST_WAIT_S * 2**tried)))
                tried += 1

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _try(self, route: str, body: object) -> "tuple[_Reply | str, float | None]":
        """The reply, or why there is none and the least time to wait; None: trying is no use."""
        key = self._endpoint.key
        try:
            async with asyncio.timeout(self._endpoint.timeout_s):
                response = await self._client.post(
                    self._endpoint.url.rstrip("/") + route,
                    json=body,
                    headers={"Authorization": f"Bearer {key}"} if key else None,
                    timeout=None,
                )
        except TimeoutError:
            return f"no reply within {self._endpoint.timeout_s:g} s", 0.0
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"no connection ({type(error).__name__})", 0.0
        return _read(response)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    value: Any


def _read(response: httpx.Response) -> tuple[_Reply | str, float | None]:
    if response.is_success:
        try:
            return _Reply(value=response.json()), None
        except ValueError:
            return "the reply is no JSON", None
    why = f"HTTP {response.status_code}"
    if response.status_code not in _PASSING:
        return why, None
    asked = response.headers.get("retry-after", "")
    return why, float(asked) if asked.isdigit() else 0.0
