"""A pool over replicas that write from one book, each token of it exactly once, under a clock
that the test moves."""

import asyncio
import codecs
import heapq
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Self

import pytest

from server.engine.base import Card, End, Job, Passage, Piece, Sampling, Text
from server.engine.pool.endpoint import Endpoint
from server.engine.pool.fleet import Clock, Fleet, Rhythm
from server.engine.pool.pool import Pool
from server.engine.pool.roster import Roster
from server.engine.upstream.replica import Load
from server.errors import EngineDied, EngineUnavailable

CARD = Card(model="book", window_tokens=4096, vocabulary_tokens=1_000_000)
MOVED = re.compile(r"-m\d+$")
TOKEN_BYTES = 3


class Refused(EngineUnavailable):
    """A server that has no room now, and has not begun."""


@dataclass(slots=True)
class Book:
    """What is written: for each stream of a draft, in order, its text, in tokens of three bytes.

    Every replica reads on in it from where its job stands, and refuses a job that stands nowhere.
    """

    plays: Sequence[str]
    ids: dict[bytes, int] = field(default_factory=dict)
    _streams: dict[str, list[tuple[Passage, str]]] = field(default_factory=dict)

    def tokens(self, text: str) -> list[bytes]:
        whole = text.encode()
        return [whole[at : at + TOKEN_BYTES] for at in range(0, len(whole), TOKEN_BYTES)]

    def id_of(self, token: bytes) -> int:
        return self.ids.setdefault(token, len(self.ids))

    def passage(self, text: str) -> Passage:
        ids = tuple(self.id_of(token) for token in self.tokens(text))
        return Passage(text=text, token_ids=ids, num_tokens=len(ids))

    def place(self, job: Job) -> tuple[str, int | str]:
        """The play that a job is in, and its tokens or its text that are written already."""
        draft, moved = MOVED.sub("", job.id), MOVED.search(job.id)
        streams = self._streams.setdefault(draft, [])
        if not moved:
            play = self.plays[min(len(streams), len(self.plays) - 1)]
            streams.append((job.written, play))
        base, play = streams[-1]
        if job.written.token_ids is None:
            heard = job.written.text.removeprefix(base.text)
            assert play.startswith(heard), "a stream was carried on elsewhere"
            return play, heard
        ids = tuple(self.id_of(token) for token in self.tokens(play))
        behind = job.written.token_ids[base.num_tokens :]
        assert behind == ids[: len(behind)], "a stream was carried on elsewhere"
        assert play.encode().startswith(job.written.text.removeprefix(base.text).encode())
        return play, len(behind)


@dataclass(slots=True, eq=False)
class Writer:
    """A replica. breaks: for each of its streams, in order, after how many tokens ``error`` is
    raised, or the stream breaks off where that is None; None: never. speechless: it writes to the
    end and fails there. sick: what its health check raises."""

    endpoint: Endpoint
    book: Book
    card: Card = CARD
    breaks: list[int | None] = field(default_factory=list)
    error: Exception | None = field(default_factory=lambda: EngineDied("the connection was lost"))
    breaks_new: int | None = None
    speechless: bool = False
    sick: Exception | None = None
    waits: asyncio.Event | None = None
    told: Load | EngineUnavailable = field(default_factory=Load)
    with_ids: bool = True
    gate: asyncio.Event | None = None
    jobs: list[Job] = field(default_factory=list)
    open_streams: int = 0
    num_checks: int = 0
    num_entered: int = 0
    dead: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        return self.endpoint.url

    async def __aenter__(self) -> Self:
        self.num_entered += 1
        self.left.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.left.set()

    async def watch(self) -> str:
        await self.dead.wait()
        return "it died"

    async def health(self) -> None:
        self.num_checks += 1
        if self.waits is not None:
            await self.waits.wait()
        if self.sick is not None:
            raise self.sick

    async def load(self) -> Load:
        if isinstance(self.told, EngineUnavailable):
            raise self.told
        return self.told

    async def tokenize(self, text: str) -> Passage:
        if self.sick is not None:
            raise self.sick
        return self.book.passage(text)

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        self.jobs.append(job)
        left = self.breaks.pop(0) if self.breaks else None
        if self.breaks_new is not None and not MOVED.search(job.id):
            left = self.breaks_new
        if left == 0 and isinstance(self.error, Refused):
            raise self.error
        self.open_streams += 1
        try:
            async with aclosing(self._written(job, left)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self.open_streams -= 1

    async def _written(self, job: Job, left: int | None) -> AsyncGenerator[Piece, None]:
        play, before = self.book.place(job)
        text, num_tokens, end = "", 0, End(reason="stop", cached_tokens=len(self.jobs))
        for piece in self._pieces(play, before):
            if await self._breaks(left, num_tokens):
                return
            text += piece.text
            num_tokens += 1
            stop = next((stop for stop in job.stop if stop in text), None)
            if stop is not None:
                over = len(text) - text.index(stop) - len(stop)
                piece = replace(piece, text=piece.text[: len(piece.text) - over])
                end = End(reason="stop", stop=stop)
            elif num_tokens == job.max_tokens:
                end = End(reason="length")
            yield piece
            if end.stop or end.reason == "length":
                break
        if not await self._breaks(0 if self.speechless else left, num_tokens):
            yield end

    async def _breaks(self, left: int | None, num_tokens: int) -> bool:
        """Whether the stream breaks off here, if it does not raise."""
        await asyncio.sleep(0)
        if left is not None and num_tokens >= left:
            if self.error is not None:
                raise self.error
            return True
        if self.gate is not None:
            await self.gate.wait()
        if self.left.is_set():
            raise EngineDied("the replica was left")
        return False

    def _pieces(self, play: str, before: int | str) -> list[Text]:
        if not self.with_ids:
            behind = play[before:] if isinstance(before, int) else play.removeprefix(before)
            return [Text(text=one, token_ids=None, estimated_tokens=1) for one in behind]
        skipped = len(self.book.tokens(before)) if isinstance(before, str) else before
        decoder = codecs.getincrementaldecoder("utf-8")()
        pieces = [
            Text(text=decoder.decode(token), token_ids=(self.book.id_of(token),))
            for token in self.book.tokens(play)
        ]
        return pieces[skipped:]


@dataclass(slots=True)
class HandClock:
    """Time that passes only when it is told to."""

    now_s: float = 1000.0
    _sleepers: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._numbers), woken))
        await woken

    async def pass_on(self, seconds: float) -> None:
        """Lets time pass, sleeper by sleeper, and everything run that wakes."""
        until_s = self.now_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until_s:
            at_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self.now_s = at_s
                woken.set_result(None)
                await settle()
        self.now_s = until_s
        await settle()


async def settle() -> None:
    """Lets all tasks run until they wait for something that only a test can bring about."""
    for _ in range(40):
        await asyncio.sleep(0)


@dataclass(slots=True)
class Told:
    """What the pool tells for metrics."""

    standings: dict[str, dict[str, Any]] = field(default_factory=dict)
    moves: list[str] = field(default_factory=list)

    def stands(self, replica: str, **told: Any) -> None:
        self.standings[replica] = told

    def left(self, replica: str) -> None:
        del self.standings[replica]

    def moved(self, why: str) -> None:
        self.moves.append(why)


@dataclass(kw_only=True)
class House:
    """A pool, entered, and all that is around it. Replicas are ``writers`` by the last number of
    their address; names stand for the addresses in ``names``."""

    book: Book
    pool: Pool
    clock: HandClock
    told: Told
    writers: dict[str, Writer]
    names: dict[str, list[str]]

    def __getitem__(self, name: str) -> Writer:
        return next(writer for key, writer in self.writers.items() if key.endswith(f".{name}"))

    def job(self, id_: str = "a", **given: Any) -> Job:
        plain = Job(
            id=id_,
            prompt=self.book.passage("Write a line."),
            written=Passage(text="", token_ids=(), num_tokens=0),
            sampling=Sampling(temperature=0.0, top_p=1.0),
            max_tokens=1000,
        )
        return replace(plain, **given)

    async def written(self, job: Job | None = None) -> list[Piece]:
        async with asyncio.timeout(5), aclosing(self.pool.stream(job or self.job())) as pieces:
            return [piece async for piece in pieces]


def url(number: int) -> str:
    return f"http://10.0.0.{number}:8000"


Furnish = Callable[..., Awaitable[House]]


def furnished(plays: Sequence[str], num: int, given: dict[str, Any]) -> House:
    book, clock, told = Book(plays), HandClock(), Told()
    writers: dict[str, Writer] = {}
    names: dict[str, list[str]] = given.pop("names", {})
    prepare: Callable[[Writer], None] = given.pop("prepare", lambda writer: None)

    def build(endpoint: Endpoint) -> Writer:
        key = endpoint.address or endpoint.url.removeprefix("http://").removesuffix(":8000")
        if key not in writers:
            writers[key] = Writer(endpoint=endpoint, book=book)
            prepare(writers[key])
        writers[key].dead.clear()
        return writers[key]

    async def lookup(host: str, port: int) -> Sequence[str]:
        if not names[host]:
            raise OSError(-2, "Name or service not known")
        return names[host]

    fleet = Fleet(
        card=given.pop("card", CARD),
        roster=Roster(urls=given.pop("urls", [url(n + 1) for n in range(num)]), lookup=lookup),
        build=build,
        rhythm=given.pop("rhythm", Rhythm(slow_start_s=0.0)),
        clock=given.pop("time", Clock(monotonic=clock.monotonic, sleep=clock.sleep)),
        notes=told,
    )
    pool = Pool(fleet=fleet, **given)
    return House(book=book, pool=pool, clock=clock, told=told, writers=writers, names=names)


@pytest.fixture
async def house() -> AsyncIterator[Furnish]:
    """``await house("text of the first stream", ..., num=2)``: that many replicas, all up."""
    async with AsyncExitStack() as stack:

        async def furnish(*plays: str, num: int = 2, **given: Any) -> House:
            made = furnished(plays, num, given)
            await stack.enter_async_context(made.pool)
            await settle()
            return made

        yield furnish
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, "the pool left tasks behind"


def plain_text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


def plain_ids(pieces: Sequence[Piece]) -> tuple[int, ...]:
    return tuple(id_ for one in pieces if isinstance(one, Text) for id_ in one.token_ids or ())


@pytest.fixture
def text_of() -> Callable[[Sequence[Piece]], str]:
    return plain_text


@pytest.fixture
def ids_of() -> Callable[[Sequence[Piece]], tuple[int, ...]]:
    return plain_ids


@pytest.fixture
def away() -> Exception:
    return EngineUnavailable("connection refused")


@pytest.fixture
def refused() -> Callable[..., Exception]:
    return lambda retry_after_s: Refused("the server is full", retry_after_s=retry_after_s)


@pytest.fixture
async def answering(
    gateway: Any, until: Callable[[Callable[[], object]], Awaitable[None]]
) -> AsyncIterator[Callable[..., Awaitable[tuple[Any, House]]]]:
    """``await answering("text of the first stream", ..., num=2, setting=value)``: a gateway before
    that many replicas, and the house they are in; time is real."""
    card = Card(model="scripted", window_tokens=32_768, vocabulary_tokens=1_000_000)

    async def start(*plays: str, num: int = 2, **given: Any) -> tuple[Any, House]:
        def prepare(writer: Writer) -> None:
            writer.card = card
            change(writer)

        change = given.pop("prepare", lambda writer: None)
        made = furnished(plays, num, {"time": Clock(), "card": card, "prepare": prepare})
        started = await gateway(build=lambda: made.pool, **given)
        await until(lambda: not made.pool.why_not_ready)
        return started, made

    yield start


@pytest.fixture
def furnish() -> Callable[[Sequence[str], int, dict[str, Any]], House]:
    """A house that is not entered yet."""
    return furnished
