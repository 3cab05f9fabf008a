"""One line of a plan as a possible item of its outline. It must not judge whole lists."""

import re
from dataclasses import dataclass

from planner.labels import Label, read_label

_MARKDOWN = re.compile(r"(#{1,6})\s+")
_BULLET = re.compile(r"[-*+•·]\s+")
_WORDS = re.compile(
    r"(?:(?:about|around|approximately|approx\.?|roughly|circa|up to|约为?|大约|大概|[~≈])\s*)?"
    r"(\d[\d,]*(?:\.\d+)?)\s*(k|千|万)?"
    r"(?:\s*(?:-|–|—|~|to|至|到)\s*(\d[\d,]*(?:\.\d+)?)\s*(k|千|万)?)?"
    r"[\s-]*(?:words?\b|字)(?:左右|上下)?(?:\s+(?:long|each))?",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:word count|length|words|字数|篇幅)\s*[:：]\s*(?:about|约|~)?\s*(\d[\d,]*)", re.IGNORECASE
)
_PER_CENT = re.compile(r"(?:about |around |~|约)?(\d{1,2}(?:\.\d+)?)\s*(?:%|％|per ?cent\b)", re.I)
_SCALES = {"k": 1_000, "千": 1_000, "万": 10_000}
_EMPTY = re.compile(r"[(（\[【]\s*[)）\]】]")
_EDGES = " \t-–—~:：,，;；.。|*_"
_OPENERS = " (（[【"
_BEHIND = tuple(":：.。,，;；-–—(（")
_DESCRIPTION = re.compile(r"\s*[:：]\s*|\s+[-–—]+\s+|——")
_MAX_TITLE_WORDS, _MAX_TITLE_HAN, _MAX_TITLE_CHARS = 14, 30, 110
_SUBTITLE_WORDS, _SUBTITLE_HAN = 6, 12
_HAN = re.compile(r"[\u4e00-\u9fff]")
_TOTAL = re.compile(r"(?:total|sum|overall length|word count|合计|总计|总字数|共计)\b.*", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line that may be an item of a list.

    key: the look of the list that it can belong to. number: None where the list counts nothing.
    total: of how many, where the line says so.
    rank: 2 counted, 1 a markdown heading, 0 a bullet. named: a word says that it is a section.
    words, per_cent: the share that the line names, if any. title: None where it has no short one.
    """

    indent: int
    key: str
    number: int | None
    total: int | None
    rank: int
    named: bool
    title: str | None
    words: int | None
    per_cent: float | None


def read_item(line: str) -> Item | None:
    """The item that a line of a plan shows, or None for prose, blanks and sums."""
    indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
    rest, key, rank = _unmark(line.strip())
    found = read_label(rest)
    label, rest = found if found is not None else (None, rest)
    if (label is None and not key) or _TOTAL.fullmatch(rest):
        return None
    if label is not None:
        key, rank = key + _look(label), 2
    rest, words, per_cent = read_share(rest)
    return Item(
        indent=indent,
        key=key,
        number=label.number if label else None,
        total=label.total if label else None,
        rank=rank,
        named=label is not None and label.named,
        title=_title(rest),
        words=words,
        per_cent=per_cent,
    )


def read_share(text: str) -> tuple[str, int | None, float | None]:
    """The text without the share it names, the share in words, or in per cent of the whole.

    Worked number: "Background: ~400-600 words" -> ("Background", 500, None).
    """
    words = None
    match = _WORDS.search(text) or _NAMED.search(text)
    if match is not None:
        words = _amount(match)
        text = _without(text, match)
    share = _PER_CENT.search(text)
    if share is not None:
        text = _without(text, share)
    text = _EMPTY.sub("", text).strip(_EDGES)
    return text, words or None, float(share[1]) if share else None


def _without(text: str, share: re.Match[str]) -> str:
    """The text without a share; what is said behind it, after a mark, describes the section."""
    before, behind = text[: share.start()], text[share.end() :]
    said = behind.lstrip(" )）]】")
    title = before.rstrip(_OPENERS)
    return title if title and said[:1] in _BEHIND else before + behind


def _amount(match: re.Match[str]) -> int:
    """The number, or the middle of a range; a scale behind the second serves both: "1-2k"."""
    groups: list[str | None] = [*match.groups(), None, None, None]
    first, scale, second, last = match[1], groups[1], groups[2], groups[3]
    low = _scaled(first, scale or last)
    high = low if second is None else _scaled(second, last or scale)
    return round((low + high) / 2)


def _scaled(figures: str, scale: str | None) -> float:
    return float(figures.replace(",", "")) * _SCALES.get((scale or "").lower(), 1)


def _unmark(text: str) -> tuple[str, str, int]:
    """The text without markup, and what the markup says of its list."""
    key, rank = "", 0
    heading, bullet = _MARKDOWN.match(text), _BULLET.match(text)
    if heading is not None:
        key, rank, text = heading[1], 1, text[heading.end() :]
    elif bullet is not None:
        key, text = text[0], text[bullet.end() :]
    return text.replace("**", "").replace("__", "").strip(), key, rank


def _look(label: Label) -> str:
    return f"{label.parts}{label.style}{label.separator.strip() if not label.named else ''}"


def _title(text: str) -> str | None:
    """The title alone, a description behind it left out; None where there is no short one."""
    parts = _DESCRIPTION.split(text, maxsplit=1)
    if len(parts) == 2 and parts[0] and _is_long(parts[1], _SUBTITLE_WORDS, _SUBTITLE_HAN):
        text = parts[0]
    text = text.strip(_EDGES).strip()
    too_long = len(text) > _MAX_TITLE_CHARS or _is_long(text, _MAX_TITLE_WORDS, _MAX_TITLE_HAN)
    return None if not text or too_long else text


def _is_long(text: str, words: int, han: int) -> bool:
    return len(text.split()) > words or len(_HAN.findall(text)) > han
