"""Splits the context window between prompt, reasoning and answer. It must not count tokens."""

import math
from dataclasses import dataclass, replace

from planner.words import Language

# Until a tokenizer has been measured: Qwen's documents say 3 to 4 characters of English a token and
# 1.5 to 1.8 of Chinese; English words have 4.7 letters, punctuation is no word but takes tokens.
DEFAULT_TOKENS_PER_WORD: dict[Language, float] = {"en": 1.4, "zh": 0.75, "other": 2.5}
# LongWriter-Zero's thinking settles at 2,000 to 3,000 tokens by itself (arXiv 2506.18841).
EXPECTED_REASONING_TOKENS = 3_000
_LEAST_CUT_TOKENS = 4_000
_LEAST_OUTLINE_TOKENS = 256
# A further window holds a recap of plan and text (0.15) and the latest pages (0.25); the rest,
# less the prompt, is room to write in, and with less than a fifth it is not worth opening.
RECAP_SHARE, PAGES_SHARE = 0.15, 0.25
CARRIED_SHARE = RECAP_SHARE + PAGES_SHARE
LEAST_ROOM_SHARE = 0.2
# One text takes more tokens a word than the next; what is written is bounded by this much over.
ANSWER_SLACK = 1.25


class DoesNotFit(ValueError):
    """The prompt leaves no room in the window."""

    def __init__(self, *, prompt_tokens: int, window_tokens: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.window_tokens = window_tokens
        # One token of output is the least that makes a request worth starting.
        self.over_tokens = prompt_tokens + 1 - window_tokens
        super().__init__(
            f"the prompt is {prompt_tokens} tokens and the context window {window_tokens}: "
            f"{self.over_tokens} tokens too many, one kept for the answer"
        )


class DoesNotFitPaced(DoesNotFit):
    """The answer takes several windows, and the prompt leaves too little of each."""

    def __init__(self, *, prompt_tokens: int, window_tokens: int, answer_tokens: int) -> None:
        super().__init__(prompt_tokens=prompt_tokens, window_tokens=window_tokens)
        self.answer_tokens = answer_tokens
        self.over_tokens = prompt_tokens - _longest_prompt_tokens(window_tokens)
        self.args = (
            f"an answer of {answer_tokens} tokens takes several context windows of "
            f"{window_tokens}, and with the {prompt_tokens} tokens of the prompt in each there is "
            f"no room to carry it on: {self.over_tokens} tokens too many",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Tokens: the prompt's, the most the model may write, the most of these for reasoning.

    max_tokens: within one window. answer_tokens: what the asked length takes, None where none is
    known. windows: how many the draft takes. further_tokens: what those after the first may write.
    """

    prompt_tokens: int
    max_tokens: int
    reasoning_tokens: int
    answer_tokens: int | None = None
    windows: int = 1
    further_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """The most the model may write over all windows."""
        return self.max_tokens + self.further_tokens


def split_window(
    *,
    window_tokens: int,
    prompt_tokens: int,
    max_tokens: int | None,
    reasoning_tokens: int | None,
) -> Budget:
    """Budget of one draft.

    ``max_tokens`` is an upper bound, so one that the window cannot hold is lowered, not refused.
    Reasoning never takes more than half of the allowance: LongWriter-Zero's thinking settles at
    2,000-3,000 tokens by itself (arXiv 2506.18841), so this is a guard against thinking that never
    closes and would leave an empty answer.
    Worked number: window 32,768, prompt 768, nothing else asked: 32,000 to write, 16,000 of them
    for reasoning at most.

    Raises:
        DoesNotFit: the prompt leaves no room for a single token.
    """
    room_tokens = window_tokens - prompt_tokens
    if room_tokens < 1:
        raise DoesNotFit(prompt_tokens=prompt_tokens, window_tokens=window_tokens)
    allowed_tokens = room_tokens if max_tokens is None else min(max_tokens, room_tokens)
    half_tokens = allowed_tokens // 2
    capped_tokens = half_tokens if reasoning_tokens is None else min(reasoning_tokens, half_tokens)
    return Budget(
        prompt_tokens=prompt_tokens, max_tokens=allowed_tokens, reasoning_tokens=capped_tokens
    )


def most_reasoning_tokens(words: int) -> int:
    """Where a plan for so many words is cut off as one that does not end.

    Above what it takes by itself (2,000 to 3,000 tokens, 16 for each of a book's sections), far
    below half the window, which a plan that goes round in circles would use up.
    Worked numbers: 2,200 words: 4,220; 110,000: 15,000.
    """
    return _LEAST_CUT_TOKENS + words // 10


def outline_tokens(words: int) -> int:
    """The tokens that an outline may take of which a thinking is asked: 24 for each 200 words.

    Worked numbers: 2,200 words: 520; 22,000: 2,896.
    """
    return _LEAST_OUTLINE_TOKENS + 24 * words // 200


def tokens_per_word(*, tokens: int, words: int) -> float:
    """What one word takes, measured on a sample; its punctuation and markup are in it.

    Worked number: a sample of 300 words that a tokenizer makes 420 tokens of: 1.4.
    """
    return tokens / words


def answer_tokens(*, words: int, per_word: float) -> int:
    """Tokens of an answer of ``words`` words: 2,200 at 1.4 tokens each are 3,080."""
    return math.ceil(words * per_word)


def spread(
    budget: Budget, *, window_tokens: int, answer_tokens: int, max_tokens: int | None
) -> Budget:
    """The budget of a paced answer of ``answer_tokens``, over as many windows as it takes.

    One window where prompt, expected reasoning and answer fit it. Else the first window holds
    what they leave, and each further one what prompt and carried text leave. ``max_tokens`` is the
    caller's bound on reasoning and answer over all windows.
    Worked number: window 32,768, prompt 768, 100,000 words at 1.4 = 140,000 tokens: 29,000 in the
    first window, 18,892 in each further one, 7 windows.

    Raises:
        DoesNotFitPaced: a further window would have less than ``LEAST_ROOM_SHARE`` to write in.
    """
    reasoning_tokens = min(budget.reasoning_tokens, EXPECTED_REASONING_TOKENS)
    first_tokens = window_tokens - budget.prompt_tokens - reasoning_tokens
    wanted_tokens = answer_tokens
    if max_tokens is not None:
        wanted_tokens = min(answer_tokens, max_tokens - reasoning_tokens)
    total_tokens = budget.reasoning_tokens + math.ceil(wanted_tokens * ANSWER_SLACK)
    if max_tokens is not None:
        total_tokens = min(total_tokens, max_tokens)
    beyond_tokens = max(0, total_tokens - budget.max_tokens)
    if wanted_tokens <= first_tokens:
        # A longer plan than expected must not cost the answer its end.
        return replace(budget, answer_tokens=answer_tokens, further_tokens=beyond_tokens)
    if budget.prompt_tokens > _longest_prompt_tokens(window_tokens):
        raise DoesNotFitPaced(
            prompt_tokens=budget.prompt_tokens,
            window_tokens=window_tokens,
            answer_tokens=answer_tokens,
        )
    further_tokens = window_tokens - budget.prompt_tokens - carried_tokens(window_tokens)
    return replace(
        budget,
        answer_tokens=answer_tokens,
        windows=1 + math.ceil((wanted_tokens - first_tokens) / further_tokens),
        further_tokens=beyond_tokens,
    )


def carried_tokens(window_tokens: int) -> int:
    """What a further window holds of what was written: 13,108 of 32,768."""
    return math.ceil(window_tokens * CARRIED_SHARE)


def _longest_prompt_tokens(window_tokens: int) -> int:
    """The longest prompt that further windows can hold: 13,106 of 32,768."""
    least_tokens = math.ceil(window_tokens * LEAST_ROOM_SHARE)
    return window_tokens - carried_tokens(window_tokens) - least_tokens
