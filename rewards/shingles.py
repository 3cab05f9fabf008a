"""Where each run of tokens came first, and from which passage another one is taken.

A shingle is a run of so many tokens, one at each place of the text; how much of one passage is
contained in another is seen by their shingles (A. Broder, On the resemblance and containment of
documents, 1997). Each shingle remembers its first place only, so that the whole takes time and
memory linear in the text, and a copy of a copy counts as a copy of the first.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise, repeat
from operator import ne

# Up to so many votes, counting each owner's is quicker than a Counter.
_FEW_VOTES = 32


class Shingles:
    """The shingles of a text of one-character tokens, and which of them came before.

    Worked numbers: ``Shingles("abcXabc", 2)`` has 6 shingles, the last two of which came before:
    a share of 0.33. Of the passages "abcX" and "abc", the second is contained in the first: 1.0.
    """

    __slots__ = ("_again", "_sources", "size")

    def __init__(self, codes: str, size: int) -> None:
        self.size = size
        places = range(max(0, len(codes) - size + 1))
        first: dict[str, int] = {}
        shingles = [codes[at : at + size] for at in places]
        self._sources = list(map(first.setdefault, shingles, places))
        self._again = bytes(map(ne, self._sources, places))

    @property
    def repeated_share(self) -> float:
        """The share of all shingles that came before; 0 in a text shorter than one."""
        return self._again.count(1) / max(1, len(self._again))

    def num_repeated(self, start: int, end: int) -> int:
        """How many of the shingles between two places came before, anywhere."""
        return self._again.count(1, start, max(start, end - self.size + 1))

    def contained(
        self, number: int, borders: Sequence[int], owners: Sequence[int]
    ) -> tuple[float, int]:
        """The share of passage ``number`` that is taken from one passage, and that one's number.

        borders: where each passage begins, and at last the end. owners: the passage of each token.
        The source is ``number`` where the passage repeats itself most, or nothing else.
        """
        start = borders[number]
        last = max(start, borders[number + 1] - self.size + 1)
        votes = [owner for at in self._sources[start:last] if (owner := owners[at]) != number]
        source, most = _commonest(votes) if votes else (number, 0)
        within = self._again.count(1, start, last) - len(votes)
        if within > most:
            source, most = number, within
        return most / max(1, last - start), source


def owners(borders: Sequence[int]) -> list[int]:
    """Of each token, in which of the passages between ``borders`` it stands.

    Worked number: borders 0, 2, 5 -> [0, 0, 1, 1, 1].
    """
    sizes = (end - start for start, end in pairwise(borders))
    return list(chain.from_iterable(repeat(passage, size) for passage, size in enumerate(sizes)))


def _commonest(votes: Sequence[int]) -> tuple[int, int]:
    """The one with the most votes and how many; of several the first met."""
    if len(votes) > _FEW_VOTES:
        return Counter(votes).most_common(1)[0]
    source = max(dict.fromkeys(votes), key=votes.count)
    return source, votes.count(source)
