"""What can be said of a draft that is still being written; stops none itself.

Two ways to spare tokens. A draft that cannot become a good one is stopped at once (``hopeless``).
Of the rest only the better share goes on from each checkpoint (``num_kept``), judged by what is
there: Speculative Rejection (arXiv 2410.20290) drops the lower half by a reward model's score of
the partial texts when memory fills; successive halving (Jamieson & Talwalkar, arXiv 1502.07943)
drops the lower half at each of a row of checkpoints, so that each stage costs about the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planner.words import count_words
from rewards.base import Asked, Draft, Score, abstained
from rewards.forecast import forecast_words
from rewards.format import format_so_far
from rewards.length import Length, length_value
from rewards.loops import loop_at_end
from rewards.repetition import Repetition

# A draft whose format cannot be worth so much any more is broken beyond repair.
LEAST_FORMAT = 0.5
# Looks at a draft for what no later text can mend: the next one when it is a fifth longer, so that
# all looks together cost as much as a few at the end; a look takes 5 ms at 24,000 words. A draft
# that loops shall not go on for longer than this, though.
FIRST_LOOK_TOKENS = 150
_LOOK_GROWTH = 0.2
_MOST_UNSEEN_TOKENS = 1_000
# A draft may turn to words that are written in fewer tokens; and the first words of an answer tell
# nothing of that, for much of them may be held back.
_SPARE, _TELLING_WORDS = 1.5, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """When the drafts of a group are compared, and how many go on.

    checks: shares of the asked words, rising; at each the drafts still written are compared, once
    a share of them, the ``quorum``, has come as far: one that thinks without end keeps nobody
    waiting. keep_share: of those that go on; where room is short, ``crowded_keep_share``. The
    values here were chosen on recorded drafts (docs/best-of.md): of 8 drafts 5, 3 and 2 go on.
    Raises ValueError for checks that do not rise between 0 and 1.
    """

    checks: Sequence[float] = (0.15, 0.3, 0.5)
    quorum: float = 0.75
    keep_share: float = 0.6
    crowded_keep_share: float = 0.25

    def __post_init__(self) -> None:
        edges = [0.0, *self.checks, 1.0]
        if not all(one < other for one, other in zip(edges, edges[1:], strict=False)):
            raise ValueError(f"checks must rise between 0 and 1, not {[*self.checks]}")

    def is_due(self, num_passed: int, num_writing: int) -> bool:
        """Whether enough of the drafts that are being written have come as far as a check.

        Worked number: 6 of 8 are enough, 5 are not.
        """
        return num_passed >= num_kept(num_writing, self.quorum)


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


def next_look_tokens(tokens: int) -> float:
    """When to look again at a draft that has been looked at with so many tokens.

    Worked numbers: 150 -> 180; 10,000 -> 11,000.
    """
    return tokens + min(tokens * _LOOK_GROWTH, _MOST_UNSEEN_TOKENS)


def words_left(words: int, answer_tokens: int, tokens_left: int) -> float | None:
    """How many words a draft can still have at most; None while nobody can tell.

    Worked number: 300 words in 400 tokens, 1,000 tokens left: 1,000 * 300 / 400 * 1.5 = 1,125.
    """
    if words < _TELLING_WORDS:
        return None
    return tokens_left * words / answer_tokens * _SPARE


def running_scores(
    draft: Draft, repetition: Repetition | None = None, length: Length | None = None
) -> Mapping[str, Score]:
    """Length, format and repetition of a draft so far, for a ``Panel`` over a checkpoint's drafts.

    The names are those of the whole rewards. Length is that of the forecast, for at a checkpoint a
    draft has the words it was let have. What can still be mended, such as an open tag, costs
    nothing.
    """
    said, long = repetition or Repetition(), length or Length()
    return {
        long.name: length_so_far(draft, long),
        "format": format_so_far(draft),
        said.name: said.score(draft),
    }


def length_so_far(draft: Draft, length: Length | None = None) -> Score:
    """The length reward of what a draft will become; abstains where nothing says that.

    Worked number, asked [900, 1100]: a forecast of 600 words -> 600 / 900 = 0.667.
    """
    reward, asked = length or Length(), draft.asked
    if asked is None or draft.ended:
        return reward.score(draft)
    words, forecast = count_words(draft.answer), forecast_words(draft, asked)
    if forecast is None and words <= asked.high_words:
        return abstained("nothing in it says how long it will become")
    becomes = max(words, round(forecast or 0))
    value = length_value(becomes, asked, reward.max_words(asked))
    inside = asked.low_words <= becomes <= asked.high_words
    return Score(
        value=value,
        why="" if inside else f"on its way to {becomes} words",
        parts={"forecast_words": becomes},
    )


def num_kept(num_drafts: int, keep_share: float = 0.5) -> int:
    """How many of a group's drafts go on, the best of them: their share, rounded up.

    Worked number: 3 with 0.5 -> ceil(1.5) = 2. Raises ValueError for a share outside (0, 1].
    """
    if not 0 < keep_share <= 1:
        raise ValueError(f"keep_share must be above 0 and at most 1, not {keep_share}")
    # A share such as 0.1 of 10 is a hair above 1 in binary.
    return math.ceil(round(keep_share * num_drafts, 9))


def tokens_share(num_drafts: int, checkpoints: Sequence[float], keep_share: float = 0.5) -> float:
    """The tokens of a pruned group as a share of a full one's, where all drafts are equally long.

    checkpoints: where drafts are dropped, as shares of a draft's length, rising.
    Worked number: 8 drafts, halved at 0.125, 0.25, 0.5: (8 + 4) * 0.125 + 2 * 0.25 + 1 * 0.5 = 2.5
    of 8 -> 0.3125.
    """
    tokens, at, left = 0.0, 0.0, num_drafts
    for checkpoint in checkpoints:
        tokens += left * (checkpoint - at)
        at, left = checkpoint, num_kept(left, keep_share)
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
