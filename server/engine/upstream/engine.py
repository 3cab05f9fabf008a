"""One server behind an address as an engine. It must not ask another one when this one fails."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from server.engine.base import Card, Job, Passage, Piece, Text
from server.engine.upstream.access import UpstreamOptions
from server.engine.upstream.character import with_ids
from server.engine.upstream.clock import Clock
from server.engine.upstream.dialect import Dialect, Hearing
from server.engine.upstream.faults import LOST, WRONG_MODEL, Broken, WentOn
from server.engine.upstream.frames import DONE
from server.engine.upstream.link import Incoming, Link
from server.engine.upstream.prometheus import load_of
from server.engine.upstream.replica import Load
from server.engine.upstream.served import Kind, Served, identify
from server.engine.upstream.text_dialects import TONGUES, CompletionDialect, OllamaDialect
from server.engine.upstream.texts import CountedTexts, Counts, OwnTexts, Texts, VllmTexts, is_like
from server.engine.upstream.vllm_dialect import VllmDialect

logger = logging.getLogger(__name__)

# Behind the end of a text come a count and "[DONE]", at once; the text is good without them.
_LAST_WORDS_S = 2.0


class UpstreamEngine:
    """A ``Replica`` (replica.py) at ``address``, as ``access.base_url`` makes it; ``ip``: which of
    the addresses behind its name."""

    def __init__(self, address: str, options: UpstreamOptions, ip: str | None = None) -> None:
        self._address = address
        self._options = options
        self._link = Link(address, options, ip)
        self._left = asyncio.Event()
        self._server: Served | None = None

    @property
    def address(self) -> str:
        return self._address

    @property
    def card(self) -> Card:
        return self._options.card

    async def __aenter__(self) -> Self:
        self._link.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self._left.set()
        await self._link.close()

    async def watch(self) -> str:
        await self._left.wait()
        return "the engine was closed"

    async def health(self) -> None:
        try:
            await self._check()
        except Broken as error:
            # What comes up there again may be another server.
            self._server = None
            raise error.as_error(writing=False) from None

    async def _check(self) -> None:
        try:
            await self._link.text("GET", "/health")
        except Broken as error:
            if error.status not in (404, 405):
                raise
            # Ollama has no such route; its list of models says as much.
            self._server = None
        await self._served()

    async def load(self) -> Load:
        try:
            text = await self._link.text("GET", "/metrics")
            return load_of(text.decode("utf-8", "replace"))
        except Broken as error:
            if error.status is None:
                raise error.as_error(writing=False) from None
        except ValueError:
            logger.debug("no metrics that we can read", extra={"upstream": self._address})
        # It answers, but not with metrics: there is no such route, or a flag is not set.
        return Load()

    async def tokenize(self, text: str) -> Passage:
        if self._options.tokenizer is not None:
            return await self._options.tokenizer.passage(text)
        try:
            return await self._counts(await self._served()).passage(text)
        except Broken as error:
            raise error.as_error(writing=False) from None

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        clock = Clock(self._options.patience)
        try:
            server = await self._served()
            dialect, break_ = self._dialect(server), None
            if isinstance(dialect, VllmDialect):
                job, break_ = await with_ids(job, self._texts(server))
            async with (
                self._link.stream(
                    dialect.path,
                    dialect.body(job),
                    request_id=job.id,
                    kind=dialect.content_type,
                    within_s=clock.left_s(),
                ) as incoming,
                aclosing(_heard(incoming, dialect, job, clock)) as pieces,
            ):
                async for piece in pieces:
                    if break_ is not None and isinstance(piece, Text):
                        piece = await break_.mended(piece)
                    yield piece
        except Broken as error:
            raise error.as_error(writing=clock.is_writing) from None

    async def _served(self) -> Served:
        """What the server is, asked once; another model or a smaller window than promised is an
        error."""
        if self._server is None:
            server = await identify(self._link, self._options.model)
            self._check_window(server)
            await self._check_tokenizer(server)
            told = {"upstream": self._address, "kind": server.kind, "model": server.model}
            logger.info("upstream found", extra=told)
            self._server = server
        return self._server

    def _check_window(self, server: Served) -> None:
        promised, has = self.card.window_tokens, server.window_tokens
        if has is not None and has < promised:
            raise Broken(
                f"has a window of {has:,} tokens where {promised:,} are promised", code=WRONG_MODEL
            )

    async def _check_tokenizer(self, server: Served) -> None:
        """Ids of another vocabulary would make another prompt of every prompt."""
        own = self._options.tokenizer
        if own is None or server.kind is not Kind.VLLM:
            return
        if not await is_like(own, self._link, server.model):
            raise Broken(
                "has another tokenizer than the checkpoint that `model` names", code=WRONG_MODEL
            )

    def _texts(self, server: Served) -> Texts:
        if self._options.tokenizer is not None:
            return OwnTexts(self._options.tokenizer)
        return VllmTexts(self._link, server.model)

    def _counts(self, server: Served) -> Counts:
        if server.kind is Kind.VLLM:
            return self._texts(server)
        has_route = server.kind in (Kind.SGLANG, Kind.LLAMACPP)
        return CountedTexts(
            self._link if has_route else None, server.model, server.kind is Kind.LLAMACPP
        )

    def _dialect(self, server: Served) -> Dialect:
        model, names = server.model, server.names
        if server.kind is Kind.VLLM:
            return VllmDialect(model=model, names=names, tokenizer=self._options.tokenizer)
        if server.kind is Kind.OLLAMA:
            window_tokens = self.card.window_tokens
            return OllamaDialect(model=model, names=names, window_tokens=window_tokens)
        return CompletionDialect(tongue=TONGUES[server.kind], model=model, names=names)


async def _heard(
    incoming: Incoming, dialect: Dialect, job: Job, clock: Clock
) -> AsyncGenerator[Piece, None]:
    """The pieces of an answer and its end.

    Raises:
        Broken: it ends before its text does, or is not what it should be.
    """
    frames, hearing = dialect.frames(), dialect.hear(job)
    is_done = False
    while not is_done and not hearing.is_over:
        data = await _next(incoming, hearing, clock)
        if not data:
            break
        for payload in frames.feed(data):
            is_done = is_done or payload == DONE
            if is_done or hearing.is_over:
                break
            for text in _taken(hearing, payload):
                clock.heard()
                yield text
                # The time that a reader takes is not the server's.
                clock.heard()
    if hearing.end is None:
        raise Broken("ended its answer before its text", code=LOST)
    if not hearing.is_over:
        await incoming.drain()
    yield hearing.end


def _taken(hearing: Hearing, payload: bytes) -> list[Text]:
    """Its pieces; behind the end of the text only more text is wrong."""
    is_ended = hearing.end is not None
    try:
        return hearing.take(payload)
    except Broken as error:
        if not is_ended or isinstance(error, WentOn):
            raise
        return []


async def _next(incoming: Incoming, hearing: Hearing, clock: Clock) -> bytes:
    """More bytes; none where what is missing is not needed."""
    if hearing.end is None:
        return await incoming.read(clock.left_s())
    try:
        return await incoming.read(_LAST_WORDS_S)
    except Broken:
        return b""
