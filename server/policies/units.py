"""Where a running text parts into sentences and lines, and what one is; it compares none of them.

A unit is a sentence, or a line where no sentence ends in it. White space before a unit belongs to
it, so a unit begins right where the one before has ended.
"""

import re
from dataclasses import dataclass
from itertools import product

MAX_UNIT_CHARS = 1_536
# Behind so many characters a comma ends a unit too: some lines never end a sentence.
CLAUSE_CHARS = 200
# "No." and "3." do not stand alone: they are too short to say anything by coming again.
_MIN_CHARS = 5
_CLOSERS = "\"'”’»)]」』）】*_"
_CLOSING = re.escape(_CLOSERS)
# An end shows by the character behind it: white space, or for Chinese anything but a closing mark.
_END = re.compile(
    rf"(?=\n)|[.!?…][{_CLOSING}]{{0,4}}(?=\s)|[。！？…][{_CLOSING}]{{0,4}}(?=[^。！？…{_CLOSING}])"
)
# A cheap look whether a text has a character at which a sentence or line may end.
may_end = re.compile(r"[\n.!?…。！？]").search
_CLAUSE_END = re.compile(r"[,;:，；：、]")
# What of a unit must be kept to find an end that reaches over the border of two pieces.
EDGE_CHARS = 5

_SENTENCE_ENDS = frozenset(".!?…。！？")
# Tables, headings, quotes of code: there, much alike is not said again.
_RULED = re.compile(r"[|#`<{}=+~$\\@]|[-*>•] ")
_LETTER = re.compile(r"[^\W\d_]")
_MARKER_FIRST = frozenset("-*•(（0123456789一二三四五六七八九十")
_MARKER = re.compile(r"[-*•][ \t]+|[(（]?(?:\d{1,3}|[一二三四五六七八九十]{1,3})[.)）、．][ \t]*")
_MARKER_BEGUN = re.compile(
    r"[-*•][ \t]*|[(（]?(?:\d{1,3}|[一二三四五六七八九十]{1,3})?(?:[.)）、．][ \t]*)?"
)
_LEAD_INS = (
    *("indeed", "again", "truly", "once more", "once again", "as said", "as mentioned", "as noted"),
    *("in other words", "that is", "to repeat", "in short", "put differently", "in fact", "also"),
    *("moreover", "furthermore", "in addition", "besides", "similarly", "likewise", "of course"),
    *("additionally", "overall", "in summary", "in conclusion", "ultimately", "therefore", "thus"),
    *("的确", "再说", "其实", "还是那句话", "如前所说", "如前所述", "换句话说", "也就是说", "总之"),
    *("确实", "事实上", "此外", "而且", "同样", "因此", "另外", "同时", "最终", "总而言之"),
)
_LEAD_IN_WHOLE = frozenset(map("".join, product(_LEAD_INS, ":,：，", ("", " "))))
_LEAD_IN_BEGUN = frozenset(whole[:cut] for whole in _LEAD_IN_WHOLE for cut in range(len(whole) + 1))
_LEAD_IN_END = re.compile("[:,：，] ?")
_LEAD_IN_CHARS = max(map(len, _LEAD_IN_WHOLE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit as it was written.

    number: counted from 0. start: where it begins, in characters of the answer.
    raw: its text, the white space before it included.
    opening: a list marker or a lead-in ("Indeed: "), case folded. body: the rest, case folded.
    weight: UTF-8 bytes of the body: a letter counts 1, a Han character 3; 0 without any letter.
    """

    number: int
    start: int
    raw: str
    opening: str
    body: str
    weight: int

    @property
    def end(self) -> int:
        return self.start + len(self.raw)

    @property
    def prose(self) -> bool:
        """Whether it ends as a sentence or long clause does, and is no table, heading or code."""
        ended = self.body.rstrip(_CLOSERS)[-1:] in _SENTENCE_ENDS or len(self.raw) >= CLAUSE_CHARS
        return ended and _RULED.search(self.body) is None

    @property
    def wide(self) -> bool:
        """Whether it is mostly Chinese, Japanese or Korean: more than two bytes a character."""
        return self.weight > 2 * len(self.body)


def unit(number: int, start: int, raw: str) -> Unit:
    """The unit of a text: "Again: I saw it." -> opening "again: ", body "i saw it.", weight 9."""
    folded = raw.strip().casefold()
    opening = folded[: opening_chars(folded)]
    body = folded[len(opening) :]
    weight = len(body.encode("utf-8", "surrogatepass")) if _LETTER.search(body) else 0
    return Unit(number=number, start=start, raw=raw, opening=opening, body=body, weight=weight)


def opening_chars(folded: str) -> int:
    """How much of a case-folded unit is a list marker or a lead-in: "indeed: i" -> 8."""
    if is_marker(folded):
        found = _MARKER.match(folded)
        return found.end() if found else 0
    found = _LEAD_IN_END.search(folded, 0, _LEAD_IN_CHARS)
    return found.end() if found and folded[: found.end()] in _LEAD_IN_WHOLE else 0


def is_marker(folded: str) -> bool:
    """Whether a unit with an opening begins with a list marker, not a lead-in."""
    return folded[:1] in _MARKER_FIRST


def may_be_opening(folded: str) -> bool:
    """Whether a begun unit may still turn out to be nothing but a marker or a lead-in."""
    if is_marker(folded):
        return _MARKER_BEGUN.fullmatch(folded) is not None
    return folded in _LEAD_IN_BEGUN


def find_end(text: str, base: int, *, clauses: bool = True) -> int:
    """Where a unit ends in a piece of it, or -1 when it goes on.

    ``text`` begins ``base`` characters into the unit (white space before it not counted), at most
    ``EDGE_CHARS`` of which were searched before. clauses: a long unit ends at a comma too.
    """
    at = -1
    if base + len(text) <= CLAUSE_CHARS and may_end(text) is None:
        return at
    found = _END.search(text)
    while found is not None:
        if base + found.end() >= _MIN_CHARS or text.startswith("\n", found.end()):
            at = found.end()
            break
        found = _END.search(text, found.end())
    if clauses and base + len(text) > CLAUSE_CHARS:
        clause = _CLAUSE_END.search(text, max(0, CLAUSE_CHARS - base))
        if clause is not None and (at < 0 or clause.end() < at):
            at = clause.end()
    return at if at >= 0 and base + at <= MAX_UNIT_CHARS else _too_long(text, base)


def _too_long(text: str, base: int) -> int:
    return MAX_UNIT_CHARS - base if base + len(text) > MAX_UNIT_CHARS else -1
