"""What happens while an answer is written, as values. It must not know engines or HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


class Fate(StrEnum):
    """What became of a candidate of a best-of request so far."""

    WRITING = "writing"
    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of the drafts of a best-of request, as the caller is told of it.

    score: the panel's total, of what there was to judge; None: not judged. raw, normalised: by
    reward; a reward that abstained is None in ``raw`` and missing in ``normalised``. place: 1 for
    the best of those judged to the end. why: what told against it, or why a reward said nothing.
    """

    index: int
    fate: Fate
    words: int
    reasoning_tokens: int
    answer_tokens: int
    score: float | None = None
    raw: Mapping[str, float | None] = field(default_factory=dict)
    normalised: Mapping[str, float] = field(default_factory=dict)
    place: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the candidates of a best-of request are; nothing of them is shown yet."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Why a draft was chosen. ``judged_by`` is "panel", or "first" where all rewards abstained;
    num_shown: how many of the candidates are, the best ones."""

    candidate: int
    judged_by: Literal["panel", "first"]
    candidates: tuple[Candidate, ...]
    num_shown: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last event of every draft that did not fail.

    faults: format faults seen, by the names in ``marks.FAULTS``.
    answer_words: counted as ``planner.words`` counts.
    asked: the length that was wanted.
    carried: how often the draft was carried on, by the names in ``rules.CARRY_REASONS``.
    moves: how often another engine carried on a stream of it that broke off.
    stored: False where it was to be kept and its store went, so that nothing will have its end.
    judged: why it was chosen, where it is one of several candidates.
    """

    finish_reason: FinishReason
    usage: Usage
    answer_words: int
    faults: tuple[str, ...] = ()
    asked: Asked = NOTHING
    carried: tuple[tuple[str, int], ...] = ()
    num_windows: int = 1
    moves: int = 0
    stored: bool = True
    judged: Judged | None = None

    @property
    def ratio(self) -> float | None:
        """Words written for each word asked, taking a range by its middle; None: none asked.

        Worked number: 2,100 words for [1,800, 2,200] = 1.05.
        """
        return None if self.asked.range is None else 2 * self.answer_words / sum(self.asked.range)


Event = Fragment | CarriedOn | Progress | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An event of the ``index``-th of a request's ``n`` drafts."""

    index: int
    event: Event
