"""Where a paced answer ends when no end of a paragraph comes in time. It must not end it.

A text may be one endless paragraph, a list, a table or have no full stop at all; it ends within
its range all the same: behind a sentence or a line if there is one, else between two words.
"""

from dataclasses import dataclass

from server.policies.reader import Edge, Met

# A sentence is seldom longer: none is begun with less room than this below the end of the range.
_SENTENCE_WORDS = 30
# So long before the end of the range each sentence is held until it has ended within it.
_ZONE_WORDS = 120
# What has so many words is taken for no sentence any more: it may be torn.
_ENDLESS_WORDS = 100


@dataclass(slots=True)
class LastResort:
    """Follows the edges of an answer that is to have ``low_words`` to ``high_words`` words.

    stop_chars: where the answer would end if the range were passed now; what lies behind it is
    held back. None while the range is far away.
    """

    low_words: int
    high_words: int
    stop_chars: int | None = None
    _whole: bool = False
    _edge_words: int = 0

    @property
    def zone_words(self) -> int:
        """From where on sentences are held: 1,800 to 2,200 words: 2,080; 90 to 110: 90."""
        return max(self.low_words, self.high_words - _ZONE_WORDS)

    def is_late(self, words: int) -> bool:
        """Whether the answer is to end at the next edge: 1,800 to 2,200 words: from 2,170 on."""
        return words >= max(self.low_words, self.high_words - _SENTENCE_WORDS)

    def ends_at(self, met: Met) -> int | None:
        """Where the answer is to end, now that it has come to an edge; None: it goes on."""
        over = met.words > self.high_words
        if over and self.stop_chars is not None:
            return self.stop_chars
        if met.edge is Edge.GAP:
            return self._at_gap(met, over=over)
        self._edge_words = met.words
        if self.is_late(met.words):
            return met.end_chars
        if met.words >= self.zone_words:
            self.stop_chars, self._whole = met.end_chars, True
        return None

    def _at_gap(self, met: Met, *, over: bool) -> int | None:
        if self._whole or met.words - self._edge_words < _ENDLESS_WORDS:
            return None
        if over:
            return met.end_chars
        self.stop_chars = met.end_chars
        return None

    def rewind(self, chars: int, words: int) -> None:
        """The answer was cut to ``chars`` characters, which hold ``words`` words."""
        if self.stop_chars is not None and self.stop_chars >= chars:
            self.stop_chars, self._whole = None, False
        self._edge_words = min(self._edge_words, words)
