"""How much of one unit differs from another that it may repeat in other words; it keeps nothing."""

import re

from server.policies.units import Unit

# The share of a unit that may differ. A loop's other units must differ less (see loop_guard).
_MOST_CHANGED = 0.4
# Two units whose lengths differ more cannot be that alike.
_LEAST_LENGTH = 0.6
# Another figure is another fact: lists of years, counters and prices are no loops.
_FIGURES = re.compile(r"[\d零〇一二三四五六七八九十百千万亿两]+")


def changed_share(one: Unit, other: Unit, *, scattered: bool = True) -> float | None:
    """What share of ``one``'s body differs from ``other``'s; None: it says something else.

    scattered: the changes may be in several places, which is dearer to find out.

    "the sum tells a bold tale." and "the sum tells a narrow tale." -> 6 of 28 characters, 0.21.
    """
    lengths = sorted((len(one.body), len(other.body)))
    if lengths[0] < _LEAST_LENGTH * lengths[1] or not (one.prose and other.prose):
        return None
    share = _one_place(one.body, other.body)
    if scattered and share > _MOST_CHANGED / 2:
        share = min(share, _many_places(one.body, other.body, wide=one.wide))
    if share > _MOST_CHANGED or _figures(one) != _figures(other):
        return None
    return share


def common_chars(one: str, other: str) -> int:
    """How long both texts are the same from their beginning on."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def _one_place(one: str, other: str) -> float:
    """The share between the same beginning and the same end."""
    before = common_chars(one, other)
    most = min(len(one), len(other)) - before
    after = min(most, common_chars(one[::-1], other[::-1]))
    longest = max(len(one), len(other))
    return (longest - before - after) / longest


def _many_places(one: str, other: str, *, wide: bool) -> float:
    """One minus the Dice coefficient of the sets of words, or of pairs of Han characters.

    Two words changed of eight different ones: 1 - 2 * 6 / 16 = 0.25.
    """
    first, second = (_pairs(one), _pairs(other)) if wide else (set(one.split()), set(other.split()))
    return 1 - 2 * len(first & second) / (len(first) + len(second))


def _pairs(text: str) -> set[str]:
    return {text[at : at + 2] for at in range(len(text))}


def _figures(unit: Unit) -> list[str]:
    return _FIGURES.findall(unit.body)
