"""A Bradley-Terry quality model on vLLM's ``/classify``; it must not know transformers.

Start it with ``vllm serve MODEL --runner pooling --convert classify``. Source: vLLM 0.32,
``vllm/entrypoints/pooling/classify/protocol.py``: ``input`` takes texts, ``messages`` one chat;
``use_activation: false`` gives the raw logit, where the default squashes it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from rewards.base import Draft, Score, broke
from rewards.quality.endpoint import Caller, EndpointFailed
from rewards.quality.reading import Passage, Reading
from rewards.quality.verdicts import NOTHING_TO_READ, draft_score
from rewards.quality.windows import Count, estimate_tokens

_ROUTE = "/classify"


class RemoteClassifier:
    """A judge by ``/classify``. Range: any number; only differences within a group mean something.

    reading: the form and the windows of the served model (``reading_of`` its checkpoint, where that
    is at hand). count: tokens of a text; without it an estimate that rather cuts too small.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        model: str,
        reading: Reading,
        count: Count = estimate_tokens,
        name: str = "quality",
    ) -> None:
        self._caller = caller
        self._model = model
        self._reading = reading
        self._count = count
        self._name = name

    @property
    def name(self) -> str:
        """What requests, responses and metrics call it."""
        return self._name

    async def score(self, drafts: Sequence[Draft]) -> Sequence[Score]:
        """One score a draft, in their order; all drafts at once, as many as the endpoint takes."""
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(self._one(draft)) for draft in drafts]
        return [task.result() for task in asked]

    async def _one(self, draft: Draft) -> Score:
        passages = self._reading.passages(draft.prompt, draft.answer, self._count)
        if not passages:
            return NOTHING_TO_READ
        try:
            return draft_score(await self._logits(passages), passages)
        except EndpointFailed as error:
            return broke(f"the quality model did not answer: {error}")

    async def _logits(self, passages: Sequence[Passage]) -> list[float]:
        reading = self._reading
        if reading.template is not None:
            texts = [reading.text(passage) for passage in passages]
            return await self._classify({"input": texts}, len(texts))
        logits = []
        for passage in passages:
            logits += await self._classify({"messages": reading.messages(passage)}, 1)
        return logits

    async def _classify(self, asked: dict[str, Any], expected: int) -> list[float]:
        body = {"model": self._model, "use_activation": False, **asked}
        reply = await self._caller.post(_ROUTE, body)
        try:
            data = sorted(reply["data"], key=lambda entry: entry["index"])
            logits = [float(logit) for (logit,) in (entry["probs"] for entry in data)]
        except (TypeError, KeyError, ValueError) as error:
            raise EndpointFailed("the reply is not one logit a text") from error
        if len(logits) != expected:
            raise EndpointFailed(f"{len(logits)} logits for {expected} texts")
        return logits
