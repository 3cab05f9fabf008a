"""Lines of an answer: which are headings, and how the like of a heading is written."""

import re
from dataclasses import dataclass
from enum import StrEnum

from planner.closing import BARE, is_closing_title
from planner.labels import Label, read_label
from planner.ordinals import NUMERAL
from server.policies.endings import is_closing_opening

# The longest line that is waited for as a heading: then it is text.
MAX_HEADING_CHARS = 120
_MARKDOWN = re.compile(r"(?P<before>#{1,6}[ \t]+)(?P<inner>.*?)(?P<after>[ \t]*#*)")
_BOLD = re.compile(r"(?P<before>\*\*|__)(?P<inner>[^*_].*?)(?P<after>(?:\*\*|__)[:：]?)")
_SENTENCE_MARKS = ".。!！?？;；,，…"

# Pairs: what may still become one, and what is one as far as it goes.
_HAN_NUMBER = "一二三四五六七八九十百零\\d"
_MAYBE = re.compile(
    r"#{1,6}|\*{1,3}|_{1,2}|`{1,2}|~{1,2}|[-+=]{1,2}|\d{1,3}(?: (?:of? ?)?)?|[IVXLC]{1,7}"
    r"|(?:[Cc]hapter|[Ss]ection|[Pp]art|[Aa]ct|[Ss]cene|[Bb]ook|[Ee]pisode|[Ll]esson) \w*"
    rf"|第[ {_HAN_NUMBER}]{{0,6}}部?|[{_HAN_NUMBER}]{{1,4}}|[（(][{_HAN_NUMBER}]{{0,4}}[)）]?"
)
_CANDIDATE = re.compile(
    r"#{1,6}[ \t]|\*\*[^*\s]|__[^_\s]"
    rf"|第 ?[{_HAN_NUMBER}IVX]{{1,6}} ?(?:部分|章|节|篇|回|幕|讲|课|卷)"
    rf"|(?i:chapter|section|part|act|scene|book|episode|lesson) {NUMERAL}\b",
)
_ORDINAL = re.compile(
    r"\d{1,3}(?: of |/)\d|\d{1,3}(?:[.)．](?:\s|$)|、)|[IVXLC]{1,7}[.)](?:\s|$)"
    r"|[一二三四五六七八九十百]{1,4}、|[（(][一二三四五六七八九十\d]{1,4}[）)]"
)
_UNITS = ("chapter ", "section ", "part ", "act ", "scene ", "book ", "episode ", "lesson ")
_LIST = re.compile(r"[-*+•·][ \t]|[|>]|-{3,}|\*{3,}|={3,}|\d{1,3}[.)、．]|[（(]\d")


class Kind(StrEnum):
    """What a line is. CLOSING: a paragraph that begins with a closing phrase."""

    BLANK = "blank"
    HEADING = "heading"
    TEXT = "text"
    CLOSING = "closing"
    ITEM = "item"
    FENCE = "fence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading taken apart.

    before, after: its markup. label: its number, if it counts.
    level: 1 to 6 in markdown, 7 in bold, 8 without markup.
    """

    before: str
    label: Label | None
    title: str
    after: str
    level: int

    @property
    def closes(self) -> bool:
        return is_closing_title(self.title)

    @property
    def is_doubled(self) -> bool:
        """Whether its title opens with a counter again: "108 of 401:88 of 401: Roads"."""
        return self.bare_title != self.title

    @property
    def bare_title(self) -> str:
        """The title without counters like the heading's own; "" where nothing else is left.

        "24/7 service" under "3/12" stays: of another total, it is no copy of the counter.
        """
        title = self.title
        while (label := self.label) is not None and label.named:
            again = read_label(title)
            if again is None or again[0].parts != label.parts:
                break
            if "/" in label.parts[1] and again[0].total != label.total:
                break
            title = again[1]
        return title

    def like(self, number: int, total: int | None, title: str | None) -> str:
        """A line that looks like this heading; with None for a title its beginning, for the model
        to end: it stops before the space, for models' tokens begin with theirs (" The").

        Of "## 3 of 12 - Roads": (4, 12, "Mills") -> "## 4 of 12: Mills". A counter with its total
        is parted from the title by a colon whatever the model wrote: the pocket writer's dashes
        mark faulty drafts, its colon a sound one (its model card).
        """
        label, separator = "", ""
        if self.label is not None:
            label = self.label.write(number, total)
            separator = self.label.separator or " "
            if self.label.total is not None:
                han = any(letter > "\u2e80" for letter in label)
                separator = "：" if han else ": "
        if title is None:
            return (self.before + label + separator).rstrip()
        if not title:
            return self.before + label + self.after.rstrip()
        return self.before + label + separator + title + self.after.rstrip()


def read_heading(line: str) -> Heading | None:
    """The heading that a whole line is, or None: text that merely begins like one."""
    text = line.strip()
    marked = _MARKDOWN.fullmatch(text) or _BOLD.fullmatch(text)
    inner = text if marked is None else marked["inner"]
    found = read_label(inner)
    label, title = found if found is not None else (None, inner)
    if marked is None and not _stands_alone(text, label):
        return None
    before, after = ("", "") if marked is None else (marked["before"], marked["after"])
    return Heading(
        before=before, label=label, title=title.strip("*_ "), after=after, level=_level(before)
    )


def _level(before: str) -> int:
    return before.count("#") or (7 if before else 8)


def _stands_alone(text: str, label: Label | None) -> bool:
    """Whether a line without markup is a heading all the same."""
    if len(text) > MAX_HEADING_CHARS or text[-1:] in _SENTENCE_MARKS:
        return False
    return label is not None or text.casefold() in BARE


def kind_of(line: str, *, complete: bool) -> Kind | None:
    """What a line is, by its first characters; None while more of them are needed.

    complete: the line has ended. Text is told within a few characters; what begins like a heading
    is waited for until the line ends or is too long for one.
    """
    text = line.lstrip(" \t\u3000")
    if not text.strip():
        return Kind.BLANK if complete else None
    if text.startswith(("```", "~~~")):
        return Kind.FENCE
    if complete:
        return _kind_of_whole(text)
    if len(text) <= MAX_HEADING_CHARS and _may_be_heading(text):
        return None
    return _kind_of_text(text, complete=False)


def _kind_of_whole(text: str) -> Kind | None:
    begins = _CANDIDATE.match(text) or _ORDINAL.match(text) or text.strip().casefold() in BARE
    short = len(text) <= MAX_HEADING_CHARS
    if begins and short and read_heading(text) is not None:
        return Kind.HEADING
    return _kind_of_text(text, complete=True)


def _kind_of_text(text: str, *, complete: bool) -> Kind | None:
    if _LIST.match(text):
        return Kind.ITEM
    closing = is_closing_opening(text, complete=complete)
    if closing is None:
        return None
    return Kind.CLOSING if closing else Kind.TEXT


def _may_be_heading(text: str) -> bool:
    if _MAYBE.fullmatch(text) or _ORDINAL.match(text):
        return True
    low = text.casefold()
    if any(unit.startswith(low) for unit in _UNITS) or low.rstrip() in BARE:
        return True
    if any(bare.startswith(low) for bare in BARE):
        return True
    return bool(_CANDIDATE.match(text)) and not _is_running_bold(text)


def _is_running_bold(text: str) -> bool:
    """Bold words at the start of a paragraph, not a bold line: "**Note** that"."""
    closed = re.match(r"(\*\*|__).+?\1[:：]?+\s*+(?=\S)", text)
    return closed is not None
