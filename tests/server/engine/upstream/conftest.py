"""An upstream engine before a stand-in server on a real socket; tokens are bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from loadtest.stand_in import StandIn
from server.engine.base import Card, End, Job, Passage, Piece, Sampling, Text
from server.engine.upstream.access import Patience, UpstreamOptions
from server.engine.upstream.engine import UpstreamEngine

SAMPLING = Sampling(temperature=0.0, top_p=1.0)
# Longer than any test may take: only a test about them meets one.
PATIENT = Patience(connect_s=20.0, first_token_s=20.0, idle_s=20.0)


@dataclass(kw_only=True)
class Upstream:
    """A server, and the engine that speaks to it."""

    server: StandIn
    engine: UpstreamEngine

    async def pieces(self, job: Job) -> list[Piece]:
        async with asyncio.timeout(15), aclosing(self.engine.stream(job)) as stream:
            return [piece async for piece in stream]

    async def written(self, job: Job) -> tuple[str, tuple[int, ...] | None, End]:
        """Text, ids and end of a whole stream."""
        *texts, end = await self.pieces(job)
        assert isinstance(end, End)
        parts = [piece for piece in texts if isinstance(piece, Text)]
        assert len(parts) == len(texts)
        ids: tuple[int, ...] | None = ()
        for part in parts:
            ids = None if ids is None or part.token_ids is None else ids + part.token_ids
        return "".join(part.text for part in parts), ids, end

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the latest generation."""
        body: dict[str, Any] = self.server.generations()[-1].body
        return body


def passage(text: str | bytes, *, with_ids: bool = True) -> Passage:
    raw = text.encode() if isinstance(text, str) else text
    shown = raw.decode("utf-8", "ignore")
    return Passage(text=shown, token_ids=tuple(raw) if with_ids else None, num_tokens=len(raw))


def a_job(
    prompt: str = "Tell: ", written: str | bytes = "", *, with_ids: bool = True, **fields: Any
) -> Job:
    """A job; ``fields`` are its own or its sampling's."""
    of_sampling = {name: fields.pop(name) for name in [*fields] if hasattr(SAMPLING, name)}
    return Job(
        **{
            "id": "draft-1",
            "prompt": passage(prompt, with_ids=with_ids),
            "written": passage(written, with_ids=with_ids),
            "sampling": replace(SAMPLING, **of_sampling),
            "max_tokens": 1000,
            **fields,
        }
    )


@pytest.fixture
async def upstream() -> AsyncIterator[Callable[..., Awaitable[Upstream]]]:
    """``await upstream(kind="vllm", script="…", …)``: the fields of a StandIn, and an engine's
    ``options``."""
    async with AsyncExitStack() as stack:

        async def start(options: dict[str, Any] | None = None, **fields: Any) -> Upstream:
            server = await stack.enter_async_context(StandIn(**fields))
            card = Card(model="it", window_tokens=4096, vocabulary_tokens=257)
            given = {"card": card, "model": "stand-in", "patience": PATIENT, **(options or {})}
            engine = UpstreamEngine(server.url, UpstreamOptions(**given))
            return Upstream(server=server, engine=await stack.enter_async_context(engine))

        yield start


@pytest.fixture
def job() -> Callable[..., Job]:
    return a_job
