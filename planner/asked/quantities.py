"""Amounts of text in a text: "800 to 1,000 words", "不少于3000字", "a 10-minute speech".

It finds and measures them; it must not judge which of them was asked for. Linear in the text: no
pattern here has an unbounded quantifier.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from planner.asked.figures import NUMBER, read_neighbours, read_number, scale_of

Bound = Literal["about", "at_least", "at_most"]
Unit = Literal["words", "characters", "pages", "minutes"]

# Words on a page: a page of 11 or 12 point type holds about 500 English words, double-spaced half
# of that; an A4 page in 小四 at 1.5 lines about 800 Chinese characters.
WORDS_PER_PAGE = 500
WORDS_PER_DOUBLE_SPACED_PAGE = 250
HAN_PER_PAGE = 800
# Words spoken in a minute: speakers are told 130 to 150 in English and 200 to 240 characters in
# Chinese; these are the middles. A page of a screenplay, a minute long, has about as many.
WORDS_PER_MINUTE = 140
HAN_PER_MINUTE = 220
# Words read in a minute, silently: 238 (Brysbaert 2019); Chinese about 400 characters.
WORDS_READ_PER_MINUTE = 238
HAN_READ_PER_MINUTE = 400
# A word of English with its space takes about six characters.
CHARACTERS_PER_WORD = 6

_EN_UNIT = (
    r"(?:(?:more|additional|extra|further|new)\s)?words?|wo?rds|wrd|wrods|wds|"
    # "1500w", but neither 2w (20,000) nor 800W (watts)
    r"(?-i:w)(?<=[0-9]{3}w)(?=\s?(?:[,.;)\n]|\Z)|\s(?:essay|article|report|story|paper|blog|post|"
    r"assignment|summary|reflection))|(?:chinese\s|han\s)characters?|characters?|chars|(?:a4\s|"
    r"full\s|typed\s|"
    r"single[- ]spaced\s|double[- ]spaced\s)?pages?|minutes?|mins?|seconds?|secs?|hours?"
)
_HAN_UNIT = (
    r"(?:个)?(?:汉字|中文字|英文单词|单词|英文词|字符|字数)|个?字(?![节串幕母典体段号符面眼根里])|"
    r"词|"
    r"页|分钟|秒钟?|个?小时"
)
_SEPARATOR = (
    r"(?:[、，,]?\s?[且但]?(?:不超过|不多于|最多|不得超过|不高于)|"
    r",?\s(?:to|and|but|-)\s(?:an?\s)?(?:at\smost|no\smore\sthan|max(?:imum)?|up\sto)(?:\sof)?\s|"
    r"\s?(?:-|–|—{1,2}|~{1,2}|～|〜|－|―|−|至|到|或|to|or|through|and(?=\s)|与|和|及|"
    r"-\sto|words\sto|words\sand|字[-~～—至到和与])\s?)"
)
_PLUS = r"(?:\s?(?P<plus>\+|多|余|来|几)(?:个)?)?"
_QUANTITY = re.compile(
    rf"(?P<low>{NUMBER})(?:{_SEPARATOR}(?P<high>{NUMBER}))?{_PLUS}(?:-?\s?ish)?(?:\s?[(（][0-9,]{{1,7}}[)）])?"
    rf"(?:(?P<en>\s?[-‐‑–]?\s?)(?P<en_unit>{_EN_UNIT})(?![a-z])|\s?(?P<han_unit>{_HAN_UNIT}))",
    re.IGNORECASE,
)
# "Word count: 1500", "字数要求在2000～2500": the number stands without its unit.
_KEYED = re.compile(
    r"(?P<key>(?:(?<![^\n;；|])[-*•\s]{0,4}(?:total\s)?words(?=\s?[:：=])|"
    r"(?P<chars>character\s?(?:count|limit|max(?:imum)?))|word\s?(?:count|limit|length|range|"
    r"target)|wordcount|(?:number\sof\s)words|字数|"
    r"篇幅)[\u4e00-\u9fff\s*_]{0,8}?(?:\s(?:is|of|at|should\sbe|must\sbe|between|around|about|"
    r"approximately|approx\.?|range)){0,3}\s?[:：=(（–-]?[\s*_]{0,4}(?:about|around|approximately|"
    r"approx\.?|between|from|min\.?|max\.?|at\sleast|at\smost|up\sto|不少于|不超过|约|大约|[~≥≤><]"
    rf")?\s?)(?P<low>{NUMBER})(?:{_SEPARATOR}(?P<high>{NUMBER}))?{_PLUS}",
    re.IGNORECASE,
)
_MARGIN = re.compile(
    rf"[\s(（]{{0,2}}(?:\+/-|\+-|±|plus\sor\sminus|上下浮动|浮动|误差)\s?(?P<by>{NUMBER})\s?(?P<percent>%|％|percent)?",
    re.IGNORECASE,
)
_SOFT = (
    r"(?:\s?(?:about|around|approximately|approx\.?|roughly|some|a|an|the|total\sof|"
    r"在|约|大约|为|[:：~]))?\s?"
)
_AT_LEAST_BEFORE = re.compile(
    r"(?:at\sleast|(?:no|not)\s(?:less|fewer|shorter)\sthan|(?:no|not\sbe)\s(?:less|fewer)\sthan|"
    r"minimum"
    r"(?:\s(?:of|length|word\scount|is|length\sof|word\scount\sof))?|min\.?|over|more\sthan|"
    r"greater\sthan|"
    r"exceed(?:s|ing)?|above|longer\sthan|upwards\sof|>=?|≥|不少于|不低于|不小于|不短于|不下于|"
    r"至少|最少|最低|不得少于|"
    r"不得低于|不能少于|不能低于|不要少于|不可少于|超过|大于|多于|高于|下限|长于)" + _SOFT + r"\Z",
    re.IGNORECASE,
)
_AT_MOST_BEFORE = re.compile(
    r"(?:at\smost|(?:no|not)\s(?:more|longer|greater)\sthan|not\s(?:to\s)?(?:exceed|go\sover|"
    r"surpass)"
    r"(?:ing)?|n[o'’]?t\s(?:exceed|go\s(?:over|above|beyond))|without\sexceeding|within|under|"
    r"below|"
    r"(?<!no\s)(?<!not\s)(?<!not\sbe\s)(?:less|fewer|shorter)\sthan|up\sto|maximum(?:\s(?:of|"
    r"length|word\scount|is|length\sof|"
    r"word\scount\sof))?|max\.?|limit(?:ed)?(?:\s(?:to|of|is))?|cap(?:ped)?(?:\s(?:at|of))?|<=?|≤|"
    r"不超过|不多于|不得超过|不能超过|不要超过|不可超过|不超出|不高于|不大于|不长于|最多|至多|"
    r"最长|最高|(?<![不得能要可])(?:少于|小于|低于)|不足|不到|"
    r"上限|限制?|限制在|限于|以内)" + _SOFT + r"\Z",
    re.IGNORECASE,
)
_AT_LEAST_AFTER = re.compile(
    r"[\s)）,，(（]{0,2}(?:or\s(?:more|longer|above|so\sminimum)|minimum|min\b|"
    r"at\s(?:the\s)?(?:least|minimum)|"
    r"and\s(?:up|above|over|more)|plus\b|\+(?!/)|以上|起步?|开外|起码|至少)",
    re.IGNORECASE,
)
_AT_MOST_AFTER = re.compile(
    r"[\s)）,，(（]{0,2}(?:or\s(?:less|fewer|under|shorter|below)|maximum|max\b|"
    r"at\s(?:the\s)?(?:most|"
    r"maximum)|tops\b|limit|以内|之内|以下|内(?![容心部涵在])|封顶|为限|最多)",
    re.IGNORECASE,
)
# Long enough for every pattern above.
_LOOK_CHARS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """An amount of text, ``text[start:end]``, in words of the benchmark (a Han character is one).

    low_words, high_words: equal for a single number, whatever bound stands beside it.
    number: the number as it stands, for what depends on its size ("3 pages").
    attributive: "a 500-word essay", "500字的文章".
    margin_words: half the width of an explicit "± 10 %"; None without one.
    """

    start: int
    end: int
    low_words: float
    high_words: float
    number: float
    unit: Unit
    bound: Bound
    attributive: bool
    keyed: bool
    margin_words: float | None


def find_quantities(text: str) -> Iterator[Quantity]:
    """Every amount of text that ``text`` names, in order of place; cost linear in the text."""
    found = [*_QUANTITY.finditer(text), *_KEYED.finditer(text)]
    end = -1
    for match in sorted(found, key=lambda each: (each.end("low"), -each.end())):
        if match.start("low") < end:
            continue
        quantity = _measure(text, match)
        if quantity is not None:
            end = match.end()
            yield quantity


def _measure(text: str, match: re.Match[str]) -> Quantity | None:
    numbers = _numbers(match)
    if numbers[1] <= 0:
        return None
    groups = match.groupdict()
    if match[0] == "千字" and text[match.end() : match.end() + 1] == "文":
        return None  # 千字文, the book
    han = groups.get("han_unit")
    english = groups.get("en_unit") or groups.get("chars")
    before = text[max(0, match.start("low") - _LOOK_CHARS) : match.start("low")]
    after = text[match.end() : match.end() + _LOOK_CHARS]
    unit, rate = _rate(han or "", (english or "").lower(), before + " " + after)
    margin = _MARGIN.match(after)
    low, high = numbers[0] * rate, numbers[1] * rate
    return Quantity(
        start=match.start("low"),
        end=match.end() + (margin.end() if margin else 0),
        low_words=low,
        high_words=high,
        number=numbers[1],
        unit=unit,
        bound=_bound(before, after, more=groups["plus"] not in (None, "来")),
        attributive=_attributive(groups.get("en"), english, after),
        keyed="key" in groups,
        margin_words=_margin(margin, high, rate),
    )


def _numbers(match: re.Match[str]) -> tuple[float, float]:
    neighbours = read_neighbours(match["low"])
    if neighbours is not None and match["high"] is None:
        return neighbours
    low = read_number(match["low"])
    if match["high"] is None:
        return low, low
    high = read_number(match["high"])
    # "2-3k" and "3到5千": the scale is said once.
    scale = scale_of(match["high"])
    if scale_of(match["low"]) == 1 and low < high / scale:
        low *= scale
    return (low, high) if low <= high else (high, high)


def _rate(han: str, english: str, around: str) -> tuple[Unit, float]:
    """The unit, and how many words one of it is."""
    if "页" in han:
        return "pages", HAN_PER_PAGE
    if "page" in english:
        double = "double" in english or re.search(r"double[- ]spaced", around, re.IGNORECASE)
        return "pages", WORDS_PER_DOUBLE_SPACED_PAGE if double else WORDS_PER_PAGE
    if "char" in english and not english.startswith(("chinese", "han")):
        return "characters", 1 / CHARACTERS_PER_WORD
    time = _minutes(han or english)
    if time is None:
        return "words", 1
    if han:
        read = re.search(r"阅读|读完", around)
        return "minutes", time * (HAN_READ_PER_MINUTE if read else HAN_PER_MINUTE)
    read = re.search(r"\bread(?:ing)?\b(?!\saloud)", around, re.IGNORECASE)
    return "minutes", time * (WORDS_READ_PER_MINUTE if read else WORDS_PER_MINUTE)


def _minutes(unit: str) -> float | None:
    if unit.startswith(("sec", "秒")):
        return 1 / 60
    if unit.startswith("hour") or unit.endswith("小时"):
        return 60
    return 1 if unit.startswith(("min", "分钟")) else None


def _bound(before: str, after: str, *, more: bool) -> Bound:
    # "不超过" ends in "超过", so what limits is looked for first.
    if _AT_MOST_BEFORE.search(before) and not _AT_LEAST_AFTER.match(after):
        return "at_most"
    if more or _AT_LEAST_BEFORE.search(before) or _AT_LEAST_AFTER.match(after):
        return "at_least"
    return "at_most" if _AT_MOST_AFTER.match(after) else "about"


def _attributive(joint: str | None, english: str | None, after: str) -> bool:
    if english is None:
        return after.startswith("的") or re.match(r"左右的|以上的|以内的", after) is not None
    return "-" in (joint or "") or not english.lower().endswith("s")


def _margin(margin: re.Match[str] | None, high: float, rate: float) -> float | None:
    if margin is None:
        return None
    by = read_number(margin["by"])
    return high * by / 100 if margin["percent"] else by * rate
