"""Gateways over a store of the test's, and an engine that goes on from any text as another one
would have."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from server.drafts.store import Store
from server.engine.base import Job, Piece
from server.engine.scripted import Play, Say, ScriptedEngine

Start = Callable[..., Awaitable[Any]]


@dataclass
class Minded(ScriptedEngine):
    """An engine that finds in ``first``'s plays what it would say behind a text."""

    first: ScriptedEngine = field(default_factory=ScriptedEngine)

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        self.plays = [[]] * len(self.jobs) + [self._rest(job)]
        async with aclosing(super().stream(job)) as pieces:
            async for piece in pieces:
                yield piece

    def _rest(self, job: Job) -> Play:
        for at in reversed(range(len(self.first.jobs))):
            play = self.first.plays[min(at, len(self.first.plays) - 1)]
            before = self.first.jobs[at].written.text
            said = job.written.text.removeprefix(before)
            text = "".join(act.text for act in play if isinstance(act, Say))
            drawn = self.first.jobs[at].sampling.temperature == job.sampling.temperature
            if drawn and job.written.text.startswith(before) and text.startswith(said):
                return behind(play, len(said))
        raise AssertionError("nothing follows such a text")


def behind(play: Play, said: int) -> Play:
    rest = []
    for act in play:
        assert isinstance(act, Say)
        if len(act.text) > said:
            rest.append(Say(act.text[said:], act.together))
        said = max(0, said - len(act.text))
    return rest


@pytest.fixture
def minded() -> Callable[[ScriptedEngine], ScriptedEngine]:
    """Given an engine that has written, one that knows what it would still have said."""

    def made(first: ScriptedEngine) -> ScriptedEngine:
        return Minded(first=first, card=first.card, _ids=first._ids, _numbers=first._numbers)

    return made


@pytest.fixture
def keeping(gateway: Start, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts an application over a store that it does not wait for."""

    async def start(store: Store, *plays: Any, **settings: Any) -> Any:
        monkeypatch.setattr("server.shelving._store", lambda settings: store)
        monkeypatch.setattr("server.drafts.committer._RETRY_S", 0.0)
        monkeypatch.setattr("server.drafts.committer._PATIENCE_S", 0.05)
        monkeypatch.setattr("server.drafts.writing._RETRY_S", 0.0)
        monkeypatch.setattr("server.drafts.writing._PATIENCE_S", 0.05)
        return await gateway(*plays, **settings)

    return start
