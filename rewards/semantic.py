"""Which paragraphs say what an earlier one said, by sentence embeddings that the caller brings.

Optional, and dearer than the rest of a repetition score: the model behind it runs over every
paragraph. It must not know what a repeat is worth.
"""

import math
from collections.abc import Callable, Sequence
from operator import mul

# Texts in, one vector each out, in their order and of one length. What it raises goes through.
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]

# A paragraph is compared with so many before it, so that the cost stays linear in the text.
NEAR_PARAGRAPHS = 32


def echoes(texts: Sequence[str], embed: Embed, least_cosine: float) -> dict[int, int]:
    """Of each text that is near one of the 32 before it: the first such, both counted from 0.

    Near is a cosine of at least ``least_cosine``; a vector of zeros is near nothing.
    Worked number: vectors (1, 0), (0, 1), (0.8, 0.6) and 0.75 -> {2: 0}, for 0.8 >= 0.75 > 0.6.
    """
    units = [_unit(vector) for vector in embed(texts)] if texts else []
    found: dict[int, int] = {}
    for number, vector in enumerate(units):
        for earlier in range(max(0, number - NEAR_PARAGRAPHS), number):
            if sum(map(mul, vector, units[earlier])) >= least_cosine:
                found[number] = earlier
                break
    return found


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(map(mul, vector, vector)))
    return [value / length for value in vector] if length else [0.0] * len(vector)
