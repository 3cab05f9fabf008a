"""Numbers as headings write them: 12, XII, 十二, twelve. It must not read amounts of words."""

from enum import StrEnum


class Style(StrEnum):
    """How a heading writes its number."""

    ARABIC = "arabic"
    ROMAN = "roman"
    HAN = "han"
    WORD = "word"


_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
_ROMAN = (
    *((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV")),
    (1, "I"),
)
_DIGITS = "零一二三四五六七八九"
_MAX_ROMAN = 399
_MAX_HAN = 999

# Only upper-case Roman numbers: "i" and "mix" are words.
NUMERAL = rf"(?:\d{{1,4}}|[IVXLC]{{1,9}}|[{_DIGITS}十百]{{1,6}}|(?i:{'|'.join(reversed(_WORDS))}))"


def read_numeral(text: str) -> tuple[int, Style] | None:
    """The number and how it is written, or None: "XIV" -> 14 in Roman style, "二十三" -> 23."""
    if text.isascii() and text.isdigit():
        return int(text), Style.ARABIC
    if text.lower() in _WORDS:
        return _WORDS.index(text.lower()) + 1, Style.WORD
    roman = _read_roman(text)
    if roman is not None:
        return roman, Style.ROMAN
    han = _read_han(text)
    return None if han is None else (han, Style.HAN)


def write_numeral(number: int, style: Style) -> str:
    """The number in a style; in Arabic figures where the style does not reach so far.

    Worked number: 23 -> "23", "XXIII", "二十三", and 4 in words -> "Four".
    """
    if style is Style.ROMAN and 1 <= number <= _MAX_ROMAN:
        return _roman(number)
    if style is Style.HAN and 1 <= number <= _MAX_HAN:
        return _han(number)
    if style is Style.WORD and 1 <= number <= len(_WORDS):
        return _WORDS[number - 1].capitalize()
    return str(number)


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        written += letters * (number // value)
        number %= value
    return written


def _read_roman(text: str) -> int | None:
    rest, number = text, 0
    for value, letters in _ROMAN:
        while rest.startswith(letters):
            number += value
            rest = rest[len(letters) :]
    return number if number and not rest and _roman(number) == text else None


def _han(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    written = f"{_DIGITS[hundreds]}百" if hundreds else ""
    if tens:
        written += f"{'' if tens == 1 and not hundreds else _DIGITS[tens]}十"
    elif hundreds and ones:
        written += "零"
    return written + (_DIGITS[ones] if ones else "")


def _read_han(text: str) -> int | None:
    return _HAN_NUMBERS.get(text)


_HAN_NUMBERS = {_han(number): number for number in range(1, _MAX_HAN + 1)}
