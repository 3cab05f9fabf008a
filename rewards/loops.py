"""Whether a text that is being written goes round and round at its end; turns no draft.

The server's loop guard, where it runs, has taken such loops back before this sees them. This is
for drafts without it, and for loops in the thinking.
"""

from collections.abc import Sequence
from itertools import pairwise

from rewards.passages import Passages, read
from rewards.shingles import Shingles, owners

# Only so much of the end is looked at: some 1,400 words, or 8,000 characters of Chinese.
_WINDOW_CHARS = 8_000
_FENCE = "```"
_SHINGLE_WORDS, _SHINGLE_CHARACTERS = 4, 6
# A sentence is said again when so much of it came from one other, or from within.
_LEAST_CONTAINED = 0.4
# A stretch of those may hold so much of new ones: reworded beyond knowing, or just begun.
_MOST_NEW = 0.25
# So much must be said again at a stretch, and each of it come so many times over on average: a
# chorus is shorter, and a passage quoted once comes once.
_LEAST_WORDS, _LEAST_CHARACTERS = 100, 160
_LEAST_TURNS = 1.4
# Rows and lines that stand apart from prose loop when so many at the end are so few different ones.
_ROWS, _DIFFERENT_ROWS = 20, 3


def loop_at_end(text: str) -> str | None:
    """How the end of a text loops, in a few words; None where it does not.

    A paragraph of 80 words that comes a third time: 160 words at a stretch were said before, each
    run of them twice -> "loops: the last 160 words were said before".
    """
    window = text[-_WINDOW_CHARS:]
    if text.count(_FENCE, 0, len(text) - len(window)) % 2:
        # It begins inside a block of code.
        window = f"{_FENCE}\n{window}"
    passages = read(window)
    rows = passages.set_lines[-_ROWS:]
    if _ends_in_row(window, rows) and len(rows) == _ROWS and len(set(rows)) <= _DIFFERENT_ROWS:
        return f"loops: the last {_ROWS} lines are {len(set(rows))} different ones"
    size, least, unit = _SHINGLE_WORDS, _LEAST_WORDS, "words"
    if passages.unspaced:
        size, least, unit = _SHINGLE_CHARACTERS, _LEAST_CHARACTERS, "characters"
    stretch = _said_again(passages, Shingles(passages.codes, size))
    if stretch < least:
        return None
    codes = passages.codes[-stretch:]
    runs = [codes[at : at + size] for at in range(stretch - size + 1)]
    if len(runs) < _LEAST_TURNS * len(set(runs)):
        return None
    return f"loops: the last {stretch} {unit} were said before"


def _ends_in_row(window: str, rows: Sequence[str]) -> bool:
    return bool(rows) and window.rstrip().casefold().endswith(rows[-1])


def _said_again(passages: Passages, shingles: Shingles) -> int:
    """How many tokens at the end stand in sentences said before, few new ones among them."""
    sentence_of = owners(passages.starts)
    seen: set[str] = set()
    stretch = new = 0
    for number, (start, end) in enumerate(pairwise(passages.starts)):
        sentence = passages.sentences[number]
        again = sentence in seen
        if not again and shingles.num_repeated(start, end):
            again = shingles.contained(number, passages.starts, sentence_of)[0] >= _LEAST_CONTAINED
        seen.add(sentence)
        stretch += end - start
        new += 0 if again else end - start
        if new > _MOST_NEW * stretch:
            stretch = new = 0
    return stretch
