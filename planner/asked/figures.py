"""Numbers as people write amounts, English and Chinese. It must not know what is being counted.

Every quantifier in these patterns is bounded and no number starts inside another, so a search is
linear in the text.
"""

import re

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ENGLISH = {word: float(value) for value, word in enumerate(_ONES)}
_ENGLISH |= {word: 10.0 * tens for tens, word in enumerate(_TENS, start=2)}
_NO_NUMBER_ALONE = ("a", "an", "couple", "dozen", "half", "zero")
_ENGLISH |= {"a": 1, "an": 1, "couple": 2, "dozen": 12, "half": 0.5}
_ENGLISH_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_HAN_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")}
_HAN_DIGITS |= {"〇": 0, "两": 2, "俩": 2, "壹": 1, "贰": 2, "叁": 3, "肆": 4, "伍": 5}
_HAN_DIGITS |= {"陆": 6, "柒": 7, "捌": 8, "玖": 9}
_HAN_SCALES = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1_000, "仟": 1_000}
_HAN_SCALES |= {"万": 10_000, "萬": 10_000}
# "w" is how a Chinese keyboard writes 万.
_SUFFIXES: dict[str, int] = {"k": 1_000, "w": 10_000} | _ENGLISH_SCALES | _HAN_SCALES
_LONGEST_FIRST = sorted(_SUFFIXES, key=len, reverse=True)

_UNITS = "|".join(sorted((w for w in _ENGLISH if w not in _NO_NUMBER_ALONE), key=len, reverse=True))
_DIGITS = r"(?:[0-9０-９]{1,3}(?:[,，][0-9０-９]{3}){1,3}|[0-9０-９]{1,8})(?:[.．][0-9０-９]{1,3})?"
_SUFFIX = r"(?:\s?(?:k|w|thousand|hundred|million)(?![a-z])|\s?[百千万萬])"
# 2万5千, 1万2, 3千5百: figures with a scale, and more of them.
_MIXED = r"[0-9]{1,3}\s?[万萬w千]\s?[0-9]{1,4}(?:\s?[千百])?"
_FIGURES = rf"(?<![0-9０-９$€£¥￥#])(?<![0-9０-９][.．,，])(?:{_MIXED}|(?:{_DIGITS})(?:{_SUFFIX})?)"
_WORDS = (
    r"\b(?:half\sa|(?:a\s)?couple(?:\sof)?|(?:a\s)?dozen|"
    rf"a(?=[\s-](?:hundred|thousand|million|full[\s-]page|page\s(?:of|about|on|long)))|{_UNITS})"
    # "five hundred and six hundred" are two numbers.
    rf"(?:[\s-](?:and\s(?!(?:{_UNITS})\s(?:hundred|thousand|million)))?"
    rf"(?:hundred|thousand|million|{_UNITS})){{0,6}}\b"
)
_HAN = (
    r"(?<![0-9零〇一二两三四五六七八九十百千万几数])"
    r"[零〇一二两俩三四五六七八九十百千万萬壹贰叁肆伍陆柒捌玖拾佰仟]{1,10}"
)

NUMBER = rf"(?:{_FIGURES}|{_WORDS}|{_HAN})"
"""A pattern for one number; compile with ``re.IGNORECASE``."""

_MIXED_FIGURE = re.compile(r"([0-9]{1,3})\s?([万萬w千])\s?([0-9]{1,4})\s?([千百])?")
_FIGURE = re.compile(rf"({_DIGITS})\s?(\D{{0,12}})\Z", re.IGNORECASE)
# 两三千, 七八百: two digits in a row and a scale are a range.
_SAID_AS_RANGES = (
    "一两",
    "一二",
    "两三",
    "二三",
    "三四",
    "三五",
    "四五",
    "五六",
    "六七",
    "七八",
    "八九",
)
_NEIGHBOURS = re.compile(r"([一二两三四五六七八])([二两三四五六七八九])([十百千万]{0,2})")


def read_number(text: str) -> float:
    """The value of a text that ``NUMBER`` matched, 0 for one of noughts.

    Worked numbers: "1.5万" = 15,000; "3k" = 3,000; "两千五" = 2,500; "2万5千" = 25,000;
    "twenty-five hundred" = 2,500; "a couple of thousand" = 2,000.
    """
    text = text.strip().lower()
    mixed = _MIXED_FIGURE.fullmatch(text)
    if mixed is not None:
        return _read_mixed(mixed)
    figure = _FIGURE.fullmatch(text)
    if figure is not None:
        digits = figure[1].replace(",", "").replace("，", "").replace("．", ".")
        return float(digits) * _SUFFIXES.get(figure[2].strip(), 1)
    if text[0] in _HAN_DIGITS or text[0] in _HAN_SCALES:
        return _read_han(text)
    return _read_english(text)


def read_neighbours(text: str) -> tuple[float, float] | None:
    """The range of 两三千 (2,000, 3,000) and its like; None for any other number."""
    pair = _NEIGHBOURS.fullmatch(text)
    if pair is None or pair[1] + pair[2] not in _SAID_AS_RANGES:
        return None
    scale = 1
    for char in pair[3]:
        scale *= _HAN_SCALES[char]
    return float(_HAN_DIGITS[pair[1]] * scale), float(_HAN_DIGITS[pair[2]] * scale)


def scale_of(text: str) -> int:
    """What the end of a number multiplies it by: 1,000 for "3k" and "三千", 1 for "3000"."""
    stripped = text.strip().lower()
    for suffix in _LONGEST_FIRST:
        if stripped.endswith(suffix) and stripped != suffix:
            return _SUFFIXES[suffix]
    return 1


def _read_mixed(figures: re.Match[str]) -> float:
    """Worked number: "1万2" = 10,000 + 2,000: a last digit alone is a tenth of the scale."""
    scale = _SUFFIXES[figures[2]]
    rest = _SUFFIXES.get(figures[4] or "", scale // 10 if len(figures[3]) == 1 else 1)
    return float(figures[1]) * scale + float(figures[3]) * rest


def _read_english(text: str) -> float:
    total = current = 0.0
    for word in re.split(r"[\s-]", re.sub(r"\Aa\s(?=couple|dozen)", "", text)):
        if word in _ENGLISH_SCALES:
            current = (current or 1) * _ENGLISH_SCALES[word]
            if word != "hundred":
                total, current = total + current, 0.0
        elif word in _ENGLISH:
            # "half a" is 0.5 x 1; every other word adds.
            current = current * _ENGLISH[word] if current == 0.5 else current + _ENGLISH[word]
    return total + current


def _read_han(text: str) -> float:
    """Worked number: 一万两千五 = 10,000 + 2,000 + 500: a last digit is a tenth of the scale."""
    if all(char in _HAN_DIGITS for char in text):
        return float("".join(str(_HAN_DIGITS[char]) for char in text))
    total = section = digit = 0
    last_scale = 1
    for char in text:
        if char in _HAN_DIGITS:
            digit = _HAN_DIGITS[char]
            # 零 says that a scale is left out, so what follows counts ones.
            last_scale = 1 if digit == 0 else last_scale
            continue
        scale = last_scale = _HAN_SCALES[char]
        if scale == 10_000:
            total, section = (total + section + digit or 1) * scale, 0
        else:
            section += (digit or 1) * scale
        digit = 0
    return float(total + section + digit * max(1, last_scale // 10))
