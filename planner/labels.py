"""The label before a title: "3 of 12: ", "第3节：", "Chapter IV - ", "2. ". It knows no markup."""

import re
from dataclasses import dataclass

from planner.ordinals import NUMERAL, Style, read_numeral, write_numeral

_UNIT = r"(?:Section|Chapter|Part|Act|Scene|Book|Episode|Lesson|Letter)"
_HAN_UNIT = r"(?:部分|部|章|节|篇|回|幕|讲|课|卷)"
_SEPARATOR = r"(?P<sep>\s*[:：]\s*|\s*[.．、]\s+|\s*[-–—|]{1,2}\s+|\s+|$)"
_LABELS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:{_UNIT}\s+)?(?P<n>\d{{1,4}})(?:\s+of\s+|/)(?P<total>\d{{1,4}}){_SEPARATOR}",
        rf"第\s?(?P<n>{NUMERAL})\s?{_HAN_UNIT}[，,/]\s?共(?P<total>{NUMERAL}){_HAN_UNIT}{_SEPARATOR}",
        rf"第\s?(?P<n>{NUMERAL})\s?{_HAN_UNIT}{_SEPARATOR}",
        rf"(?i:{_UNIT})\s+(?P<n>{NUMERAL})(?![\w]){_SEPARATOR}",
    )
)
_ORDINALS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<n>\d{1,3})(?P<sep>(?:[.)．]\s+|、\s*|[.．)](?=[^\W\d])))",
        r"(?P<n>[IVXLC]{1,7})(?P<sep>[.)]\s+)",
        r"(?P<n>[一二三四五六七八九十百]{1,5})(?P<sep>[、．.]\s*)",
        r"[（(](?P<n>\d{1,3}|[一二三四五六七八九十百]{1,5})[）)](?P<sep>\s*)",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A number before a title, and all that is needed to write its like.

    parts: the text before the number, between number and total, and behind them.
    named: a word says that it counts sections; a bare ordinal may as well open a list item.
    """

    number: int
    total: int | None
    style: Style
    parts: tuple[str, str, str]
    separator: str
    named: bool

    def write(self, number: int, total: int | None) -> str:
        """The like of this label: "## 3 of 12" with 4 and 12 -> "4 of 12", separator left out."""
        before, between, behind = self.parts
        counted = before + write_numeral(number, self.style) + between
        if self.total is None:
            return counted
        return counted + write_numeral(total or self.total, self.style) + behind


def read_label(text: str) -> tuple[Label, str] | None:
    """The label that opens ``text`` and the title that follows it, or None without a label."""
    for patterns, named in ((_LABELS, True), (_ORDINALS, False)):
        for pattern in patterns:
            match = pattern.match(text)
            label = None if match is None else _label(match, named=named)
            if match is not None and label is not None:
                return label, text[match.end() :].strip()
    return None


def _label(match: re.Match[str], *, named: bool) -> Label | None:
    number = read_numeral(match["n"])
    if number is None:
        return None
    groups = match.groupdict()
    total = read_numeral(groups["total"]) if groups.get("total") else None
    text, end = match.string, match.start("sep")
    if total is None:
        parts = (text[: match.start("n")], text[match.end("n") : end], "")
    else:
        between = text[match.end("n") : match.start("total")]
        parts = (text[: match.start("n")], between, text[match.end("total") : end])
    return Label(
        number=number[0],
        total=total[0] if total else None,
        style=number[1],
        parts=parts,
        separator=match["sep"],
        named=named,
    )
