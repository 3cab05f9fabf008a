"""How many tokens an accepted request is expected to hold. It must not ask the engine.

Reserved is what is expected, not the worst case: a draft may write as much as its window holds, and
hardly any does. One that does is corrected while it is written (``claim``).
"""

from dataclasses import dataclass

from planner.budget import EXPECTED_REASONING_TOKENS
from server.admission.claim import Claim, Share
from server.answer import Commission

# Before any draft has ended: the thinking that LongWriter-Zero settles at, and some 700 words.
_FIRST_GUESS_TOKENS = EXPECTED_REASONING_TOKENS + 1_000
# How many drafts back the mean reaches; what a server is used for changes in hours.
_MEMORY_DRAFTS = 50


@dataclass(slots=True)
class Lengths:
    """The running mean of drafts whose length nobody stated, in tokens.

    Worked number: 4,000 at first; after one draft of 1,000 tokens 2,500.
    """

    mean_tokens: float = _FIRST_GUESS_TOKENS
    _num: int = 1

    def add(self, tokens: int) -> None:
        """A draft has ended by itself after ``tokens``."""
        self._num = min(self._num + 1, _MEMORY_DRAFTS)
        self.mean_tokens += (tokens - self.mean_tokens) / self._num


def claim_of(commission: Commission, lengths: Lengths) -> Claim:
    """What a commission is expected to hold.

    Worked number: 2,200 words asked of which the tokenizer makes 3,080 tokens, thinking allowed up
    to 4,220: 3,080 + 3,000 a draft; with ``max_tokens`` 4,000 no more than these.
    """
    expected = round(lengths.mean_tokens)
    if commission.answer_tokens is not None:
        thinking = min(commission.rules.reasoning_tokens, EXPECTED_REASONING_TOKENS)
        expected = commission.answer_tokens + thinking
    return Claim(
        commission.prompt_tokens,
        [
            Share(expected_tokens=min(expected, job.max_tokens), most_tokens=job.max_tokens)
            for job in commission.jobs
        ],
        is_guess=commission.answer_tokens is None,
    )
