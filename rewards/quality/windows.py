"""Long texts cut for a model with a bounded window. It must not know models: the caller counts.

Two rules. ``mean``: window after window, cut where a section, a paragraph or a sentence ends, the
scores averaged by tokens; what stands far apart is never seen together, but nothing goes unread.
``head_tail``: the beginning and the end around a mark; one look at both, and the middle unread.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Count = Callable[[str], int]
MARK = "\n\n[...]\n\n"
# Where a text may be cut, best first: before a heading, behind a paragraph, behind a sentence or a
# line, behind a word.
_BORDERS = (
    re.compile(r"^(?=#{1,6} )", re.MULTILINE),
    re.compile(r"(?<=\n\n)"),
    re.compile(r"(?<=[.!?] )|(?<=[。！？\n])"),
    re.compile(r"(?<=\s)"),
)
# Cut so fine, the two ends together waste an eighth of their space at most.
_FINE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A run of a text and its tokens."""

    text: str
    tokens: int


def windows(text: str, limit_tokens: int, count: Count) -> tuple[Window, ...]:
    """The text in windows of at most ``limit_tokens``, none lost: joined, they are the text.

    Neighbouring sections share a window where they fit; a section that fits is never cut. Sections
    of 300, 300 and 60 tokens with a limit of 400: windows of 300 and 360. Linear in the text. Only
    a single character of more tokens than the limit makes a larger window.
    """
    packed: list[Window] = []
    for unit in _units(text, limit_tokens, count):
        if packed and packed[-1].tokens + unit.tokens <= limit_tokens:
            packed[-1] = _joined((packed[-1], unit))
        else:
            packed.append(unit)
    return tuple(packed)


def head_tail(text: str, limit_tokens: int, count: Count, head_share: float = 0.5) -> Window:
    """The text if it fits, else its beginning and its end with a mark between.

    Of 1,000 tokens under a limit of 407 with a mark of 7 and a ``head_share`` of 0.5, about the
    first and the last 200 stay.
    """
    whole = count(text)
    if whole <= limit_tokens:
        return Window(text=text, tokens=whole)
    mark = Window(text=MARK, tokens=count(MARK))
    space = max(0, limit_tokens - mark.tokens)
    units = list(_units(text, max(1, space // _FINE), count))
    head = _taken(units, space * head_share)
    tail = _taken(reversed(units[len(head) :]), space - sum(unit.tokens for unit in head))
    return _joined((*head, mark, *reversed(tail)))


def mean_by_tokens(scores: Iterable[float], tokens: Iterable[int]) -> float:
    """The mean of the windows' scores, each by its share of the text, so that a long draft gains
    nothing by its length. Scores 1.0 and -1.0 of windows of 400 and 100 tokens: 0.6.

    Raises ZeroDivisionError where there is no token.
    """
    pairs = list(zip(scores, tokens, strict=True))
    return sum(score * n for score, n in pairs) / sum(n for _, n in pairs)


def estimate_tokens(text: str) -> int:
    """Tokens of a text where the model's tokenizer is not at hand; rather too many than too few.

    One for each character beyond U+2E80 (Han, kana, hangul), 0.3 for each other one: common
    tokenizers need 0.6 to 1.0 and 0.2 to 0.25. "A cup of 茶" -> 3.7, so 4.
    """
    wide = sum(character >= "\u2e80" for character in text)
    return round(wide + 0.3 * (len(text) - wide))


def _units(text: str, limit: int, count: Count, level: int = 0) -> Iterator[Window]:
    """The text in the largest units that fit."""
    tokens = count(text)
    if tokens <= limit or len(text) <= 1:
        if text:
            yield Window(text=text, tokens=tokens)
        return
    if level < len(_BORDERS):
        parts = _BORDERS[level].split(text)
    else:
        parts = [text[: len(text) // 2], text[len(text) // 2 :]]
    for part in parts:
        yield from _units(part, limit, count, level + 1)


def _taken(units: Iterable[Window], space: float) -> list[Window]:
    taken: list[Window] = []
    for unit in units:
        space -= unit.tokens
        if space < 0:
            break
        taken.append(unit)
    return taken


def _joined(parts: Iterable[Window]) -> Window:
    held = tuple(parts)
    text = "".join(part.text for part in held)
    return Window(text=text, tokens=sum(part.tokens for part in held))
