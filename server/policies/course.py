"""The course of an outline through an asked range: shares, what is due, which section is meant."""

import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from planner.outline import MIN_SECTION_WORDS, Outline, Section, even_outline, fit
from server.policies.headings import Heading

_LETTERS = re.compile(r"[^\W_]+")
_ALIKE = 0.75
_NEVER_EMPTY = 0.25
_OVER = 1.5


@dataclass(slots=True)
class Course:
    """Sections count from 1. Without an outline there are none, and only the range holds."""

    outline: Outline | None
    low_words: int
    high_words: int
    sections: tuple[Section, ...] = ()
    _titles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.outline is not None:
            self.sections = fit(self.outline, self.low_words, self.high_words).sections
        self._titles = [_plain(section.title or "") for section in self.sections]

    @property
    def count(self) -> int:
        return len(self.sections)

    @property
    def middle_words(self) -> int:
        return (self.low_words + self.high_words) // 2

    @property
    def aim_words(self) -> int:
        """What shares are dealt out from: an eighth of the range above its middle.

        A text can be ended earlier but not be made to go on, so the error is best on this side.
        Worked number: 1,800 to 2,200 words -> 2,050.
        """
        return self.middle_words + (self.high_words - self.low_words) // 8

    @property
    def upper_words(self) -> int:
        """Where the upper quarter of the range begins: 900 to 1,100 words -> 1,050."""
        return self.middle_words + (self.high_words - self.low_words) // 4

    def title(self, number: int) -> str | None:
        return self.sections[number - 1].title if 1 <= number <= self.count else None

    def planned(self, first: int) -> int:
        """The planned words of section ``first`` and all that follow."""
        return sum(section.words or 0 for section in self.sections[first - 1 :])

    def share(self, number: int, words: int) -> int:
        """The words of a section that begins after ``words`` words: its part of what remains.

        Never less than a quarter of what was planned for it.
        Worked number: sections of 400, 400, 200 for 900 to 1,100 words, the first of which took
        425: the second gets (1,025 - 425) x 400 / 600 = 400.
        """
        own = self.sections[number - 1].words or 1
        left = max(0, self.aim_words - words)
        return round(max(own * _NEVER_EMPTY, left * own / max(1, self.planned(number))))

    def falls_short(self, number: int, words: int) -> bool:
        """Whether the text misses the range if section ``number`` follows here as planned."""
        return words + self.planned(number) < self.low_words

    def has_room(self, number: int, words: int) -> bool:
        """Whether the text misses the range if it ends with ``number``, and one section more fits.

        ``number`` may be one behind the last: then the text ends here.
        Worked number: 900 to 1,100 words: 800 in four sections and a closing of 60 miss it; with
        one more of 200 they come to 1,060.
        """
        left = self.planned(number) if number <= self.count else 0
        ends_words = words + left
        usual_words = words // max(1, number - 1)
        return ends_words < self.low_words and ends_words + usual_words <= self.high_words

    def lengthened(self, written: int, words: int) -> "Course":
        """The course with as many sections more as the aim is away, before the last if it closes.

        written: sections so far, which took ``words`` words: the new ones are taken to be as long.
        A closing section that is written already stays where it is.
        Worked number: aim 10,250, 6,000 words in 30 sections, a closing of 60: 21 more of 200.
        """
        usual_words = max(MIN_SECTION_WORDS, words // max(1, written))
        last = self.sections[-1:] if written < self.count and self.sections[-1].closes else ()
        missing_words = self.aim_words - words - sum(section.words or 0 for section in last)
        more = max(1, round(missing_words / usual_words))
        body = self.sections[: self.count - len(last)]
        sections = (*body, *(Section(words=usual_words) for _ in range(more)), *last)
        return Course(Outline(sections=sections), self.low_words, self.high_words)

    def counted(self, total: int | None) -> "Course":
        """The course once a heading has named its number of sections: an outline without titles
        takes it over."""
        outline = self.outline
        if total is None or outline is None or outline.titled or total == self.count:
            return self
        even = even_outline(self.low_words, self.high_words, total)
        return Course(even, self.low_words, self.high_words)

    def is_full(self, number: int, own_words: int, words: int, share: int) -> bool:
        """Whether a section is to stop at ``own_words``, at the end of a paragraph.

        It has its share, and the rest as planned would come out in the upper quarter of the range;
        or it is half over its share. Before that an error may still even out.
        Worked number: 9,000 to 11,000 words: full once the whole would pass 10,500.
        """
        if own_words >= _OVER * share:
            return True
        return own_words >= share and words + self.planned(number + 1) > self.upper_words

    def closing_due(self, number: int, words: int, paragraph_words: float) -> bool:
        """Whether the last section is to follow ``number`` now: another paragraph leads away.

        Worked number: 900 to 1,100 words, a last section of 100, paragraphs of 60: due from
        1,050 - 100 - 30 = 920 words on.
        """
        half_words = paragraph_words / 2
        limit_words = min(self.upper_words, self.high_words - half_words)
        due = words + self.planned(self.count) + half_words >= limit_words
        return number < self.count and due

    def is_over(self, number: int, own_words: int, words: int, paragraph_words: float) -> bool:
        """Whether the text is to end at this end of a paragraph, although the model goes on.

        In the last section the model is let end by itself as long as that is near.
        """
        if words < self.low_words:
            return False
        last = 0 < self.count <= number
        limit_words = self.upper_words if last else self.aim_words
        long = last and own_words >= _OVER * self.planned(self.count)
        more_words = min(paragraph_words, self.planned(self.count) / 2) if last else paragraph_words
        return long or words >= limit_words or words + more_words > self.high_words

    def names(self, heading: Heading) -> bool:
        """Whether a section has this very title."""
        plain = _plain(heading.title)
        return bool(plain) and plain in self._titles

    def find(self, heading: Heading, after: int) -> int | None:
        """The section that a heading names: by its very title, its number, or a title much alike.

        after: of equal titles the first behind this section is meant.
        """
        plain = _plain(heading.title)
        same = [k for k, title in enumerate(self._titles, start=1) if title and title == plain]
        if same:
            return next((k for k in same if k > after), same[-1])
        if heading.label is not None:
            return heading.label.number
        return self._most_alike(plain, after)

    def _most_alike(self, plain: str, after: int) -> int | None:
        if not plain:
            return None
        scores = {
            k: SequenceMatcher(None, title, plain, autojunk=False).ratio()
            for k, title in enumerate(self._titles, start=1)
            if title
        }
        best = max(scores.values(), default=0.0)
        if best < _ALIKE:
            return None
        if scores.get(after + 1, 0.0) >= max(_ALIKE, best - 0.1):
            return after + 1
        return next(k for k, score in scores.items() if score == best)


def _plain(title: str) -> str:
    return " ".join(_LETTERS.findall(title.casefold()))
