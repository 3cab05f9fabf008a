"""Counts words: as long-writing benchmarks do, and as readers of any script would; tells languages.

It must not guess what was asked.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

Language = Literal["en", "zh", "other"]

# CJK Unified Ideographs, U+4E00 to U+9FFF: the range LongBench-Write counts and the range by which
# LongWriter-Zero's model card picks its Chinese template.
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LATIN = re.compile(r"\b[a-zA-Z]+\b")
# Scripts that put no spaces between words. Of Chinese and Japanese each character counts, as their
# own word counts do; a word of the South-East Asian ones has about four letters besides its marks.
_EACH_COUNTS = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_UNSPACED_LETTERS_PER_WORD = 4
# Vowel signs, accents and tone marks: no letters to Python's ``\w``, but inside words.
_MARK = "".join(chr(c) for c in range(0x300, 0x2000) if unicodedata.category(chr(c))[0] == "M")
_MARKS = re.compile(f"[{_MARK}]")
_LETTER = rf"[^\W_{_EACH_COUNTS}{_UNSPACED}]"
_UNIT = re.compile(
    rf"(?P<each>[{_EACH_COUNTS}])|(?P<unspaced>[{_UNSPACED}]++)|"
    rf"{_LETTER}(?:{_LETTER}|[{_MARK}]|['’-](?=\w))*+"
)
# A request stands at the edges of its prompt; what it works on lies between.
_EDGE_CHARS = 400
_NAMED: tuple[tuple[re.Pattern[str], Language], ...] = (
    (
        re.compile(
            r"\bin\s(?:simplified\s|traditional\s)?(?:chinese|mandarin)\b|用中文|中文版?(?:撰写|写)",
            re.I,
        ),
        "zh",
    ),
    (
        re.compile(
            r"\bin\senglish\b|用英[文语]|英[文语](?:写|撰写|作文|文章|短文|论文|演讲|邮件|信|报告|散文|小说)",
            re.I,
        ),
        "en",
    ),
)
# Tried at the start of each word only, and never twice: linear.
_WORD_TAIL = re.compile(r"(?<!\w)\w*+\Z")


def count_words(text: str) -> int:
    """Han characters plus runs of ASCII letters that stand alone.

    Source: LongWriter's evaluation code (THUDM/LongWriter, evaluation/, arXiv 2408.07055): digits
    and other scripts count nothing, "don't" counts 2, "word2" counts 0.
    Worked number: ``count_words("Chapter 1: 春天 don't")`` = 1 + 2 + 2 = 5.
    """
    return len(_HAN.findall(text)) + len(_LATIN.findall(text))


def count_written_words(text: str) -> int:
    """Words of a text in any script, as a word processor in its language would count them.

    A run of letters and digits is a word, inner apostrophes and hyphens included; a Han or kana
    character is one; of Thai, Lao, Burmese and Khmer four letters are one, marks left out.
    ``count_words`` is what lengths are measured by; this is for texts of which it counts nothing.
    Worked number: ``count_written_words("Привет, мир! Don't. 春天")`` = 2 + 1 + 2 = 5.
    """
    words = 0
    for unit in _UNIT.finditer(text):
        if unit["unspaced"] is None:
            words += 1
        else:
            letters = len(_MARKS.sub("", unit["unspaced"]))
            words += max(1, round(letters / _UNSPACED_LETTERS_PER_WORD))
    return words


def language_of(prompt: str) -> Language:
    """The language an answer to ``prompt`` will be in: named there, or that of the request.

    "other" for a request in neither English nor Chinese letters. Only the edges of a long prompt
    are looked at, for a request may come with pages of a source in another language.
    """
    edges = (
        prompt if len(prompt) <= 2 * _EDGE_CHARS else prompt[:_EDGE_CHARS] + prompt[-_EDGE_CHARS:]
    )
    for named, language in _NAMED:
        if named.search(edges):
            return language
    han, latin = len(_HAN.findall(edges)), len(_LATIN.findall(edges))
    if 2 * (han + latin) < count_written_words(edges):
        return "other"
    return "zh" if han > latin else "en"


def has_han(text: str) -> bool:
    """Whether the text holds a Han character, the model card's test for its Chinese template."""
    return _HAN.search(text) is not None


@dataclass(slots=True)
class WordCounter:
    """Counts a text that arrives in pieces; the total equals ``count_words`` of the whole.

    A run of word characters at the end of a piece may go on in the next one, so it is held back
    until something else follows. Cost is linear in the text.
    """

    _words: int = 0
    _tail: list[str] = field(default_factory=list)

    def feed(self, text: str) -> None:
        match = _WORD_TAIL.search(text)
        cut = match.start() if match else len(text)
        if cut == 0:
            self._tail.append(text)
            return
        self._words += count_words("".join(self._tail) + text[:cut])
        self._tail = [text[cut:]]

    @property
    def words(self) -> int:
        return self._words + count_words("".join(self._tail))
