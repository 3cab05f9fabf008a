"""A text as paragraphs, sentences and tokens, for finding repeats; it compares none of them.

A token is a word between white space, its punctuation included; in scripts without spaces each
character is one. A word is given a character of its own, so that a run of tokens is a short
string: quick to cut out, to hash and to compare.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

# Kana, Han, and the South-East Asian scripts that put no spaces between words.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_ASCII_WORD = re.compile(r"[a-z0-9_]+")
_SENTENCE = re.compile(r"[^.!?…。！？；]+[.!?…。！？；]{0,3}[\"'”’»)\]」』）*]*")
_LETTER = re.compile(r"[^\W\d_]")
_FENCES = ("```", "~~~")
# A line longer than this is a paragraph by itself: nobody wraps lines there.
_LONG_LINE_CHARS, _LONG_UNSPACED_LINE_CHARS = 100, 40
# A line no longer than this, beside others in its paragraph, is verse, speech or a list's item.
_SHORT_LINE_CHARS, _SHORT_UNSPACED_LINE_CHARS = 60, 25
# Words are given the characters of the two private planes; beyond so many, some share one.
_FIRST_CODE, _NUM_CODES = 0xF0000, 0x20000


@dataclass(frozen=True, slots=True, kw_only=True)
class Passages:
    """The running text of a draft; headings, tables and code apart.

    sentences: one character a token. codes: all of them in one. starts: where each begins in it,
    and at last its end. short_lines: of each sentence, whether it stands in a short line beside
    others. paragraphs: where each begins, as an index of ``sentences``, and at last their number.
    texts: the paragraphs as written. set_lines: headings, table rows and lines of code that hold
    a letter, case folded. unspaced: most tokens are characters of a script without spaces.
    """

    sentences: Sequence[str]
    codes: str
    starts: Sequence[int]
    short_lines: Sequence[bool]
    paragraphs: Sequence[int]
    texts: Sequence[str]
    set_lines: Sequence[str]
    unspaced: bool

    @property
    def paragraph_starts(self) -> list[int]:
        """Where each paragraph begins in ``codes``, and at last its end."""
        return [self.starts[first] for first in self.paragraphs]


def read(text: str) -> Passages:
    """Takes a text apart, in time linear in it.

    "One. Two three.\\n\\nOne." -> 3 sentences at tokens 0, 1, 3 in 2 paragraphs.
    """
    reader = _Reader()
    for line in text.split("\n"):
        reader.read_line(line)
    return reader.passages()


class _Codes(dict[str, str]):
    """A character for each different word, given as they come."""

    def __missing__(self, word: str) -> str:
        code = self[word] = chr(_FIRST_CODE + len(self) % _NUM_CODES)
        return code


@dataclass(slots=True)
class _Reader:
    """The text so far. ``_lines``: of the open paragraph, each with its number of sentences."""

    _code: _Codes = field(default_factory=_Codes)
    _sentences: list[str] = field(default_factory=list)
    _short: list[bool] = field(default_factory=list)
    _paragraphs: list[int] = field(default_factory=lambda: [0])
    _texts: list[str] = field(default_factory=list)
    _set_lines: list[str] = field(default_factory=list)
    _lines: list[tuple[str, bool, int]] = field(default_factory=list)
    _unspaced_chars: int = 0
    _fence: str = ""

    def read_line(self, line: str) -> None:
        line = line.strip()
        if line.startswith(_FENCES):
            self._turn_fence(line[:3])
        elif self._fence or line[:1] in ("#", "|"):
            self._read_set_line(line)
        else:
            self._read_prose(line)

    def passages(self) -> Passages:
        self._end_paragraph()
        codes = "".join(self._sentences)
        return Passages(
            sentences=self._sentences,
            codes=codes,
            starts=list(accumulate(map(len, self._sentences), initial=0)),
            short_lines=self._short,
            paragraphs=self._paragraphs,
            texts=self._texts,
            set_lines=self._set_lines,
            unspaced=2 * self._unspaced_chars > len(codes),
        )

    def _turn_fence(self, mark: str) -> None:
        if not self._fence:
            self._end_paragraph()
            self._fence = mark
        elif self._fence == mark:
            self._fence = ""

    def _read_set_line(self, line: str) -> None:
        if not self._fence:
            self._end_paragraph()
        if _LETTER.search(line):
            self._set_lines.append(line.casefold())

    def _read_prose(self, line: str) -> None:
        unspaced = not line.isascii() and _UNSPACED.search(line) is not None
        alone = len(line) > (_LONG_UNSPACED_LINE_CHARS if unspaced else _LONG_LINE_CHARS)
        if alone or not line:
            self._end_paragraph()
        before = len(self._sentences)
        if unspaced:
            self._read_unspaced(line)
        else:
            self._read_words(line)
        if len(self._sentences) > before:
            self._lines.append((line, unspaced, len(self._sentences) - before))
        if alone:
            self._end_paragraph()

    def _read_words(self, line: str) -> None:
        code = self._code.__getitem__
        for sentence in _SENTENCE.findall(line.casefold()):
            self._sentences.append("".join(map(code, sentence.split())))

    def _read_unspaced(self, line: str) -> None:
        """Characters stand for themselves; words of ASCII among them stay whole."""
        line = line.casefold()
        if _ASCII_WORD.search(line):
            line = _ASCII_WORD.sub(lambda word: self._code[word[0]], line)
        sentences = _SENTENCE.findall("".join(line.split()))
        self._unspaced_chars += sum(map(len, sentences))
        self._sentences += sentences

    def _end_paragraph(self) -> None:
        if not self._lines:
            return
        for line, unspaced, num_sentences in self._lines:
            most_chars = _SHORT_UNSPACED_LINE_CHARS if unspaced else _SHORT_LINE_CHARS
            short = len(self._lines) > 1 and len(line) <= most_chars
            self._short += [short] * num_sentences
        self._paragraphs.append(len(self._sentences))
        self._texts.append("\n".join(line for line, _, _ in self._lines))
        self._lines.clear()
