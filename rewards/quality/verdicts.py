"""Scores of a draft from what a classifier said of its passages; it must not run one."""

import math
from collections.abc import Sequence

from rewards.base import Score, abstained, broke
from rewards.quality.reading import Passage
from rewards.quality.windows import mean_by_tokens

NOTHING_TO_READ = abstained("there is no answer to read")


def draft_score(logits: Sequence[float], passages: Sequence[Passage]) -> Score:
    """The mean of the passages' raw logits by their tokens; failed where one is no number.

    Raw, without a sigmoid: the difference of two Bradley-Terry scores is the log-odds that the
    first draft is preferred, P = 1 / (1 + exp(-(a - b))), and a squashed score loses it. Logits
    2.0 and 1.0 of 300 and 100 tokens: 1.75, with the parts windows 2, tokens 400, lowest 1.0.
    """
    if not all(math.isfinite(logit) for logit in logits):
        return broke("the quality model gave no number")
    tokens = [passage.tokens for passage in passages]
    return Score(
        value=mean_by_tokens(logits, tokens),
        parts={"windows": len(tokens), "tokens": sum(tokens), "lowest": min(logits)},
    )
