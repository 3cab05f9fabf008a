"""The words around an amount of text: its sentence, its clause, its place. It judges nothing.

Windows are bounded, so looking around every amount of a prompt stays linear in the prompt.
"""

import re
from dataclasses import dataclass

from planner.asked.quantities import Quantity

_BEFORE_CHARS = 240
_AFTER_CHARS = 160
# A full stop inside a number or an abbreviation has no space after it.
_SENTENCE_END = re.compile(
    r"[。！？!?；;\n]|(?<!approx)(?<!min)(?<!max)(?<!\be\.g)\.(?=[\s\"'”)]|\Z)"
)
_CLAUSE_END = re.compile(r"[，,、:：（(）)—。！？!?；;\n]|\s[-–]\s|\.(?=\s)")

HEAD_CHARS = 3_000
TAIL_CHARS = 2_000
_LONG_CHARS = 800
_LAST_WORDS_CHARS = 1_000

_MARKER = re.compile(
    r"(?:\b(?:reference(?:\s(?:text|material))?s?|source(?:\s(?:text|material))?|text|article|"
    r"passage|"
    r"document|transcript|excerpt|original|manuscript|draft|thesis|essay|story|email|data|"
    r"materials?|"
    r"content|paper|report|report\sdata|below|as\sfollows)[^\n:：。.]{0,60}?[:：]|"
    r"(?:参考|范文|原文|材料|资料|素材|全文|文章|论文|内容|报告|如下|附件|案例|数据|背景)"
    r"[^\n:：。，]{0,24}?[:：]|```|<(?:document|article|text|context|source)>|\"{3})",
    re.IGNORECASE,
)
# What such a marker introduces when it is no source.
_OWN_WORDS = re.compile(
    r"requirement|instruction|criteria|cover|includ|outline|structure|aspect|section|point|"
    r"question|"
    r"task|topic|word|length|limit|format|style|focus|要求|包[含括]|需|结构|提纲|方面|重点|字数|"
    r"篇幅|主题|题目|格式|部分|规范|撰写|围绕|风格",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where an amount stands.

    before, after: the rest of its sentence on either side.
    clause: the rest of its clause before it.
    line: what its line holds before it.
    pasted: it stands in material that was pasted beside the request.
    far: it stands neither near the beginning nor near the end of the prompt.
    """

    before: str
    after: str
    clause: str
    line: str
    pasted: bool
    far: bool


def look_around(text: str, quantity: Quantity, *, paste: tuple[int, int]) -> Surroundings:
    """What surrounds ``quantity``; ``paste`` is what ``find_paste`` said of the whole text."""
    before = text[max(0, quantity.start - _BEFORE_CHARS) : quantity.start]
    after = text[quantity.end : quantity.end + _AFTER_CHARS]
    stop = _SENTENCE_END.search(after)
    sentence = _last_part(_SENTENCE_END, before)
    return Surroundings(
        before=sentence,
        after=after[: stop.start()] if stop else after,
        clause=_last_part(_CLAUSE_END, sentence),
        line=before[before.rfind("\n") + 1 :],
        pasted=paste[0] <= quantity.start < paste[1],
        far=HEAD_CHARS <= quantity.start < len(text) - TAIL_CHARS,
    )


def find_paste(text: str) -> tuple[int, int]:
    """Where pasted material begins and ends: after a marker such as "Reference:" that introduces
    something long; the last words of a prompt may be the request again, so they are no paste.

    (len, len) where there is none.
    """
    last = len(text) - _LAST_WORDS_CHARS
    for marker in _MARKER.finditer(text[:HEAD_CHARS]):
        if last - marker.end() < _LONG_CHARS:
            break
        start = text.rfind("\n", 0, marker.start()) + 1
        said = _last_part(_CLAUSE_END, text[start : marker.start()]) + marker[0]
        if _OWN_WORDS.search(said) is None:
            return marker.end(), last
    return len(text), len(text)


def _last_part(ends: re.Pattern[str], text: str) -> str:
    cut = 0
    for end in ends.finditer(text):
        cut = end.end()
    return text[cut:]
