"""What can be said of a draft that is still being written; stops none itself.

Two ways to spare tokens. A draft that cannot become a good one is stopped at once (``hopeless``).
Of the rest only the better share goes on from each checkpoint (``survivors``), judged by what is
there: Speculative Rejection (arXiv 2410.20290) drops the lower half by a reward model's score of
the partial texts when memory fills; successive halving (Jamieson & Talwalkar, arXiv 1502.07943)
drops the lower half at each of a row of checkpoints, so that each stage costs about the same.
"""

import math
from collections.abc import Mapping, Sequence

from planner.words import count_words
from rewards.base import Asked, Draft, Score
from rewards.format import format_so_far
from rewards.length import Length
from rewards.loops import loop_at_end
from rewards.repetition import Repetition

# A draft whose format cannot be worth so much any more is broken beyond repair.
LEAST_FORMAT = 0.5


def hopeless(
    draft: Draft,
    asked: Asked | None,
    words_max_left: float | None = None,
    *,
    length: Length | None = None,
) -> str | None:
    """Why an unfinished draft cannot become a good one, or None while it can.

    words_max_left: how many words it can still have, by its tokens; None: no matter. length: the
    reward whose L_max counts. It may be so of all drafts of a group: stop the last one never.

    Worked numbers, asked [1800, 2200], 812 words written: 900 left at most -> 1,712 < 1,800,
    "cannot reach 1800 words any more"; from 4,400 words on the length is worth 0: "longer than".
    """
    if draft.ended:
        return None
    return (
        _length_lost(draft, asked, words_max_left, length or Length())
        or _format_lost(draft)
        or loop_at_end(draft.answer or draft.reasoning)
    )


def running_scores(draft: Draft, repetition: Repetition | None = None) -> Mapping[str, Score]:
    """Format and repetition of what is there, for a ``Panel`` over drafts at the same checkpoint.

    The names are those of the whole rewards. Length is left out: at a checkpoint a draft has the
    words it was let have. What a draft may still mend, such as an open tag, costs nothing.
    """
    said = repetition or Repetition()
    return {"format": format_so_far(draft), said.name: said.score(draft)}


def survivors(totals: Sequence[float], keep_share: float = 0.5) -> tuple[int, ...]:
    """Indices, in order, of the best share of drafts, rounded up; equal ones: the lower index.

    Worked number: [0.1, 0.9, 0.5] with 0.5 -> ceil(1.5) = 2 -> (1, 2). Raises ValueError for a
    share outside (0, 1] or a total that is no number.
    """
    if not 0 < keep_share <= 1:
        raise ValueError(f"keep_share must be above 0 and at most 1, not {keep_share}")
    if any(map(math.isnan, totals)):
        raise ValueError("a total is no number")
    # A share such as 0.1 of 10 is a hair above 1 in binary.
    num_kept = math.ceil(round(keep_share * len(totals), 9))
    best = sorted(range(len(totals)), key=lambda index: (-totals[index], index))
    return tuple(sorted(best[:num_kept]))


def tokens_share(num_drafts: int, checkpoints: Sequence[float], keep_share: float = 0.5) -> float:
    """The tokens of a pruned group as a share of a full one's, where all drafts are equally long.

    checkpoints: where drafts are dropped, as shares of a draft's length, rising.
    Worked number: 8 drafts, halved at 0.125, 0.25, 0.5: (8 + 4) * 0.125 + 2 * 0.25 + 1 * 0.5 = 2.5
    of 8 -> 0.3125.
    """
    tokens, at, left = 0.0, 0.0, num_drafts
    for checkpoint in checkpoints:
        tokens += left * (checkpoint - at)
        at, left = checkpoint, len(survivors([0.0] * left, keep_share))
    return (tokens + left * (1 - at)) / num_drafts


def _length_lost(
    draft: Draft, asked: Asked | None, words_max_left: float | None, length: Length
) -> str | None:
    if asked is None:
        return None
    words = count_words(draft.answer)
    if words > asked.high_words and words >= length.max_words(asked):
        return f"longer than asked: {words} of [{asked.low_words}, {asked.high_words}] words"
    if words_max_left is not None and words + words_max_left < asked.low_words:
        return f"cannot reach {asked.low_words} words any more"
    return None


def _format_lost(draft: Draft) -> str | None:
    score = format_so_far(draft)
    if score.value is None or score.value >= LEAST_FORMAT:
        return None
    return f"format broken: {score.why}"
