"""Reads the length that a request asks for. It must not ask a model anything, nor count an answer.

The rules are those LongWriter-Zero was rewarded by (arXiv 2506.18841): a number N is N ± 10 %, "no
more than N" is [0.9 N, N], "at least N" is [N, 1.1 N]; a range stays as it was asked.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from planner.asked.claims import Claim, find_claims
from planner.asked.parts import count_of
from planner.asked.quantities import Bound

Source = Literal["field", "prompt", "predicted", "none"]
MARGIN = 0.1
# A request stands at the edges of its prompt. Reading holds up every other stream meanwhile, so
# it is bounded: 64,000 characters of prose take 20 ms, of nothing but amounts 200 ms.
READ_CHARS = 32_000
# Below this an amount is mentioned rather than asked for.
_PLAIN = 3
# Amounts of one request stand together; what is farther apart belongs to something else.
_TOGETHER_CHARS = 1_500
_BOUNDS_CHARS = 80
_MAX_SHARES = 40
# A request that says so often how long each of something is says nothing of the whole.
_MOST_EACH = 8
# "Write chapter 3; each chapter has 2,000 words."
_ONE_OF_MANY = re.compile(
    r"\bwrit\w{1,4}\s(?:the\s)?(?:(?:first|next|last|second|third)\s)?(?:chapter|section|scene|"
    r"episode|"
    r"part)\b(?!s)|\beach\s[a-z]{4,10}\syou\swrite\b|写[^，。\n]{0,8}(?:第[一二三四五六七八九十\d]{1,3}|下一)[章节回集幕]",
    re.IGNORECASE,
)
_BESIDE_CHARS = 400
_LONG_PROMPT_CHARS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The asked length in words as the benchmark counts them; None and None for "none"."""

    low_words: int | None
    high_words: int | None
    source: Source

    @property
    def range(self) -> tuple[int, int] | None:
        """Both bounds, or None where none is known."""
        if self.low_words is None or self.high_words is None:
            return None
        return self.low_words, self.high_words


NOTHING = Asked(low_words=None, high_words=None, source="none")


def from_field(words: int | tuple[int, int]) -> Asked:
    """The length that a request states by field: a number is N ± 10 %, a range stays.

    Worked numbers: 2,000 = [1,800, 2,200]; (800, 1,000) = [800, 1,000].
    """
    low, high = words if isinstance(words, tuple) else _around(words, words, "about")
    return Asked(low_words=round(low), high_words=round(high), source="field")


def read_length(text: str) -> Asked:
    """The length that ``text`` asks for, ``NOTHING`` where it asks for none.

    Cost is linear in the text, up to ``READ_CHARS`` from either edge: what is asked for in the
    middle of a longer one is not read. Worked numbers: "a 2,000-word essay" = [1,800, 2,200];
    "不少于3000字" = [3,000, 3,300]; "three sections of 500 words each" = [1,350, 1,650].
    """
    if len(text) > 2 * READ_CHARS:
        text = f"{text[:READ_CHARS]}\n\n{text[-READ_CHARS:]}"
    claims = list(find_claims(text))
    found = _found(text, [each for each in claims if _is_plain(each)]) or _found(
        text, [each for each in claims if each.bare]
    )
    if found is None or round(found[1]) < 1:
        return NOTHING
    return Asked(low_words=max(1, round(found[0])), high_words=round(found[1]), source="prompt")


def read_conversation(user_texts: Sequence[str]) -> Asked:
    """The length in the last of the user's messages that states one."""
    for text in reversed(user_texts):
        asked = read_length(text)
        if asked.source != "none":
            return asked
    return NOTHING


def _is_plain(claim: Claim) -> bool:
    """A share needs no verb of its own: "intro 150 words, conclusion 200 words"."""
    return claim.plain >= _PLAIN or (claim.bare and claim.role == "part")


def _found(text: str, claims: Sequence[Claim]) -> tuple[float, float] | None:
    listed = _listed(claims)
    return _whole(text, listed) or _sum(text, listed) or _only_part(text, listed)


def _listed(claims: Sequence[Claim]) -> list[Claim]:
    """Amounts that stand in brackets one after another are shares: "Market (800 words), Plan (600
    words)"; a single one is the length of what stands before it."""
    asides = [each for each in claims if each.role in ("whole", "part") and each.aside]
    shares = list(_together(asides)) if len(asides) > 1 else []
    return [
        replace(each, role="part") if each in shares and not each.total else each for each in claims
    ]


def _whole(text: str, claims: Sequence[Claim]) -> tuple[float, float] | None:
    wholes = [each for each in claims if each.role == "whole"]
    if not wholes:
        return None
    best = _best(text, wholes)
    # "A talk of 10 minutes, about 1,500 words": the words say it more exactly.
    exact = [
        each for each in wholes if each.quantity.unit == "words" and _goes_with(text, each, best)
    ]
    if exact:
        return _bounded(_best(text, exact), wholes)
    return _only_part(text, claims) or _bounded(best, wholes)


def _goes_with(text: str, claim: Claim, best: Claim) -> bool:
    near = abs(claim.quantity.start - best.quantity.start) < _BESIDE_CHARS
    return claim.pasted == best.pasted and (near or _edge(claim, len(text)) > 0)


def _best(text: str, claims: Sequence[Claim]) -> Claim:
    """Not pasted, near an edge of the prompt, called the total, plainly said, outermost."""

    def weight(claim: Claim) -> tuple[bool, int, bool, int, int]:
        edge = _edge(claim, len(text))
        outermost = -_inside_chars(claim, len(text))
        return not claim.pasted, edge, claim.total, min(claim.plain, 5), outermost

    return max(claims, key=weight)


def _edge(claim: Claim, num_chars: int) -> int:
    """How near a claim is to an edge of a long prompt, 0 to 4: a request is stated first or last,
    and between lies what it works on. A total near an edge counts as if it were on it."""
    if num_chars < _LONG_PROMPT_CHARS:
        return 4
    edge = max(0, 4 - _inside_chars(claim, num_chars) // 80)
    return 4 if edge and claim.total else edge


def _inside_chars(claim: Claim, num_chars: int) -> int:
    """Characters between a claim and the nearer edge; in a short prompt the first claim counts.

    Most requests come first, so the way from the beginning counts for a quarter.
    """
    quantity = claim.quantity
    if num_chars < _LONG_PROMPT_CHARS:
        return quantity.start
    return min(quantity.start // 4, num_chars - quantity.end)


def _bounded(best: Claim, wholes: Sequence[Claim]) -> tuple[float, float]:
    """The range of a claim; "at least A" and "at most B" side by side are [A, B]."""
    mine = best.quantity
    for other in wholes:
        each = other.quantity
        if abs(each.start - mine.start) > _BOUNDS_CHARS or each.unit != mine.unit:
            continue
        if mine.bound == "at_least" and each.bound == "about" and each.low_words > mine.low_words:
            # "At least 700 words, ideally 800."
            return max(mine.low_words, _range(other)[0]), _range(other)[1]
        least, most = (mine, each) if mine.bound == "at_least" else (each, mine)
        if (
            least.bound == "at_least"
            and most.bound == "at_most"
            and least.low_words < most.high_words
        ):
            return least.low_words, most.high_words
    return _range(best)


def _range(claim: Claim) -> tuple[float, float]:
    quantity = claim.quantity
    if quantity.low_words < quantity.high_words:
        return quantity.low_words, quantity.high_words
    if quantity.margin_words is not None:
        return (
            quantity.low_words - quantity.margin_words,
            quantity.low_words + quantity.margin_words,
        )
    return _around(quantity.low_words, quantity.high_words, quantity.bound)


def _around(low: float, high: float, bound: Bound) -> tuple[float, float]:
    return (
        low if bound == "at_least" else low * (1 - MARGIN),
        high if bound == "at_most" else high * (1 + MARGIN),
    )


def _sum(text: str, claims: Sequence[Claim]) -> tuple[float, float] | None:
    """Parts that add up; None where there are fewer than two or only a piece's ends."""
    shares = [each for each in claims if each.role in ("each", "part") and not each.pasted]
    shares = list(_together(shares))[:_MAX_SHARES]
    eaches = [each for each in shares if each.role == "each"]
    if len(eaches) > _MOST_EACH or not (eaches or _is_complete(shares)):
        return None
    low = high = 0.0
    for share in shares:
        least, most = _range(share)
        items = (1.0, 1.0) if share.role == "part" else _items(text, share)
        if items is None:
            return None
        low, high = low + least * items[0], high + most * items[1]
    return low, high


def _items(text: str, share: Claim) -> tuple[float, float] | None:
    items = share.items or count_of(text, share.name, share.quantity.start)
    if items is None and _ONE_OF_MANY.search(text):
        return 1.0, 1.0
    return items if items and items[1] else None


def _together(shares: Sequence[Claim]) -> Iterable[Claim]:
    last = None
    for share in shares:
        if last is None or share.quantity.start - last < _TOGETHER_CHARS:
            last = share.quantity.start
            yield share


_ENDS = ("intro", "conclu", "abstract", "open", "clos", "end", "summary")
_HAN_ENDS = ("开头", "引言", "前言", "结尾", "结语", "结论", "总结", "摘要", "开场", "开篇")


def _is_complete(parts: Sequence[Claim]) -> bool:
    """Whether parts can be all of a piece: two at least, one of them no beginning or end."""
    return len(parts) > 1 and any(
        not each.name.lower().strip(" *").startswith((*_ENDS, *_HAN_ENDS)) for each in parts
    )


def _only_part(text: str, claims: Sequence[Claim]) -> tuple[float, float] | None:
    """A single part stands for the whole where it is the body, or is what is to be written."""
    mains = [each for each in claims if each.role in ("part", "label") and each.main]
    return _range(_best(text, mains)) if mains else None
