"""Hugging Face transformers as an engine, for laptops without vLLM and for debugging.

It runs on CUDA, Apple's MPS or the CPU, in a thread of this process. It has no prefix cache and
does not batch: what it is measured by is that it writes what vLLM writes.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from server.engine.base import Card, End, Job, Passage, Piece
from server.engine.daemon_thread import first_line, in_daemon_thread
from server.engine.local_loop import Loop, Writer
from server.engine.tokenizer import Tokenizer
from server.errors import BadRequest, CannotServe, ContextTooLong, EngineUnavailable
from server.machine import has

if TYPE_CHECKING:
    from server.engine.local_model import Model

logger = logging.getLogger(__name__)

# How long leaving waits for the step under way; its thread does not keep the process alive.
_JOIN_S = 5.0


class LocalEngine:
    """One model in this process.

    location: what transformers loads; directory: where the checkpoint's small files lie.

    Raises:
        CannotServe: torch or transformers is not installed, or there is no fast tokenizer.
    """

    def __init__(self, card: Card, location: str, directory: Path) -> None:
        missing = [package for package in ("torch", "transformers") if not has(package)]
        if missing:
            raise CannotServe(f"{' and '.join(missing)} not installed here; see README.md")
        self._card = card
        self._location = location
        self._directory = directory
        self._tokenizer = Tokenizer(directory)
        self._model: Model | None = None
        self._loop: Loop | None = None
        self._ended: asyncio.Future[str] | None = None

    @property
    def card(self) -> Card:
        return self._card

    @property
    def open_streams(self) -> int:
        """How many texts it is writing now."""
        return 0 if self._loop is None else self._loop.num_open

    async def tokenize(self, text: str) -> Passage:
        return await self._tokenizer.passage(text)

    async def __aenter__(self) -> Self:
        self._model = await in_daemon_thread(self._load, name="local-start")
        event_loop = asyncio.get_running_loop()
        self._ended = event_loop.create_future()

        def on_death(reason: str) -> None:
            with suppress(RuntimeError):
                event_loop.call_soon_threadsafe(self._end, reason)

        self._loop = Loop(on_death)
        self._loop.start()
        return self

    def _load(self) -> "Model":
        try:
            from server.engine.local_model import load

            return load(self._location, self._directory)
        except Exception as error:
            # transformers raises anything from OSError to KeyError here; the log has more.
            logger.exception("transformers did not load the model")
            raise EngineUnavailable(
                f"transformers did not load the model: {first_line(error)}"
            ) from error

    def _end(self, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        loop, self._loop, self._model = self._loop, None, None
        self._end("the engine was closed")
        if loop is not None:
            loop.stop("the engine was closed")
            await asyncio.to_thread(loop.join, _JOIN_S)

    async def watch(self) -> str:
        if self._ended is None:
            raise EngineUnavailable("the engine was not started")
        return await asyncio.shield(self._ended)

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        model, loop = self._model, self._loop
        if model is None or loop is None:
            raise EngineUnavailable("the engine is not running")
        prompt, written = await self._ids(job.prompt), await self._ids(job.written)
        self._check(job, prompt + written, model.vocabulary_tokens)
        bad_words = await self._bad_words(job)
        slot = loop.add(partial(self._begin, model, job, prompt, written, bad_words))
        try:
            piece: Piece | None = None
            while not isinstance(piece, End):
                piece = await slot.get()
                yield piece
        finally:
            loop.remove(slot)

    async def _ids(self, passage: Passage) -> tuple[int, ...]:
        if passage.token_ids is None:
            passage = await self.tokenize(passage.text)
        return passage.token_ids or ()

    def _check(self, job: Job, ids: tuple[int, ...], vocabulary_tokens: int) -> None:
        """What would fail in the loop's thread, or on a GPU end every text, is refused here."""
        if not ids:
            raise BadRequest("the prompt is empty")
        if len(ids) >= self._card.window_tokens:
            raise ContextTooLong(
                f"{len(ids)} tokens leave no room in a window of {self._card.window_tokens}"
            )
        rules = job.sampling
        named = {
            "prompt": ids,
            "logit_bias": tuple(token_id for token_id, _ in rules.logit_bias),
            "allowed_token_ids": rules.allowed_token_ids,
            "stop_token_ids": rules.stop_token_ids,
        }
        for param, of_param in named.items():
            if of_param and not 0 <= min(of_param) <= max(of_param) < vocabulary_tokens:
                raise BadRequest(
                    f"{param} has an id outside the vocabulary of {vocabulary_tokens}", param=param
                )

    async def _bad_words(self, job: Job) -> tuple[tuple[int, ...], ...]:
        """The ids of every bad word, at the start of a text and, where a space before it changes
        no more than its first id, after a space (vLLM's ``update_from_tokenizer``)."""
        found: list[tuple[int, ...]] = []
        for word in job.sampling.bad_words:
            bare = await self._ids(_passage(word.lstrip()))
            if not bare:
                raise BadRequest("a bad word must not be empty", param="bad_words")
            found.append(bare)
            spaced = await self._ids(_passage(" " + word.lstrip()))
            if len(spaced) == len(bare) and spaced[0] != bare[0]:
                found.append(spaced)
        return tuple(found)

    def _begin(
        self,
        model: "Model",
        job: Job,
        prompt: tuple[int, ...],
        written: tuple[int, ...],
        bad_words: tuple[tuple[int, ...], ...],
    ) -> Writer:
        from server.engine.local_model import Writing

        return Writing(
            model=model,
            tokenizer=self._tokenizer,
            job=job,
            prompt=prompt,
            written=written,
            window_tokens=self._card.window_tokens,
            bad_words=bad_words,
        )


def _passage(text: str) -> Passage:
    return Passage(text=text, token_ids=None, num_tokens=0)
