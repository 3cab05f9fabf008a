"""How good a quality model is, from its scores of held-out pairs; it must not run one."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A held-out pair with the scores of its texts and their lengths."""

    chosen: float
    rejected: float
    chosen_words: int
    rejected_words: int
    kind: str = ""

    @property
    def margin(self) -> float:
        """By how much the chosen one scored higher."""
        return self.chosen - self.rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An accuracy and the number of pairs behind it."""

    accuracy: float
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that is measured on held-out pairs.

    score_length_correlation: of the scores of single texts with their words. margin_length_
    correlation: of a pair's difference in score with its difference in words; what a judge that
    looks at length cannot hide. mean_words: of the chosen and of the rejected texts.
    """

    overall: Share
    by_kind: dict[str, Share]
    log_loss: float
    calibration_error: float
    mean_margin: float
    score_length_correlation: float | None
    margin_length_correlation: float | None
    chosen_shorter: Share | None
    chosen_longer: Share | None
    same_length: Share | None
    mean_words: tuple[float, float]


def figures(pairs: Sequence[Scored]) -> Figures:
    """Everything measured on the pairs. Raises ValueError without a pair."""
    if not pairs:
        raise ValueError("there is no pair to measure on")
    kinds = sorted({pair.kind for pair in pairs})
    texts = [(pair.chosen, pair.chosen_words) for pair in pairs]
    texts += [(pair.rejected, pair.rejected_words) for pair in pairs]
    apart = [(pair.margin, pair.chosen_words - pair.rejected_words) for pair in pairs]
    return Figures(
        overall=Share(accuracy=accuracy(pairs), pairs=len(pairs)),
        by_kind={kind: _of_kind(pairs, kind) for kind in kinds},
        log_loss=log_loss(pairs),
        calibration_error=calibration_error(pairs),
        mean_margin=_mean(pair.margin for pair in pairs),
        score_length_correlation=correlation(texts),
        margin_length_correlation=correlation(apart),
        chosen_shorter=_share(pairs, lambda pair: pair.chosen_words < pair.rejected_words),
        chosen_longer=_share(pairs, lambda pair: pair.chosen_words > pair.rejected_words),
        same_length=_share(pairs, lambda pair: pair.chosen_words == pair.rejected_words),
        mean_words=(
            _mean(pair.chosen_words for pair in pairs),
            _mean(pair.rejected_words for pair in pairs),
        ),
    )


def accuracy(pairs: Sequence[Scored]) -> float:
    """The share of pairs whose chosen text scores higher; equal scores count a half.

    Margins 1.2, -0.3, 0.0 and 0.8: (1 + 0 + 0.5 + 1) / 4 = 0.625.
    """
    return _mean(_right(pair) for pair in pairs)


def log_loss(pairs: Sequence[Scored]) -> float:
    """Minus the mean logarithm of sigmoid(margin), the Bradley-Terry loss; ln 2 = 0.693 for a coin.

    Margins 1.0 and -1.0: (0.3133 + 1.3133) / 2 = 0.8133.
    """
    return _mean(_softplus(-pair.margin) for pair in pairs)


def calibration_error(pairs: Sequence[Scored], bins: int = _BINS) -> float:
    """The expected calibration error of sigmoid(margin) (Guo et al., arXiv 1706.04599, eq. 3).

    A pair's confidence is that of the text it prefers, c = max(p, 1 - p) with p = sigmoid(margin),
    so from 0.5 to 1; ``bins`` of equal width there. ECE = sum_b (n_b / n) * |accuracy_b - mean
    confidence_b|. Margins ln 19, ln 19, -ln 19 and ln 19: all confidences 0.95, three of four
    right, so |0.75 - 0.95| = 0.2.
    """
    held: dict[int, list[Scored]] = {}
    for pair in pairs:
        place = int((_confidence(pair) - 0.5) * 2 * bins)
        held.setdefault(min(place, bins - 1), []).append(pair)
    gaps = (abs(accuracy(b) - _mean(map(_confidence, b))) * len(b) for b in held.values())
    return sum(gaps) / len(pairs)


def correlation(points: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's correlation; None where either side does not vary.

    (1, 10), (2, 30), (3, 20): 0.5.
    """
    mean_x, mean_y = _mean(x for x, _ in points), _mean(y for _, y in points)
    across = sum((x - mean_x) * (y - mean_y) for x, y in points)
    spread = math.sqrt(
        sum((x - mean_x) ** 2 for x, _ in points) * sum((y - mean_y) ** 2 for _, y in points)
    )
    return across / spread if spread else None


def _of_kind(pairs: Sequence[Scored], kind: str) -> Share:
    found = [pair for pair in pairs if pair.kind == kind]
    return Share(accuracy=accuracy(found), pairs=len(found))


def _share(pairs: Sequence[Scored], chosen: Callable[[Scored], bool]) -> Share | None:
    found = [pair for pair in pairs if chosen(pair)]
    return Share(accuracy=accuracy(found), pairs=len(found)) if found else None


def _right(pair: Scored) -> float:
    return 0.5 if pair.margin == 0 else float(pair.margin > 0)


def _confidence(pair: Scored) -> float:
    return 1 / (1 + math.exp(-abs(pair.margin)))


def _softplus(x: float) -> float:
    """ln(1 + e^x) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _mean(values: Iterable[float]) -> float:
    held = tuple(values)
    return math.fsum(held) / len(held)
