"""The words around an amount of text: its sentence, its clause, its place. It judges nothing.

Windows are bounded, so looking around every amount of a prompt stays linear in the prompt.
"""

import re
from dataclasses import dataclass

from planner.asked.paste import CLAUSE_END, HEAD_CHARS
from planner.asked.quantities import Quantity

_BEFORE_CHARS = 240
_AFTER_CHARS = 160
# A full stop inside a number or an abbreviation has no space after it.
_SENTENCE_END = re.compile(
    r"[。！？!?；;\n]|(?<!approx)(?<!min)(?<!max)(?<!\be\.g)\.(?=[\s\"'”)]|\Z)"
)

TAIL_CHARS = 2_000

_BRIEF_CHARS = 600
_FEW_WORDS = 30
_AT_EDGE = re.compile(r"[\s~≈约.。!！)）]{0,7}")
# What says or asks something of an amount rather than asks for it.
_SAYS = re.compile(
    r"\A\s{0,2}(?:how|why|what|who|which|does|did|if|when|whether)\b|"
    r"\b(?:is|are|was|were|has|have|had|worth|only)\b|n['’]t\b|['’]s\s(?:only|just)|"
    r"[了有是第]|多少|怎[么样]|如何|什么|识字|词汇",
    re.IGNORECASE,
)
_IS_QUESTION = re.compile(
    r"\A[^,，:：]{0,80}(?:[?？]|[吗呢])\Z|\A[^:：]{0,60}(?:是谁|哪[个些年里]|几[页张天])"
)
_ASKS = re.compile(r"[?？吗呢够]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where an amount stands.

    before, after: the rest of its sentence on either side.
    clause: the rest of its clause before it.
    line: what its line holds before it.
    pasted: it stands in material that was pasted beside the request.
    far: it stands neither near the beginning nor near the end of the prompt.
    bare: nothing is said or asked of it, and the prompt is brief: "blog post | 800 words | cats".
    asks: its sentence is a question.
    """

    before: str
    after: str
    clause: str
    line: str
    pasted: bool
    far: bool
    bare: bool
    asks: bool


def look_around(text: str, quantity: Quantity, *, paste: tuple[int, int]) -> Surroundings:
    """What surrounds ``quantity``; ``paste`` is what ``find_paste`` said of the whole text."""
    before = text[max(0, quantity.start - _BEFORE_CHARS) : quantity.start]
    after = text[quantity.end : quantity.end + _AFTER_CHARS]
    stop = _SENTENCE_END.search(after)
    sentence = _last_part(_SENTENCE_END, before)
    return Surroundings(
        before=sentence,
        after=after[: stop.start()] if stop else after,
        clause=_last_part(CLAUSE_END, sentence),
        line=before[before.rfind("\n") + 1 :],
        pasted=paste[0] <= quantity.start < paste[1],
        far=HEAD_CHARS <= quantity.start < len(text) - TAIL_CHARS,
        bare=_is_bare(text, quantity)
        and not _SAYS.search(sentence)
        and not _ASKS.search(after[: stop.end() if stop else len(after)]),
        asks=_IS_QUESTION.search(after[: stop.end() if stop else len(after)]) is not None,
    )


def _is_bare(text: str, quantity: Quantity) -> bool:
    """Whether it is an amount of words in a brief prompt, or the first or the last words of one."""
    if quantity.unit != "words" or quantity.low_words < _FEW_WORDS:
        return False
    ends = _AT_EDGE.fullmatch(text[: quantity.start][:8]) or _AT_EDGE.fullmatch(
        text[quantity.end :][:8]
    )
    return len(text) <= _BRIEF_CHARS or ends is not None


def _last_part(ends: re.Pattern[str], text: str) -> str:
    cut = 0
    for end in ends.finditer(text):
        cut = end.end()
    return text[cut:]
