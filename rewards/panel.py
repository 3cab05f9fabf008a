"""Ranks the drafts of a group by all rewards together; runs no reward itself.

As LongWriter-Zero was trained (arXiv 2506.18841): each reward is normalised over the group on its
own, and then they are averaged. So a reward in logits and one in [0, 1] have the same say, and a
reward that tells no draft from another has none:

    z[i, r] = (value[i, r] - mean of r) / standard deviation of r     (population, over the group)
    total[i] = sum of weight[r] * z[i, r] / sum of weight[r]          (over the r that have a value)

- Of equal values, and of fewer than two, all z are 0.
- A reward that abstained or failed for a draft is left out of that draft's mean: the weights of the
  others are scaled up. It is never taken for a zero. A draft of which no reward says anything
  stands behind those that were judged.
- A finished draft stands before an unfinished one, and that before a failed one, whatever they
  score.
- Equal totals: the higher weighted mean of the raw values wins, then the lower index.

All drafts given are the group, unfinished ones too: give an empty mapping for one that should not
count. Sums are exact (``math.fsum``), so the order of the drafts decides nothing but the last tie.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from rewards.base import Score
from rewards.verdict import Candidate, Ending, Verdict
from rewards.weights import checked_weights

# Values this near, beside their size, are equal: what is left of them is rounding.
_EQUAL = 1e-9
_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The rewards that judge, each with its weight.

    Worked numbers, weights 1 and 1, two drafts with length 1.0 and 0.5, quality 2.0 and 3.0: z are
    (+1, -1) and (-1, +1), both totals 0; raw means 1.5 and 1.75, so the second wins.
    """

    weights: Mapping[str, float]

    @classmethod
    def of(cls, weights: Mapping[str, float] | None, available: Collection[str]) -> Self:
        """A panel of the available rewards; None weighs them alike.

        Raises UnknownReward, BadWeights.
        """
        return cls(weights=checked_weights(weights, available))

    def judge(
        self,
        scores: Sequence[Mapping[str, Score]],
        endings: Sequence[Ending] | None = None,
    ) -> Verdict:
        """Ranks drafts by their scores. endings: how each ended; None: all finished.

        Raises ValueError for no draft, or for endings of another number.
        """
        if not scores:
            raise ValueError("no draft to judge")
        ends = [Ending.FINISHED] * len(scores) if endings is None else endings
        tallies = [
            _Tally(index=index, ending=ending, raw=raw, z=z, weights=self.weights)
            for index, (ending, raw, z) in enumerate(
                zip(ends, scores, self._normalised(scores), strict=True)
            )
        ]
        ranked = sorted(tallies, key=_Tally.order)
        placed = {tally.index: place for place, tally in enumerate(ranked, 1)}
        return Verdict(
            candidates=tuple(
                tally.candidate(placed[tally.index], winner=ranked[0]) for tally in tallies
            ),
            ranking=tuple(tally.index for tally in ranked),
            weights=self.weights,
            judged=any(tally.total is not None for tally in tallies),
        )

    def judge_beside(
        self, scores: Sequence[Mapping[str, Score]], stopped: Sequence[Mapping[str, Score]]
    ) -> Verdict:
        """Ranks drafts by a scale that those stopped before them, with their last scores, still
        belong to; the verdict is of the others alone.

        Else each draft that is stopped makes small differences between those that are left larger:
        of two, whichever way a reward leans, z is +1 and -1. Worked numbers, weights 1 and 1, left
        (length 1.0, quality 2.0) and (0.9, 2.4), stopped (0.2, 2.6): alone both totals are 0;
        beside the third z are (+0.84, -1.34) and (+0.56, +0.27), so the second wins.
        Raises ValueError for no draft.
        """
        if not scores:
            raise ValueError("no draft to judge")
        number = len(scores)
        endings = [Ending.FINISHED] * number + [Ending.UNFINISHED] * len(stopped)
        verdict = self.judge([*scores, *stopped], endings)
        candidates = verdict.candidates[:number]
        return replace(
            verdict,
            candidates=candidates,
            ranking=verdict.ranking[:number],
            judged=any(candidate.total is not None for candidate in candidates),
        )

    def _normalised(self, scores: Sequence[Mapping[str, Score]]) -> list[dict[str, float]]:
        z: list[dict[str, float]] = [{} for _ in scores]
        for reward, weight in self.weights.items():
            values = {
                index: value
                for index, raw in enumerate(scores)
                if weight and (value := _value(raw.get(reward))) is not None
            }
            for index, value in zip(values, normalised([*values.values()]), strict=True):
                z[index][reward] = value
        return z


def normalised(values: Sequence[float]) -> list[float]:
    """Each value's distance from their mean, in population standard deviations.

    Equal values, and a single one: all 0. Worked number: [1, 2, 3] -> [-1.2247, 0, 1.2247].
    """
    if not values or max(values) - min(values) <= _EQUAL * max(map(abs, values)):
        return [0.0] * len(values)
    mean = math.fsum(values) / len(values)
    # In units of the largest, so that no square runs over or under.
    unit = max(abs(value - mean) for value in values)
    away = [(value - mean) / unit for value in values]
    deviation = math.sqrt(math.fsum(one * one for one in away) / len(away))
    return [one / deviation for one in away]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    """One draft's scores, added up."""

    index: int
    ending: Ending
    raw: Mapping[str, Score]
    z: Mapping[str, float]
    weights: Mapping[str, float]

    @property
    def total(self) -> float | None:
        return self._mean(self.z) if self.z else None

    @property
    def values(self) -> dict[str, float]:
        """The raw values behind ``z``."""
        values = {reward: _value(self.raw[reward]) for reward in self.z}
        return {reward: value for reward, value in values.items() if value is not None}

    def order(self) -> tuple[float, ...]:
        """Sorts the best first."""
        if not self.z:
            return (-self.ending, 1, 0.0, 0.0, self.index)
        totals = round(-self._mean(self.z), _DIGITS), round(-self._mean(self.values), _DIGITS)
        return (-self.ending, 0, *totals, self.index)

    def candidate(self, place: int, *, winner: "_Tally") -> Candidate:
        return Candidate(
            index=self.index,
            ending=self.ending,
            raw=self.raw,
            normalised=self.z,
            total=self.total,
            place=place,
            reason="" if place == 1 else self._reason(winner),
        )

    def _reason(self, winner: "_Tally") -> str:
        """Why it lost: by how it ended, or by the reward that set it back most."""
        if self.ending is not winner.ending:
            return "failed" if self.ending is Ending.FAILED else "not finished"
        if not self.z:
            return "no reward had an opinion on it"
        back = {
            reward: self.weights[reward] * (winner.z[reward] - z)
            for reward, z in self.z.items()
            if reward in winner.z
        }
        if not back:
            return "scored lower, by other rewards than the winner"
        worst = max(back, key=back.__getitem__)
        if back[worst] <= 0:
            return "scored as high as the winner, which was first"
        gap = winner.values[worst] - self.values[worst]
        return self.raw[worst].why or f"{worst} {gap:.2g} below the winner's"

    def _mean(self, values: Mapping[str, float]) -> float:
        """The weighted mean of values by reward."""
        weight = math.fsum(self.weights[reward] for reward in values)
        return math.fsum(self.weights[reward] * value for reward, value in values.items()) / weight


def _value(score: Score | None) -> float | None:
    """A value that can be averaged; no number (NaN) or an infinite one is none."""
    if score is None or score.value is None or not math.isfinite(score.value):
        return None
    return score.value
