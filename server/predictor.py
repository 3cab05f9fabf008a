"""Asks the model how long an answer should be. It must not hold a request up: no answer is none."""

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from contextlib import aclosing
from dataclasses import dataclass, field

from planner.brief import Brief, Message
from planner.length import NOTHING, Asked
from planner.plan import request_language
from planner.prediction import CLOSING, MAX_TOKENS, OPENING, question, read_range
from planner.prompts import Prompter
from server.engine.base import Engine, Job, Sampling, Text
from server.errors import LonghandError

logger = logging.getLogger(__name__)

_MOST_KEPT = 4_096
_GREEDY = Sampling(temperature=0.0, top_p=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """One short greedy call for each new request; answers are kept by the request's hash.

    timeout_s: after which a request goes without a prediction.
    """

    engine: Engine
    prompter: Prompter
    timeout_s: float
    _kept: OrderedDict[bytes, Asked] = field(default_factory=OrderedDict)

    async def predict(self, brief: Brief) -> Asked:
        """A range with source "predicted", or ``NOTHING``; it never raises."""
        request = "\n\n".join(m.content for m in brief.messages if m.role == "user")
        key = hashlib.sha256(request.encode()).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            async with asyncio.timeout(self.timeout_s):
                asked = read_range(await self._ask(question(request, request_language(brief))))
        except (LonghandError, TimeoutError) as error:
            # Not kept: the next request may find the engine with time for it.
            logger.warning("no length predicted", extra={"reason": type(error).__name__})
            return NOTHING
        self._kept[key] = asked
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return asked

    async def _ask(self, text: str) -> str:
        asked = self.prompter.render((Message(role="user", content=text),), thinking=False)
        prompt = await self.engine.tokenize(asked.text)
        written = await self.engine.tokenize(asked.prefill + OPENING)
        if prompt.num_tokens + written.num_tokens + MAX_TOKENS > self.engine.card.window_tokens:
            return ""
        job = Job(
            id=f"length-{secrets.token_hex(8)}",
            prompt=prompt,
            written=written,
            sampling=_GREEDY,
            max_tokens=MAX_TOKENS,
            stop=(CLOSING,),
        )
        async with aclosing(self.engine.stream(job)) as pieces:
            return "".join([piece.text async for piece in pieces if isinstance(piece, Text)])
