"""Asks the model for the plan of an answer that it is to write without thinking. It must not hold
a request up: no outline is none."""

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from contextlib import aclosing
from dataclasses import dataclass, field

from planner.brief import Brief
from planner.budget import EXPECTED_REASONING_TOKENS, outline_tokens
from planner.length import Asked
from planner.outline import Outline
from planner.plan import worded
from planner.plan_text import read_outline
from planner.prompts import Prompter
from server.engine.base import Engine, Job, Sampling, Text
from server.errors import LonghandError
from server.marks import ANSWER, THINK, THINK_END

logger = logging.getLogger(__name__)

_MOST_KEPT = 1_024
_GREEDY = Sampling(temperature=0.0, top_p=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outliner:
    """One greedy thinking for each new request; outlines are kept by the request's hash.

    A model plans best in the form that it was trained on, so it is asked for no list: it is given
    the request with its thinking begun, and only the outline of that is used.
    timeout_s: after which a request goes without an outline.
    """

    engine: Engine
    prompter: Prompter
    timeout_s: float
    _kept: OrderedDict[bytes, Outline | None] = field(default_factory=OrderedDict)

    async def outline(self, brief: Brief, asked: Asked) -> Outline | None:
        """The outline of an answer of a known length; it never raises."""
        low_words, high_words = asked.range or (0, 0)
        key = _key(brief, low_words, high_words)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            async with asyncio.timeout(self.timeout_s):
                thinking = await self._think(brief, asked, high_words)
        except (LonghandError, TimeoutError) as error:
            # Not kept: the next request may find the engine with time for it.
            logger.warning("no outline asked", extra={"reason": type(error).__name__})
            return None
        outline = read_outline(thinking, low_words, high_words)
        self._kept[key] = outline
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return outline

    async def _think(self, brief: Brief, asked: Asked, high_words: int) -> str:
        prompted = self.prompter.render(worded(brief, asked), thinking=True)
        prompt = await self.engine.tokenize(prompted.text)
        # A chat template may have begun the thinking by itself.
        begun = prompted.prefill if THINK in prompted.prefill else f"{prompted.prefill} {THINK}\n"
        written = await self.engine.tokenize(begun)
        room_tokens = self.engine.card.window_tokens - prompt.num_tokens - written.num_tokens
        if room_tokens < 1:
            return ""
        job = Job(
            id=f"outline-{secrets.token_hex(8)}",
            prompt=prompt,
            written=written,
            sampling=_GREEDY,
            max_tokens=min(room_tokens, EXPECTED_REASONING_TOKENS + outline_tokens(high_words)),
            stop=(THINK_END, ANSWER),
        )
        async with aclosing(self.engine.stream(job)) as pieces:
            return "".join([piece.text async for piece in pieces if isinstance(piece, Text)])


def _key(brief: Brief, low_words: int, high_words: int) -> bytes:
    said = (f"{message.role}\n{message.content}" for message in brief.messages)
    text = "\n\n".join((f"{low_words} {high_words}", *said))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
