"""What an amount says of the piece that is asked for: its whole length, that of each of its parts,
of one of them, and how plainly it says so. It must not choose the length.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from planner.asked.distractors import is_distractor
from planner.asked.parts import (
    each_of,
    how_many,
    how_many_listed,
    is_label,
    is_the_piece,
    part_of,
)
from planner.asked.paste import find_paste
from planner.asked.plainness import is_total, plainness
from planner.asked.quantities import Quantity, find_quantities
from planner.asked.surroundings import Surroundings, look_around

Role = Literal["whole", "each", "part", "label"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An amount and its part in the request.

    plain: how plainly it is asked for, 0 and up; see ``plainness``.
    total: it is called the total.
    items: of how many parts it holds, as a range; None where that is not said.
    name: for a part, what it is called ("introduction"); for each, of what ("章").
    aside: it stands in brackets of its own.
    main: for a part, that it is the body or the very thing that is asked for.
    bare: nothing around it says otherwise, so that it counts where nothing is asked plainly.
    """

    quantity: Quantity
    role: Role
    plain: int
    total: bool = False
    items: tuple[float, float] | None = None
    name: str = ""
    main: bool = False
    pasted: bool = False
    aside: bool = False
    bare: bool = False


_MAIN = re.compile(r"main|body|正文|主体|核心|core", re.IGNORECASE)
_TITLE = re.compile(r"titles?|headlines?|标题|题目|书名|昵称", re.IGNORECASE)
_SHORT_CLAUSE_CHARS = 16
_OPENED = re.compile(r"[(（][^()（）,，.。]{0,16}\Z")
_CLOSED = re.compile(r"[^()（）,，.。]{0,8}[)）]")
# A request names few amounts, so of very many only the first and the last are looked at.
_MOST_AMOUNTS = 120


def find_claims(text: str) -> list[Claim]:
    """Every amount of ``text`` that may be the asked length, or a share of it, in order."""
    paste = find_paste(text)
    quantities = list(find_quantities(text))
    if len(quantities) > _MOST_AMOUNTS:
        quantities = quantities[: _MOST_AMOUNTS // 2] + quantities[-_MOST_AMOUNTS // 2 :]
    claims = []
    for quantity in quantities:
        around = look_around(text, quantity, paste=paste)
        if not is_distractor(quantity, around):
            claims.append(_judge(text, quantity, around))
    return claims


def _is_aside(text: str, quantity: Quantity) -> bool:
    return (
        _OPENED.search(text[max(0, quantity.start - 24) : quantity.start]) is not None
        and _CLOSED.match(text[quantity.end : quantity.end + 12]) is not None
    )


def _judge(text: str, quantity: Quantity, around: Surroundings) -> Claim:
    claim = Claim(
        quantity=quantity,
        role="whole",
        plain=plainness(quantity, around),
        total=is_total(around),
        pasted=around.pasted,
        bare=around.bare and not around.pasted,
        aside=_is_aside(text, quantity),
    )
    each = each_of(around)
    if each is not None:
        # Who says how long each is to be asks for it.
        return replace(claim, role="each", plain=claim.plain + 3, name=each)
    items = how_many(quantity, around) or how_many_listed(text, quantity, total=claim.total)
    if items is not None:
        return replace(claim, role="each", items=items)
    name = None if claim.total else part_of(quantity, around)
    if name is None:
        return claim
    if len(around.clause) <= _SHORT_CLAUSE_CHARS:
        # "第一章2000字，": nothing but the share.
        claim = replace(claim, plain=claim.plain + 3)
    main = _MAIN.search(name) is not None or (
        _TITLE.fullmatch(name) is None and is_the_piece(text, quantity, name)
    )
    return replace(claim, role="label" if is_label(name) else "part", name=name, main=main)
