"""What happens while an answer is written, as values. It must not know engines or HTTP."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from planner.length import NOTHING, Asked

FinishReason = Literal["stop", "length"]


class Channel(StrEnum):
    """Where a piece of text belongs."""

    REASONING = "reasoning"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """One token's log-probability (natural logarithm) and its likeliest rivals."""

    token: str
    token_id: int
    logprob: float
    top: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """Text of one channel, tags removed. ``logprobs`` are those of answer tokens, if asked for."""

    channel: Channel
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOn:
    """The draft went on in a new engine stream; ``why`` is one of ``rules.CARRY_REASONS``."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one draft, or of several (``wire.encode.total``).

    cached_tokens: how many prompt tokens the engine had in its prefix cache, counted once.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    answer_tokens: int = 0

    @property
    def completion_tokens(self) -> int:
        return self.reasoning_tokens + self.answer_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last event of every draft that did not fail.

    faults: format faults seen, by the names in ``marks.FAULTS``.
    answer_words: counted as ``planner.words`` counts.
    asked: the length that was wanted.
    carried: how often the draft was carried on, by the names in ``rules.CARRY_REASONS``.
    """

    finish_reason: FinishReason
    usage: Usage
    answer_words: int
    faults: tuple[str, ...] = ()
    asked: Asked = NOTHING
    carried: tuple[tuple[str, int], ...] = ()
    num_windows: int = 1

    @property
    def ratio(self) -> float | None:
        """Words written for each word asked, taking a range by its middle; None: none asked.

        Worked number: 2,100 words for [1,800, 2,200] = 1.05.
        """
        return None if self.asked.range is None else 2 * self.answer_words / sum(self.asked.range)


Event = Fragment | CarriedOn | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An event of the ``index``-th of a request's ``n`` drafts."""

    index: int
    event: Event
