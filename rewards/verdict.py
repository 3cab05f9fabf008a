"""What a panel found: the places of all drafts, and why each is where it is; decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from rewards.base import Score


class Ending(IntEnum):
    """How a draft came to its end, the better the higher: no score lifts a draft over this."""

    FAILED = 0
    UNFINISHED = 1
    FINISHED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One draft of a group, judged.

    index: which draft, counted from 0. raw: what each reward said, abstentions and failures
    included. normalised: its distance from the group's mean in standard deviations, of the
    weighed rewards that gave it a value. total: their weighted mean; None where none did.
    place: from 1. reason: why it lost; "" for the winner.
    """

    index: int
    ending: Ending
    raw: Mapping[str, Score]
    normalised: Mapping[str, float]
    total: float | None
    place: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The candidates in the order they were given, and their indices from the best on.

    weights: by which they were ranked. judged: some reward had an opinion on some draft; where
    none had, the first finished draft is best.
    """

    candidates: tuple[Candidate, ...]
    ranking: tuple[int, ...]
    weights: Mapping[str, float]
    judged: bool

    @property
    def best(self) -> int:
        """The winner's index."""
        return self.ranking[0]

    @property
    def why(self) -> str:
        """How the winner was found, where it was not by its scores; else ""."""
        if not self.judged:
            return "no reward had an opinion: the first finished draft was taken"
        if self.candidates[self.best].ending is not Ending.FINISHED:
            return "no draft was finished"
        return ""
