"""What a reward is given and what it says; nothing here judges anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The length that was asked for, in words as ``planner.words.count_words`` counts them.

    max_words: where the length reward reaches 0 above the range; None: that reward's own setting.
    Raises ValueError unless 0 <= low_words <= high_words, and high_words <= max_words.
    """

    low_words: int
    high_words: int
    max_words: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.low_words <= self.high_words:
            raise ValueError(f"no range of words: [{self.low_words}, {self.high_words}]")
        if self.max_words is not None and self.max_words < self.high_words:
            raise ValueError(f"max_words {self.max_words} is below high_words {self.high_words}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One draft, whole or so far.

    raw: the completion as the model wrote it, its tags included; None where it is not known.
    ended: the model ended it itself; a stop string that ended it, such as ``</answer>``, need not
    be in ``raw``. thinking: the prompt asked for thinking before the answer.
    """

    prompt: str
    answer: str
    reasoning: str = ""
    raw: str | None = None
    ended: bool = True
    thinking: bool = True
    asked: Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a reward says of one draft.

    value: within the reward's ``range``; None: it has no opinion. why: the reason for that, or
    the faults found, in a few words. failed: the judge broke, as opposed to having no opinion.
    parts: the figures behind the value, by name.
    Raises ValueError for a failed score that has a value.
    """

    value: float | None
    why: str = ""
    failed: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.failed and self.value is not None:
            raise ValueError("a judge that failed has no value to give")


def abstained(why: str) -> Score:
    """The score of a reward that has no opinion on a draft."""
    return Score(value=None, why=why)


def broke(why: str) -> Score:
    """The score of a reward that could not judge a draft: never a zero."""
    return Score(value=None, why=why, failed=True)


class Reward(Protocol):
    """A pure reward: a draft in, a score out, in time linear in the draft."""

    @property
    def name(self) -> str:
        """What requests, responses and metrics call it."""
        ...

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value it can give."""
        ...

    def score(self, draft: Draft) -> Score:
        """Judges one draft, whole or so far."""
        ...


class Judge(Protocol):
    """A reward with a model or a network behind it."""

    @property
    def name(self) -> str:
        """What requests, responses and metrics call it."""
        ...

    async def score(self, drafts: Sequence[Draft]) -> Sequence[Score]:
        """One score a draft, in their order.

        Never raises for a failure of what stands behind it: it gives ``broke`` scores.
        """
        ...
