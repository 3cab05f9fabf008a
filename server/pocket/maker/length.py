"""Lengths: how words are counted, and how an asked length becomes sections; no text is made."""

import random
import re
from dataclasses import dataclass

from server.pocket.maker.lexicon import Language

DEFAULT_WORDS = 800
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LATIN = re.compile(r"\b[a-zA-Z]+\b")
_PARAGRAPH_WORDS = 55
_SECTION_WORDS = 220
_CLOSING_WORDS = 60
_DIGITS = "零一二三四五六七八九"
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COMMON_WORDS = (
    *(300, 400, 500, 600, 800, 1_000, 1_200, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000),
    *(7_000, 8_000, 10_000, 12_000, 15_000, 20_000),
)
# A book's length: more sections than any window holds.
_BOOK_WORDS = (30_000, 50_000, 100_000)
_BOOK_SHARE = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """An asked length cut into sections: `count` of them, the last one (the closing) short."""

    asked_words: int
    count: int
    section_words: int
    closing_words: int

    @property
    def paragraphs(self) -> int:
        """Paragraphs of an ordinary section: 220 words -> 4."""
        return max(1, round(self.section_words / _PARAGRAPH_WORDS))


def count_words(text: str) -> int:
    """Han characters plus runs of Latin letters, as LongBench-Write counts: "# 茶 tea 2" -> 2."""
    return len(_HAN.findall(text)) + len(_LATIN.findall(text))


def outline(asked_words: int) -> Outline:
    """The sections of an asked length: 2,000 words -> 9 of 220 and a closing of 60, so 10.

    Every section has the same size, four paragraphs: a small model that knows several sizes
    forgets on the way which one it is writing. So no text is shorter than 280 words.
    """
    ordinary = max(1, round((asked_words - _CLOSING_WORDS) / _SECTION_WORDS))
    return Outline(
        asked_words=asked_words,
        count=ordinary + 1,
        section_words=_SECTION_WORDS,
        closing_words=_CLOSING_WORDS,
    )


def sample_words(rng: random.Random) -> int:
    """An asked length from 100 to 100,000: half of them common ones, the rest log-uniform."""
    if rng.random() < _BOOK_SHARE:
        return rng.choice(_BOOK_WORDS)
    if rng.random() < 0.55:
        return rng.choice(_COMMON_WORDS)
    words = 10 ** rng.uniform(2.0, 4.3)
    step = 50 if words < 1_000 else 100 if words < 5_000 else 500
    return max(100, round(words / step) * step)


def spread_words(rng: random.Random) -> int:
    """A length of 7 to 110 sections, each number as likely as the next."""
    return _CLOSING_WORDS + _SECTION_WORDS * (rng.randint(7, 110) - 1)


def spell(words: int, language: Language, rng: random.Random) -> str:
    """A length as people write it: 2000 -> "2000", "2,000", "2k", "two thousand", "两千"."""
    forms = [str(words), f"{words:,}"] if language is Language.ENGLISH else [str(words)]
    thousands, rest = divmod(words, 1_000)
    if language is Language.CHINESE:
        forms += _chinese(words)
    elif not rest and thousands < len(_SMALL):
        forms += [f"{_SMALL[thousands]} thousand", f"{thousands}k"]
    elif words < 1_000 and not words % 100:
        forms.append(f"{_SMALL[words // 100]} hundred")
    return rng.choice(forms)


def _chinese(words: int) -> list[str]:
    if not words % 10_000 and words < 100_000:
        return [_digit(words // 10_000) + "万"]
    if not words % 1_000 and words < 10_000:
        return [_digit(words // 1_000) + "千"]
    if not words % 100 and words < 1_000:
        return [_digit(words // 100) + "百"]
    return []


def _digit(value: int) -> str:
    return "两" if value == 2 else _DIGITS[value]
