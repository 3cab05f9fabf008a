"""Reads an answer line by line as it grows, and can be set back; it must not judge what it reads.

It tells where paragraphs, headings and sentences end, with the words up to there. Each line is kept
with what a policy knew at its start, so that after a cut all is as it was at that place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from planner.words import WordCounter
from server.policies.headings import Kind, kind_of

Place = TypeVar("Place")

# Enough of a line to tell what it is; `headings.MAX_HEADING_CHARS` and white space before it.
_HEAD_CHARS = 200
_SEGMENT = re.compile(r"\n|[.!?。！？…]+|[\"'”’」』）)\]*_]+|[^\n.!?。！？…\"'”’」』）)\]*_]+")
# The same, parted at every place where a text can be torn: at spaces, and beside Han characters.
_WORD = re.compile(
    r"\n|[.!?。！？…]+|[\"'”’」』）)\]*_]+|[^\S\n]+|[\u4e00-\u9fff]"
    r"|[^\s.!?。！？…\"'”’」』）)\]*_\u4e00-\u9fff]+"
)
_MARKS = frozenset(".!?。！？…")
_HAN_MARKS = frozenset("。！？")
_CLOSERS = frozenset("\"'”’」』）)]*_")


class Edge(StrEnum):
    """What ends at a place inside a paragraph: a sentence, a line of text or of a list, a line of
    code, or a mere word."""

    SENTENCE = "sentence"
    LINE = "line"
    CODE = "code"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What the reader came upon.

    kind: a heading's whole line, or the beginning of a line of text; None for an edge.
    edge: what ends there, where it is one.
    end_chars: where the text before it ends, its white space left out; the place for a turn.
    words: up to there.
    text: the line, as far as it is known.
    parted: a paragraph ends at ``end_chars``: text may be cut there without tearing anything.
    """

    kind: Kind | None
    end_chars: int
    words: int
    text: str = ""
    parted: bool = False
    edge: Edge | None = None


@dataclass(slots=True, kw_only=True)
class _Line(Generic[Place]):
    """A line and what held at its start; ``kind`` and ``place`` once its kind is known."""

    start_chars: int
    start_words: int
    end_chars: int
    fenced: bool
    last: Kind | None
    whole: bool
    gap: bool
    start_place: Place
    parts: list[str] = field(default_factory=list)
    kind: Kind | None = None
    kind_at: int = 0
    kind_place: Place | None = None


@dataclass(slots=True)
class Reader(Generic[Place]):
    """``place`` is the policy's own state; it is saved and brought back with the text.

    gaps_from_words: from so many words on every place between two words is told; None: nowhere.
    """

    place: Place
    chars: int = 0
    gaps_from_words: int | None = None
    _lines: list[_Line[Place]] = field(default_factory=list)
    _head: str = ""
    _counter: WordCounter = field(default_factory=WordCounter)
    _sentence: int | None = None
    _han: bool = False

    def __post_init__(self) -> None:
        self._lines.append(
            _Line(
                start_chars=0,
                start_words=0,
                end_chars=0,
                fenced=False,
                last=None,
                whole=True,
                gap=True,
                start_place=self.place,
            )
        )

    @property
    def words(self) -> int:
        return self._lines[-1].start_words + self._counter.words

    @property
    def settled_chars(self) -> int:
        """Up to where it is known what the text is: the line's beginning is waited for."""
        line = self._lines[-1]
        return line.end_chars if line.kind is None else self.chars

    @property
    def whole(self) -> bool:
        """Whether the text, as far as it is settled, ends with a sentence or a heading."""
        line = self._lines[-1]
        if line.kind is None:
            return line.whole or line.last is Kind.HEADING
        return _is_whole("".join(line.parts))

    def feed(self, text: str) -> Iterator[Met]:
        """What the text shows, one at a time; whoever stops in between drops the rest of it."""
        for match in self._pattern(text).finditer(text):
            segment = match[0]
            yield from self._end_sentence(segment)
            yield from self._part(segment)
            line = self._lines[-1]
            line.parts.append(segment)
            self.chars += len(segment)
            self._counter.feed(segment)
            if segment == "\n":
                yield from self._close()
            elif line.kind is None:
                yield from self._settle(segment)

    def _pattern(self, text: str) -> re.Pattern[str]:
        """A word has a letter at least, so before this no gap is to be told."""
        near = self.gaps_from_words is not None and self.words + len(text) >= self.gaps_from_words
        return _WORD if near else _SEGMENT

    def _part(self, segment: str) -> Iterator[Met]:
        """The text can be torn before a space or a Han character, in a line known as text."""
        line = self._lines[-1]
        if self.gaps_from_words is None or line.kind is None or segment == "\n":
            return
        parts = segment[0].isspace() or "\u4e00" <= segment[0] <= "\u9fff"
        if parts and self.words >= self.gaps_from_words:
            yield Met(kind=None, end_chars=self.chars, words=self.words, edge=Edge.GAP)

    def repeats(self, chars: int) -> bool:
        """Whether all text behind ``chars`` consists of lines that stand before it already."""
        lines = [(line.start_chars, "".join(line.parts).strip()) for line in self._lines]
        before = {text for start, text in lines if start < chars}
        behind = [text for start, text in lines if start >= chars and text]
        return bool(behind) and all(text in before for text in behind)

    def cut(self, chars: int) -> None:
        """Goes back to where the text had ``chars`` characters, with the place of that point."""
        while self._lines[-1].start_chars > chars:
            self._lines.pop()
        line = self._lines[-1]
        whole = "".join(line.parts)
        kept = whole[: chars - line.start_chars]
        # A heading is known by its whole line; only the line's end may go.
        as_heading = line.kind is Kind.HEADING and kept.rstrip() == whole.rstrip()
        line.parts = [kept]
        self.chars = line.start_chars + len(kept)
        self._counter = WordCounter()
        self._counter.feed(kept)
        self._head, self._sentence = kept[:_HEAD_CHARS], None
        if line.kind is not None and self.chars < line.kind_at and not as_heading:
            line.kind, line.kind_place = None, None
        known = line.kind_place if line.kind is not None else None
        self.place = line.start_place if known is None else known

    def _settle(self, segment: str) -> Iterator[Met]:
        """Decides the kind at the character that settles it, so that pieces make no difference."""
        before = self._head
        self._head = (before + segment)[:_HEAD_CHARS]
        for size in range(len(before) + 1, len(self._head) + 1):
            kind = self._kind(self._head[:size], complete=False)
            if kind is not None:
                yield from self._settled(kind, self._lines[-1].start_chars + size)
                return

    def _kind(self, text: str, *, complete: bool) -> Kind | None:
        kind = kind_of(text, complete=complete)
        if kind is None or kind in (Kind.BLANK, Kind.FENCE) or not self._lines[-1].fenced:
            return kind
        return Kind.ITEM

    def _settled(self, kind: Kind, at: int) -> Iterator[Met]:
        line = self._lines[-1]
        met = self._met(kind)
        line.kind, line.kind_at = kind, at
        yield met
        line.kind_place = self.place

    def _met(self, kind: Kind) -> Met:
        line = self._lines[-1]
        after_text = line.last in (Kind.TEXT, Kind.CLOSING, Kind.ITEM)
        opens = kind in (Kind.TEXT, Kind.CLOSING, Kind.HEADING)
        parted = after_text and opens and line.whole and not line.fenced
        return Met(
            kind=kind,
            end_chars=line.end_chars,
            words=line.start_words,
            text="".join(line.parts),
            parted=parted and (line.gap or line.last is not Kind.ITEM),
        )

    def _close(self) -> Iterator[Met]:
        line = self._lines[-1]
        if line.kind is None:
            kind = self._kind("".join(line.parts), complete=True) or Kind.TEXT
            if kind is Kind.BLANK:
                self._open(line, kind, "")
                return
            yield from self._settled(kind, self.chars)
        text = "".join(line.parts)
        self._open(line, line.kind or Kind.TEXT, text)
        if line.kind is not Kind.HEADING:
            code = line.fenced or line.kind is Kind.FENCE
            yield Met(
                kind=None,
                end_chars=line.start_chars + len(text.rstrip()),
                words=self.words,
                edge=Edge.CODE if code else Edge.LINE,
            )

    def _open(self, line: _Line[Place], kind: Kind, text: str) -> None:
        """The next line, with what the one that has ended leaves behind."""
        blank = kind is Kind.BLANK
        self._lines.append(
            _Line(
                start_chars=self.chars,
                start_words=self.words,
                end_chars=line.end_chars if blank else line.start_chars + len(text.rstrip()),
                fenced=line.fenced != (kind is Kind.FENCE),
                last=line.last if blank else kind,
                whole=line.whole if blank else _is_whole(text),
                gap=blank,
                start_place=self.place,
            )
        )
        self._counter = WordCounter()
        self._head, self._sentence = "", None

    def _end_sentence(self, segment: str) -> Iterator[Met]:
        """A sentence ends behind its marks and quotes, once a space follows; in Chinese at once."""
        line = self._lines[-1]
        first = segment[0]
        if first in _MARKS:
            if line.kind is not None:
                self._sentence, self._han = self.chars + len(segment), first in _HAN_MARKS
        elif self._sentence is not None and first in _CLOSERS:
            self._sentence += len(segment)
        elif self._sentence is not None:
            at, self._sentence = self._sentence, None
            if (self._han or first.isspace()) and line.kind in (Kind.TEXT, Kind.CLOSING):
                yield Met(kind=None, end_chars=at, words=self.words, edge=Edge.SENTENCE)


def _is_whole(text: str) -> bool:
    """Whether the text ends as sentences do; a colon promises more, so it does not."""
    bare = text.rstrip().rstrip("".join(_CLOSERS))
    return not bare or bare[-1] in _MARKS
