"""Endpoints that answer as a test says, without a network or a wait."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from rewards.quality.endpoint import Caller, Endpoint


class Played:
    """An endpoint played by a function of the request's route and body."""

    def __init__(self, answer: Callable[[str, Any], httpx.Response], endpoint: Endpoint) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.waits: list[float] = []
        self._answer = answer
        transport = httpx.MockTransport(self._handle)
        self.caller = Caller(endpoint, httpx.AsyncClient(transport=transport), self._sleep)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.asked.append((request.url.path, body))
        self.headers.append(request.headers)
        return self._answer(request.url.path, body)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def play() -> Callable[..., Played]:
    """Makes a played endpoint."""

    def make(answer: Callable[[str, Any], httpx.Response], **settings: Any) -> Played:
        return Played(answer, Endpoint(**{"url": "http://judge/v1", **settings}))

    return make
