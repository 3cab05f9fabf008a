"""How long a draft that is being written will become, by its own plan and headings; judges nothing.

What a draft has said of itself is taken at its word, and then corrected by how it went so far:

    words before this section + max(its words so far, r * share) + r * shares of those that follow

with the plan's share of each section in words, and r = (words so far + m) / (shares so far + m) up
to this section, m the mean share: a plan that was kept says more, one not begun is believed. How
many sections there are, the last heading says ("2 of 5"), else the plan. Behind a heading that
closes a text ("Conclusion") and behind the last section nothing follows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from planner.closing import is_closing_title
from planner.labels import Label, read_label
from planner.outline import Outline
from planner.plan_text import read_outline
from planner.words import count_words
from rewards.base import Asked, Draft

_MARKED = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t]*#*|(?:\*\*|__)([^*_].*?)(?:\*\*|__)[:：]?")
_SENTENCE_MARKS = tuple(".。!！?？;；,，…")
_MAX_HEADING_CHARS = 120
# A heading in bold is below all of markdown's six levels, one without markup below that.
_BOLD_LEVEL, _BARE_LEVEL = 7, 8
# As planner.outline deals shares out: a section that closes a text, beside the mean of the others.
_CLOSING_SHARE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading of an answer: the words before it, how deep it lies, its label if it has one."""

    at_words: int
    level: int
    label: Label | None
    closes: bool

    @property
    def total(self) -> int | None:
        """How many sections it says there are: 5 of "2 of 5"."""
        return self.label.total if self.label else None


def forecast_words(draft: Draft, asked: Asked) -> float | None:
    """The words that an unfinished answer will have, or None where nothing says it.

    Worked numbers, asked [900, 1100], a plan of four sections of 300, 300, 300 and 100 words: with
    no heading yet 1,000. Behind "## 3" after 800 words, mean share 250: r = (800 + 250) /
    (600 + 250) = 1.235, so 800 + 1.235 * 300 + 1.235 * 100 = 1,294. Were that heading
    "## Conclusion": 800 + 1.235 * 100 = 924.
    """
    written_words = count_words(draft.answer)
    outline = read_outline(draft.reasoning, asked.low_words, asked.high_words)
    sections = _sections([*headings(draft.answer)])
    planned = len(outline.sections) if outline else None
    total = (sections[-1].total if sections else None) or planned
    if total is None and not (sections and sections[-1].closes):
        return None
    course = _course(outline, total or len(sections))
    if sections:
        return _forecast(course, sections, written_words)
    return max(course.words, written_words) if course.known else None


def headings(answer: str) -> Iterator[Heading]:
    """The lines of an answer that are headings, the last line only if it has ended."""
    words = 0
    for line in answer.splitlines(keepends=True):
        found = read_heading(line.strip(), words) if line.endswith("\n") else None
        if found is not None:
            yield found
        words += count_words(line)


def read_heading(line: str, at_words: int = 0) -> Heading | None:
    """The heading that a line is: marked as one, or a label that names its kind ("Chapter 3")."""
    if not line or len(line) > _MAX_HEADING_CHARS:
        return None
    marked = _MARKED.fullmatch(line)
    inner = (marked[2] if marked[1] else marked[3]) if marked else line
    label, title = read_label(inner) or (None, inner)
    if marked is None and (label is None or not label.named or line.endswith(_SENTENCE_MARKS)):
        return None
    level = _BARE_LEVEL if marked is None else len(marked[1]) if marked[1] else _BOLD_LEVEL
    return Heading(at_words=at_words, level=level, label=label, closes=is_closing_title(title))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """The share of each section, in words if ``known``, else in parts of a usual section."""

    shares: Sequence[float]
    known: bool

    @property
    def words(self) -> float:
        return sum(self.shares)

    def rate(self, section: int, at_words: int) -> float | None:
        """Words written for each one of the shares before a section; None before there are any."""
        before = sum(self.shares[: section - 1])
        if not self.known:
            return at_words / before if before else None
        mean = self.words / len(self.shares)
        return (at_words + mean) / (before + mean)


def _course(outline: Outline | None, total: int) -> _Course:
    """The plan's shares, for as many sections as there will be: the closing one stays the last."""
    sections = outline.sections if outline else ()
    named = [section.words for section in sections if section.words]
    usual = sum(named) / len(named) if named else 1.0
    shares = [
        section.words or usual * (_CLOSING_SHARE if section.closes else 1.0) for section in sections
    ]
    if total != len(shares):
        closes = bool(sections) and sections[-1].closes
        body, last = (shares[:-1], shares[-1]) if closes else (shares, usual * _CLOSING_SHARE)
        shares = [*[*body, *[usual] * total][: total - 1], last]
    return _Course(shares=shares, known=bool(named))


def _sections(found: Sequence[Heading]) -> Sequence[Heading]:
    """The headings of sections: those that count, else the outermost behind the text's title."""
    counted = [heading for heading in found if heading.total]
    if counted:
        return counted
    titled = found and found[0].level == 1 and found[0].label is None and not found[0].at_words
    rest = found[1:] if titled else found
    level = min((heading.level for heading in rest), default=0)
    return [heading for heading in rest if heading.level == level]


def _forecast(course: _Course, sections: Sequence[Heading], written_words: int) -> float | None:
    here, total = sections[-1], len(course.shares)
    section = min(here.label.number if here.label else len(sections), total)
    rate = course.rate(section, here.at_words)
    if rate is None:
        return None
    ahead = course.shares[-1:] if here.closes else course.shares[section - 1 :]
    own_words = written_words - here.at_words
    return here.at_words + max(own_words, rate * ahead[0]) + rate * sum(ahead[1:])
