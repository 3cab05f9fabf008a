"""Whether a draft has the length that was asked for; must not guess what was asked.

Why: the rule LongWriter-Zero was trained by (arXiv 2506.18841), so that the draft that is delivered
is the one the model was rewarded for. Its pieces, with the answer's words L:

    1                                   low <= L <= high
    L / low                             L < low
    (L_max - L) / (L_max - high)        high < L < L_max
    0                                   L >= L_max, and L > high

L_max is not published. Here it is ``max_words`` of what was asked, or else ``max_factor`` times
``high``: with 2 an overshoot by half costs half, as an undershoot by half does, and an answer of
twice the length, which this model is known to write, is worth as little as none at all.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from planner.words import count_words
from rewards.base import Asked, Draft, Score, abstained

DEFAULT_MAX_FACTOR = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """The reward. Words are counted as ``planner.words.count_words`` counts them, in the answer.

    Worked numbers, asked [1800, 2200]: 812 words -> 812 / 1800 = 0.451; 2,000 -> 1; 3,300 ->
    (4400 - 3300) / 2200 = 0.5; 5,000 -> 0. Abstains where no length was asked.
    Raises ValueError for a factor below 1.
    """

    max_factor: float = DEFAULT_MAX_FACTOR
    name: ClassVar[str] = "length"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not 1 <= self.max_factor < math.inf:
            raise ValueError(f"max_factor must be at least 1 and finite, not {self.max_factor}")

    def score(self, draft: Draft) -> Score:
        """Judges the answer as it stands; of an unfinished draft, as if it ended here."""
        if draft.asked is None:
            return abstained("no length was asked for")
        words, max_words = count_words(draft.answer), self.max_words(draft.asked)
        return Score(
            value=length_value(words, draft.asked, max_words),
            why=_why(words, draft.asked),
            parts={
                "words": words,
                "low_words": draft.asked.low_words,
                "high_words": draft.asked.high_words,
                "max_words": max_words,
            },
        )

    def max_words(self, asked: Asked) -> float:
        """L_max: from how many words on the value is 0. [1800, 2200] -> 4,400.0."""
        if asked.max_words is not None:
            return asked.max_words
        return self.max_factor * asked.high_words


def length_value(words: int, asked: Asked, max_words: float) -> float:
    """The formula above. Where ``max_words`` is ``high_words`` it falls to 0 right behind it."""
    if words < asked.low_words:
        return words / asked.low_words
    if words <= asked.high_words:
        return 1.0
    if words >= max_words:
        return 0.0
    return (max_words - words) / (max_words - asked.high_words)


def _why(words: int, asked: Asked) -> str:
    if asked.low_words <= words <= asked.high_words:
        return ""
    side = "shorter" if words < asked.low_words else "longer"
    return f"{side} than asked: {words} of [{asked.low_words}, {asked.high_words}] words"
