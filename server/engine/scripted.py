"""An engine that plays a script, with stalls, deaths and refusals on request; for demos and tests.

It must not be mistaken for a model: it writes what its script says, whatever was asked.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from server.engine.base import Card, End, Job, Passage, Piece, Text
from server.errors import BadRequest, EngineDied, EngineUnavailable
from server.events import TokenLogprob

_TOKEN = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Say:
    """Text, written a token at a time, or ``together`` in one piece."""

    text: str
    together: bool = False


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing happens for ``seconds``, or until ``gate`` is set."""

    seconds: float = 0.0
    gate: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Die:
    """The engine dies here, with every stream it has."""

    reason: str = "the script says so"


@dataclass(frozen=True, slots=True)
class Refuse:
    """The engine would never take such a job."""

    message: str


@dataclass(frozen=True, slots=True)
class Break:
    """The stream breaks off: neither an end nor an error."""


# An End in a play is the stream's end, as it stands.
Act = Say | Stall | Die | Refuse | Break | End
Play = Sequence[Act]

DEMO: Play = (
    Say(
        "\n<think>\nThe reader wants to see a draft arrive. Plan: a title, two short paragraphs.\n"
    ),
    Say("</think>\n<answer>\n# A Scripted Draft\n\n"),
    Say("This text comes from a script, not from a model. It streams word by word, "),
    Say("with the plan in its own channel.\n\nStart the server with a model to read "),
    Say("something that was written for you.\n</answer>"),
)


def read_script(path: Path) -> Play:
    """A script from a JSON file: a list of ``{"say": text}``, ``{"stall": seconds}``,
    ``{"die": reason}``, ``{"refuse": message}`` and ``{"break": true}``.

    Raises:
        ValueError: the file is not such a list; says which entry.
    """
    entries = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise ValueError(f"{path}: a script is a JSON list")
    return tuple(_act(entry, f"{path}, entry {at}") for at, entry in enumerate(entries))


def _act(entry: Any, where: str) -> Act:
    match entry:
        case {"say": str(text)}:
            return Say(text)
        case {"stall": int(seconds) | float(seconds)}:
            return Stall(seconds)
        case {"die": str(reason)}:
            return Die(reason)
        case {"refuse": str(message)}:
            return Refuse(message)
        case {"break": True}:
            return Break()
        case _:
            raise ValueError(f"{where}: unknown act {entry!r}")


@dataclass(slots=True)
class ScriptedEngine:
    """Plays ``plays`` one per stream, in order; the last one again for every stream after it.

    Its tokens are words with the white space before them, numbered as they are first met.
    ``jobs`` keeps every job it was given, ``open_streams`` how many it is writing now.
    """

    plays: Sequence[Play] = (DEMO,)
    card: Card = Card(model="scripted", window_tokens=32_768, vocabulary_tokens=1_000_000)
    pace_s: float = 0.0
    jobs: list[Job] = field(default_factory=list)
    open_streams: int = 0
    starting: asyncio.Event | None = None
    _ids: dict[str, int] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)
    _dead: asyncio.Event = field(default_factory=asyncio.Event)
    _reason: str = ""

    async def __aenter__(self) -> Self:
        if self.starting is not None:
            await self.starting.wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.die("the engine was closed")

    def die(self, reason: str) -> None:
        """Ends the engine and, at their next step, all its streams."""
        if not self._dead.is_set():
            self._reason = reason
            self._dead.set()

    async def watch(self) -> str:
        await self._dead.wait()
        return self._reason

    async def tokenize(self, text: str) -> Passage:
        ids = tuple(self._id(token) for token in _TOKEN.findall(text))
        return Passage(text=text, token_ids=ids, num_tokens=len(ids))

    def _id(self, token: str) -> int:
        if token not in self._ids:
            self._ids[token] = next(self._numbers)
        return self._ids[token]

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        if self._dead.is_set():
            raise EngineUnavailable(f"the engine is dead: {self._reason}")
        play = self.plays[min(len(self.jobs), len(self.plays) - 1)]
        self.jobs.append(job)
        self.open_streams += 1
        try:
            page, end = _Page(job), End(reason="stop")
            for act in play:
                if isinstance(act, Break):
                    return
                if isinstance(act, End):
                    end = act
                    break
                if not isinstance(act, Say):
                    await self._do(act)
                    continue
                for text in [act.text] if act.together else _TOKEN.findall(act.text):
                    await self._pause()
                    yield page.write(text, self._text(text, job))
                    if page.end is not None:
                        yield page.end
                        return
            yield end
        finally:
            self.open_streams -= 1

    async def _do(self, act: Stall | Die | Refuse) -> None:
        if isinstance(act, Refuse):
            raise BadRequest(act.message)
        if isinstance(act, Die):
            self.die(act.reason)
            await self._pause()
        else:
            gate = act.gate
            await self._stall(asyncio.sleep(act.seconds) if gate is None else gate.wait())

    async def _stall(self, wait: Coroutine[Any, Any, Any]) -> None:
        over = asyncio.ensure_future(wait)
        dead = asyncio.ensure_future(self._dead.wait())
        try:
            await asyncio.wait([over, dead], return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            dead.cancel()
        await self._pause()

    async def _pause(self) -> None:
        # Also at pace 0: a generator that never awaits would starve the loop.
        await asyncio.sleep(self.pace_s)
        if self._dead.is_set():
            raise EngineDied(f"the engine died: {self._reason}")

    def _text(self, text: str, job: Job) -> Text:
        tokens = _TOKEN.findall(text)
        ids = tuple(self._id(token) for token in tokens)
        logprobs = _certain(zip(tokens, ids, strict=True), job.sampling.logprobs)
        return Text(text=text, token_ids=ids, logprobs=logprobs)


def _certain(tokens: Iterable[tuple[str, int]], rivals: int | None) -> tuple[TokenLogprob, ...]:
    """A script is certain of every word: log-probability 0, itself its only rival."""
    if rivals is None:
        return ()
    certain = [TokenLogprob(token=token, token_id=id_, logprob=0.0) for token, id_ in tokens]
    return tuple(replace(token, top=(token,)[:rivals]) for token in certain)


@dataclass(slots=True)
class _Page:
    """Applies a job's limits to what is written: its stop strings and its token count."""

    job: Job
    end: End | None = None
    _tail: str = ""
    _num_tokens: int = 0

    def write(self, text: str, piece: Text) -> Text:
        # The end of the text before, as long as a stop may reach back into it.
        recent = self._tail + text
        self._num_tokens += piece.num_tokens
        met = [stop for stop in self.job.stop if stop in recent]
        self._tail = recent[-max(map(len, self.job.stop), default=1) :]
        if met:
            self.end = End(reason="stop", stop=met[0])
        elif self._num_tokens >= self.job.max_tokens:
            self.end = End(reason="length")
        return piece
