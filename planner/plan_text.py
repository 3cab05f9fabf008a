"""Reads the outline out of a model's thinking. It must not judge whether the outline is good."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.outline import Outline, Section
from planner.plan_line import Item, read_item, read_share

_CUE = re.compile(
    r"\b(?:outline|structure|sections|chapters|plan|parts|breakdown|table of contents|revised)\b"
    r"|大纲|提纲|结构|框架|章节|目录|安排|分为|修改后|节数",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"\b(?:requirements?|constraints?|notes?|remember|tips|reminders?|characters|themes|"
    r"keep in mind|questions|ideas|considerations|must)\b|注意|要求|人物|提醒|要点|问题",
    re.IGNORECASE,
)
_COUNT = re.compile(r"^\W*(?:sections|chapters|parts|节数|章数)\s*[:：]\s*(\d{1,3})", re.I | re.M)
_MIN_ITEMS = 2
_MIN_PLAIN_ITEMS = 3
_LEAD_LINES = 3
# Thinking that lists without end is read from its last lists only.
_MAX_LISTS = 60
# Lines of a counted plan that may be missing in a row; their sections have no title.
_MOST_LEFT_OUT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """An item and the number of its line."""

    at: int
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """Rows of one look in order, a sign of what they list (1, 0, -1), and how they lie."""

    rows: tuple[_Row, ...]
    sign: int = 0
    nested: bool = False

    @property
    def shared(self) -> bool:
        """Whether most of its items name their share of the words."""
        named = [row for row in self.rows if row.item.words or row.item.per_cent]
        return 2 * len(named) > len(self.rows)

    @property
    def titled(self) -> bool:
        return 2 * sum(row.item.title is not None for row in self.rows) >= len(self.rows)


def read_outline(plan_text: str, low_words: int, high_words: int) -> Outline | None:
    """The outline that a plan holds, or None where it is prose.

    The outermost list that carries the sections; of several, the one that names shares, then the
    one announced as an outline, then the last. Shares stand as the plan names them, those in per
    cent as parts of the middle of the asked range; ``planner.outline.fit`` scales them. Where the
    plan says how many sections it has and was cut short, the missing ones have no title.
    """
    lines = plan_text.splitlines()
    items = {at: item for at, line in enumerate(lines) if (item := read_item(line)) is not None}
    lists = [replace(one, sign=_sign(one, lines)) for one in _lists(items, lines)]
    marked = [replace(one, nested=_is_nested(one, lists)) for one in lists]
    summed = [_with_sums(one, lines) for one in marked]
    fitting = [one for one in summed if _is_outline(one)]
    if not fitting:
        return None
    best = max(fitting, key=lambda one: _merit(one, max(map(_words, fitting))))
    sections = _sections(best, (low_words + high_words) / 2)
    return Outline(sections=(*sections, *_missing(plan_text, len(sections))))


def _merit(one: _List, most_words: int) -> tuple[bool, bool, int, bool, int, int]:
    """What is compared first decides. A list begun anew and broken off has few of the words."""
    full = 2 * _words(one) >= most_words
    sign = 0 if one.shared else one.sign
    return (one.shared, full, sign, not one.nested, one.rows[0].item.rank, one.rows[-1].at)


def _words(one: _List) -> int:
    return sum(row.item.words or 0 for row in one.rows)


def _is_outline(one: _List) -> bool:
    if len(one.rows) < _MIN_ITEMS or one.sign < 0:
        return False
    if one.shared or one.sign > 0:
        return True
    counted = one.rows[0].item.rank == 2
    return counted and len(one.rows) >= _MIN_PLAIN_ITEMS and one.titled and not one.nested


def _lists(items: Mapping[int, Item], lines: Sequence[str]) -> list[_List]:
    """Runs of rows that look alike; counted ones go 1, 2, 3, and begin anew at 1."""
    done: list[list[_Row]] = []
    open_lists: dict[tuple[int, str], list[_Row]] = {}
    for at, item in items.items():
        row, place = _Row(at=at, item=item), (item.indent, item.key)
        current = open_lists.get(place)
        if current is not None and _goes_on(current[-1], row, items, lines):
            current.append(row)
        elif row.item.number in (None, 1):
            open_lists[place] = [row]
            done.append(open_lists[place])
    return [_List(rows=tuple(one)) for one in done[-_MAX_LISTS:]]


def _goes_on(last: _Row, row: _Row, items: Mapping[int, Item], lines: Sequence[str]) -> bool:
    if last.item.number is not None and row.item.number is not None:
        same = row.item.total == last.item.total
        return _counts_on(last.item.number, row.item.number, row.item.total if same else None)
    between = range(last.at + 1, row.at)
    if row.item.rank == 1:
        met = (items[at] for at in between if at in items)
        return not any(item.rank == 1 and len(item.key) < len(row.item.key) for item in met)
    return all(_indent(lines[at]) > row.item.indent for at in between if lines[at].strip())


def _counts_on(last: int, number: int, total: int | None) -> bool:
    """Whether a number follows another; "k of N" may leave some out, for its place is plain.

    total: of both; None where they have none or not the same. In a plan of 401 lines a small model
    slips: what follows must not be lost for it.
    """
    if total is None:
        return number == last + 1
    return last < number <= min(last + _MOST_LEFT_OUT + 1, total)


def _indent(line: str) -> int:
    return len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())


def _sign(one: _List, lines: Sequence[str]) -> int:
    """1 where the lines above, or its own look, announce an outline; -1 where something else."""
    first = one.rows[0]
    if first.item.rank == 1 and any(_names_plan(row.item.title) for row in one.rows):
        return -1
    above = [line for line in lines[: first.at] if line.strip()][-_LEAD_LINES:]
    for line in reversed(above):
        if _CUE.search(line):
            return 1
        if _ASIDE.search(line):
            return -1
    return 1 if first.item.named else 0


def _names_plan(title: str | None) -> bool:
    return title is not None and _CUE.search(title) is not None


def _is_nested(one: _List, lists: Sequence[_List]) -> bool:
    """Whether all of it lies below a single item of another list."""
    return any(_holds(outer, one) for outer in lists if outer is not one)


def _holds(outer: _List, inner: _List) -> bool:
    first, last = inner.rows[0], inner.rows[-1]
    starts = [row.at for row in outer.rows]
    before = [at for at in starts if at < first.at]
    if not before or len(outer.rows) < _MIN_ITEMS:
        return False
    if len(before) < len(starts):
        return last.at < starts[len(before)]
    deeper = first.item.indent > outer.rows[0].item.indent
    return deeper or outer.rows[0].item.rank == 1 > first.item.rank


def _with_sums(one: _List, lines: Sequence[str]) -> _List:
    """The list with what the lines below each of its items name, where the item names nothing."""
    edges = [row.at for row in one.rows[1:]] + [_end(one, lines)]
    return replace(
        one,
        rows=tuple(
            row
            if row.item.words or row.item.per_cent
            else replace(row, item=replace(row.item, words=_below(row.at, edge, lines)))
            for row, edge in zip(one.rows, edges, strict=True)
        ),
    )


def _end(one: _List, lines: Sequence[str]) -> int:
    """The line where the last item of a list ends: the next one that is not deeper."""
    last = one.rows[-1]
    for at, line in enumerate(lines[last.at + 1 :], start=last.at + 1):
        if line.strip() and _indent(line) <= last.item.indent:
            return at
    return len(lines)


def _below(at: int, edge: int, lines: Sequence[str]) -> int | None:
    shares = [read_share(line)[1] for line in lines[at + 1 : edge]]
    return sum(share for share in shares if share) or None


def _sections(one: _List, middle_words: float) -> list[Section]:
    sections: list[Section] = []
    for row in one.rows:
        if row.item.total is not None and row.item.number is not None:
            sections += [Section() for _ in range(len(sections) + 1, row.item.number)]
        words = row.item.words or _part(row.item.per_cent, middle_words)
        sections.append(Section(title=row.item.title, words=words, level=1 + one.nested))
    return sections


def _part(per_cent: float | None, middle_words: float) -> int | None:
    """Words of a share in per cent: 20 % of 2,000 -> 400."""
    return None if per_cent is None else round(middle_words * per_cent / 100)


def _missing(plan_text: str, count: int) -> Iterator[Section]:
    stated = _COUNT.search(plan_text)
    for _ in range(count, int(stated[1]) if stated else 0):
        yield Section()
