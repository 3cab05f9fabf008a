"""A Bradley-Terry quality model in this process, beside the event loop; it decides nothing itself.

Bradley and Terry (1952): each draft has a strength r, and P(a preferred to b) = sigmoid(r_a - r_b).
A model trained so (Ouyang et al., arXiv 2203.02155) gives r as one logit. Range: any number; only
differences between drafts of one prompt mean something.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jinja2 import TemplateError

from rewards.base import Draft, Score, broke
from rewards.quality.network import Scorer, load
from rewards.quality.reading import CannotJudge, Reading
from rewards.quality.verdicts import NOTHING_TO_READ, draft_score

__all__ = ["CannotJudge", "Classifier", "open_classifier"]
_BATCH_TOKENS = 16_384


class Classifier:
    """A judge that runs ``network`` in one thread of its own: groups of drafts queue there, and the
    event loop goes on meanwhile.

    batch_tokens: the padded tokens that run together; the limit of the memory it takes.
    """

    def __init__(
        self, network: Scorer, *, batch_tokens: int = _BATCH_TOKENS, name: str = "quality"
    ) -> None:
        self.network = network
        self._batch_tokens = batch_tokens
        self._name = name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="quality")

    @property
    def name(self) -> str:
        """What requests, responses and metrics call it."""
        return self._name

    @property
    def reading(self) -> Reading:
        """The form and the windows."""
        return self.network.reading

    async def score(self, drafts: Sequence[Draft]) -> Sequence[Score]:
        """One score a draft, in their order; failed ones where the model fails."""
        return await self._in_thread(lambda: self.score_here(drafts))

    def score_here(self, drafts: Sequence[Draft]) -> list[Score]:
        """The same in the calling thread, for code without an event loop."""
        try:
            return self._scores(drafts)
        except (RuntimeError, ValueError, LookupError, TypeError, TemplateError) as error:
            # What torch and transformers raise: no memory left, ids out of range, a bad template.
            return [broke(f"the quality model failed ({type(error).__name__})")] * len(drafts)

    def close(self) -> None:
        """Lets the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _scores(self, drafts: Sequence[Draft]) -> list[Score]:
        network = self.network
        passages = [
            network.reading.passages(draft.prompt, draft.answer, network.count) for draft in drafts
        ]
        inputs = [network.token_ids(passage) for draft in passages for passage in draft]
        logits = iter(network.score(inputs, self._batch_tokens))
        return [
            draft_score([next(logits) for _ in draft], draft) if draft else NOTHING_TO_READ
            for draft in passages
        ]

    async def _in_thread(self, call: Callable[[], list[Score]]) -> list[Score]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def open_classifier(
    folder: Path,
    *,
    reading: Reading | None = None,
    batch_tokens: int = _BATCH_TOKENS,
    device: str | None = None,
    name: str = "quality",
) -> Classifier:
    """The judge of a checkpoint folder. Slow: loads the weights.

    Raises:
        CannotJudge: nothing in ``folder`` that gives one logit for a text.
    """
    return Classifier(load(folder, reading, device), batch_tokens=batch_tokens, name=name)
