"""Carries on an answer that ends too short, its ending left out. It must not shorten anything."""

from dataclasses import dataclass, field, replace

from server.policies.headings import Heading, Kind, read_heading
from server.policies.policy import EXTEND, Turn
from server.policies.reader import Met, Reader

MAX_EXTENSIONS = 4
# An extension that brings less is the model's second no.
LEAST_WORDS = 30
_BREAK = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closer:
    """What may be the ending: where the text before it ends, and the words up to there."""

    chars: int
    words: int
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    closer: Closer | None = None
    heading: Heading | None = None
    sections: int = 0


def closer_words(low_words: int) -> int:
    """The longest ending that is waited for: a tenth of the text, 120 to 400 words.

    More text than that is no ending but a part of the text, or one too long to be given up.
    Worked number: of a text of at least 2,000 words, 200; of 500, 120; of 20,000, 400.
    """
    return min(400, max(120, low_words // 10))


def held_closer(closer: Closer | None, words: int, low_words: int) -> Closer | None:
    """The ending that is held back after ``words`` words, until it proves not to be one."""
    if closer is None or words >= low_words:
        return None
    return closer if words - closer.words <= closer_words(low_words) else None


@dataclass(slots=True)
class Extend:
    """Policy: below ``low_words`` an ending is held back, and replaced when the model ends there.

    low_words: the words that the answer is to reach. most: turns at most.
    extensions: turns so far.
    """

    low_words: int
    most: int = MAX_EXTENSIONS
    extensions: int = 0
    turn: Turn | None = None
    _reader: Reader[_Place] = field(default_factory=lambda: Reader(_Place()))
    _turned_chars: int | None = None
    _turned_words: int = 0
    _safe_chars: int = 0

    @property
    def safe_chars(self) -> int:
        closer = self._closer
        settled = self._reader.settled_chars
        safe = settled if closer is None else min(settled, closer.chars)
        self._safe_chars = max(self._safe_chars, safe)
        return self._safe_chars

    def feed(self, text: str) -> None:
        for met in self._reader.feed(text):
            self._reader.place = self._met(met)

    def ended(self) -> Turn | None:
        """The turn that goes on from before the ending, or None: long enough, or nothing new."""
        closer = self._closer
        if self._reader.words >= self.low_words or self.extensions >= self.most:
            return None
        at = self._reader.settled_chars if closer is None else closer.chars
        words = self._reader.words if closer is None else closer.words
        if self._turned_chars is not None and self._brought_nothing(words):
            return None
        self.extensions += 1
        self._turned_chars, self._turned_words = at, words
        return Turn(why=EXTEND, back_to_chars=at, words=self._cue(torn=closer is None))

    def rewind(self, chars: int) -> None:
        self._reader.cut(chars)
        self._safe_chars = min(self._safe_chars, chars)

    @property
    def _closer(self) -> Closer | None:
        return held_closer(self._reader.place.closer, self._reader.words, self.low_words)

    def _met(self, met: Met) -> _Place:
        place = self._reader.place
        if self._closer is None:
            place = replace(place, closer=None)
        if met.kind is Kind.HEADING:
            heading = read_heading(met.text)
            return place if heading is None else self._met_heading(place, heading, met)
        if met.kind is Kind.CLOSING and met.parted and place.closer is None:
            return replace(place, closer=Closer(chars=met.end_chars, words=met.words, level=9))
        return place

    def _met_heading(self, place: _Place, heading: Heading, met: Met) -> _Place:
        """A closing heading opens an ending; another one of its rank says that the text goes on."""
        closer = place.closer
        if heading.closes:
            found = Closer(chars=met.end_chars, words=met.words, level=heading.level)
            return replace(place, closer=closer or (found if met.words else None))
        if closer is not None and heading.level <= closer.level:
            place = replace(place, closer=None)
        return replace(place, heading=heading, sections=place.sections + 1)

    def _brought_nothing(self, words: int) -> bool:
        new_words = words - self._turned_words
        return new_words < LEAST_WORDS or self._reader.repeats(self._turned_chars or 0)

    def _cue(self, *, torn: bool) -> str:
        """A blank line, and the beginning of the next heading where the text counts its sections.

        A sentence that stops in the middle is carried on as it stands.
        """
        if torn and not self._reader.whole:
            return ""
        heading, sections = self._reader.place.heading, self._reader.place.sections
        label = None if heading is None else heading.label
        if heading is None or label is None or sections < 2:
            return _BREAK
        if label.total is not None and label.number >= label.total:
            return _BREAK
        return _BREAK + heading.like(label.number + 1, label.total, None)
