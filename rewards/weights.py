"""How much each reward has to say, as a request may ask it; ranks nothing."""

import math
from collections.abc import Collection, Mapping


class BadWeights(ValueError):
    """Weights by which nothing can be ranked.

    field: the reward whose weight is wrong; "" where all of them together are. possible: the
    rewards that there are.
    """

    def __init__(self, message: str, *, field: str, possible: Collection[str]) -> None:
        super().__init__(message)
        self.field = field
        self.possible = tuple(possible)


class UnknownReward(BadWeights):
    """A weight for a reward that there is not, or not here."""


def checked_weights(
    weights: Mapping[str, float] | None, available: Collection[str]
) -> dict[str, float]:
    """The weight of each available reward; one that is not named has none.

    None weighs all alike, as LongWriter-Zero was trained. Raises UnknownReward, BadWeights.
    Worked number: {"length": 2} of length and format -> {"length": 2.0, "format": 0.0}.
    """
    if not available:
        raise BadWeights("there is no reward to weigh", field="", possible=())
    if weights is None:
        return dict.fromkeys(available, 1.0)
    for name, weight in weights.items():
        if name not in available:
            known = ", ".join(available)
            raise UnknownReward(
                f"unknown reward {name!r}; there are: {known}", field=name, possible=available
            )
        if not 0 <= weight < math.inf:
            raise BadWeights(
                f"the weight of {name} must be a finite number from 0 up, not {weight}",
                field=name,
                possible=available,
            )
    if not any(weights.values()):
        raise BadWeights("one weight at least must be above 0", field="", possible=available)
    return {name: float(weights.get(name, 0.0)) for name in available}
