"""Figures with their 95 % confidence intervals; knows nothing of what was measured."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# 95 % of a normal distribution.
_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and how far off it may be to either side."""

    value: float
    low: float
    high: float

    @property
    def per_cent(self) -> str:
        """ "48.2 % (45.0 to 51.4)"."""
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def mean_of(values: Sequence[float]) -> Interval:
    """The mean, by the normal approximation.

    Worked number: 1, 2, 3 -> 2, and 1.96 * 1 / sqrt(3) = 1.13 to either side.
    """
    mean = statistics.fmean(values)
    half = _Z * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Interval(value=mean, low=mean - half, high=mean + half)


def share_of(hits: Sequence[bool]) -> Interval:
    """The share of hits, by Wilson's score interval (1927), which holds near 0 and 1 too.

    Worked number: 18 of 20 -> 0.9, from 0.699 to 0.972.
    """
    number, share = len(hits), sum(hits) / len(hits)
    weight = _Z**2 / number
    middle = (share + weight / 2) / (1 + weight)
    half = _Z * math.sqrt(share * (1 - share) / number + weight / (4 * number)) / (1 + weight)
    return Interval(value=share, low=middle - half, high=middle + half)


def ratio_of(pairs: Sequence[tuple[float, float]]) -> Interval:
    """The sum of the first over the sum of the second, by the delta method for paired values.

    Worked number: (1, 2), (2, 4), (3, 6) -> 0.5, without any spread.
    """
    above, below = (statistics.fmean(values) for values in zip(*pairs, strict=True))
    ratio = above / below
    rests = mean_of([one - ratio * other for one, other in pairs])
    half = (rests.high - rests.value) / below
    return Interval(value=ratio, low=ratio - half, high=ratio + half)
