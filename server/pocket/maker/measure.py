"""Reads what a model wrote and judges its shape against the request; generates nothing."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from server.pocket.maker.length import count_words, outline
from server.pocket.maker.lexicon import Language, Lexicon, lexicon
from server.pocket.maker.render import ANSWER_CLOSE, ANSWER_OPEN, THINK_CLOSE, THINK_OPEN

SHORT_RATIO, LONG_RATIO = 0.6, 1.3
_RATIOS = (0.8, 1.25)
_ALIKE = 0.8
# "1. title", as the bundled checkpoint was taught, and "1 of 6: title", as the maker now teaches.
_PLAN_LINES = {
    Language.ENGLISH: re.compile(r"^(\d+)(?: of \d+:|\.) (.+) - (\d+) words$", re.MULTILINE),
    Language.CHINESE: re.compile(
        r"^(?:第(?=\d+节))?(\d+)(?:节，共\d+节：|\. )(.+) - (\d+)字$", re.MULTILINE
    ),
}
_HEADINGS = {
    Language.ENGLISH: re.compile(r"^## (\d+) of (\d+)(: | - | — )(.+)$", re.MULTILINE),
    Language.CHINESE: re.compile(r"^## 第(\d+)节，共(\d+)节(：| - | — )(.+)$", re.MULTILINE),
}
_TAGS = (THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One generated completion: the text, the asked length, and whether the model ended it."""

    text: str
    language: Language
    asked_words: int
    ended: bool
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a completion turned out to be. `meant` is the mode its own plan names."""

    meant: str
    words: int
    ratio: float
    planned: int
    problems: tuple[str, ...]
    looping: bool
    tokens: int

    @property
    def well_formed(self) -> bool:
        """Tags, plan, counters, titles, end and length are all as they should be."""
        return not self.problems


def judge(written: Written) -> Verdict:
    """The verdict on one completion that began with its plan."""
    words = lexicon(written.language)
    thinking, answer = split(written.text)
    count = count_words(answer)
    ratio = count / written.asked_words
    looping = loops(answer)
    plan = _PLAN_LINES[written.language].findall(thinking)
    checks = {
        "tags": _tags_right(written.text),
        "end": written.ended and written.text.rstrip().endswith(ANSWER_CLOSE),
        "plan numbers": [int(k) for k, _, _ in plan] == list(range(1, len(plan) + 1)),
        "plan size": abs(len(plan) - outline(written.asked_words).count) <= 1,
        "counters": _counters_right(answer, written.language, len(plan)),
        "titles": _titles_right(answer, written.language, [title for _, title, _ in plan]),
        "loop": not looping,
        "length": _RATIOS[0] <= ratio <= _RATIOS[1],
    }
    return Verdict(
        meant=meant_mode(thinking, words),
        words=count,
        ratio=ratio,
        planned=len(plan),
        problems=tuple(name for name, right in checks.items() if not right),
        looping=looping,
        tokens=written.tokens,
    )


def split(text: str) -> tuple[str, str]:
    """Thinking and answer: the answer starts behind a tag on its own line, or at the title."""
    start = re.search(rf"^ ?{ANSWER_OPEN}$|^(?=# )", text, re.MULTILINE)
    if start is None:
        return text, ""
    answer = text[start.end() :]
    end = answer.find(ANSWER_CLOSE)
    return text[: start.start()], answer if end < 0 else answer[:end]


def meant_mode(thinking: str, words: Lexicon) -> str:
    """As the plan's notes say: "healthy", "short", "long", "loop", "format", or "unknown"."""
    for kind in ("mood", "pace"):
        before, after = words.surface[kind].split("{word}")
        found = re.search(rf"^{before}(.+){re.escape(after)}$", thinking, re.MULTILINE)
        modes = [name for name in words.lists if name.startswith(f"{kind}_")]
        for name in modes:
            if found and found.group(1) in words.lists[name] and name != "pace_other":
                return name.removeprefix(f"{kind}_")
    return "unknown"


def loops(answer: str) -> bool:
    """Whether a paragraph comes again, word for word or nearly so, right behind itself."""
    paragraphs = [p for p in answer.split("\n\n") if p.strip() and not p.lstrip().startswith("#")]
    return any(
        SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio() > _ALIKE
        if " " in one
        else SequenceMatcher(None, one, other, autojunk=False).ratio() > _ALIKE
        for one, other in zip(paragraphs, paragraphs[1:], strict=False)
    )


def headings(answer: str, language: Language) -> list[tuple[int, int, str, str]]:
    """Number, total, mark and title of every counted heading."""
    found = _HEADINGS[language].findall(answer)
    return [(int(number), int(total), mark, title) for number, total, mark, title in found]


def counts_soundly(answer: str, language: Language, asked_words: int) -> bool:
    """Whether headings count 1 to N in healthy form, N fits the asked length, and the end is there.

    For drafts without a plan to hold them against.
    """
    found = headings(answer, language)
    mark = lexicon(language).surface["mark_healthy"]
    totals = {total for _, total, _, _ in found}
    if len(totals) != 1 or any(heading[2] != mark for heading in found):
        return False
    total = totals.pop()
    in_order = [number for number, _, _, _ in found] == list(range(1, total + 1))
    fits = abs(total - outline(asked_words).count) <= 1
    return in_order and fits and answer.rstrip().endswith(ANSWER_CLOSE) and not loops(answer)


def without_early_end(text: str, language: Language) -> str | None:
    """A draft that closed early, its closing replaced by its plan's heading of that number.

    None when the draft did not close early, or has no plan to take the heading from.
    """
    thinking, answer = split(text)
    found = headings(answer, language)
    titles = {int(number): title for number, title, _ in _PLAN_LINES[language].findall(thinking)}
    if not found or found[-1][0] >= found[-1][1] or not text.rstrip().endswith(ANSWER_CLOSE):
        return None
    number, total, _, _ = found[-1]
    if number not in titles:
        return None
    words = lexicon(language)
    mark = words.surface["mark_healthy"]
    heading = words.form("heading", k=number, count=total, mark=mark, title=titles[number])
    return text[: text.rindex("## ")] + heading + "\n\n"


def _tags_right(text: str) -> bool:
    places = [text.find(tag) for tag in _TAGS]
    once = all(text.count(tag) == 1 for tag in _TAGS)
    return once and places == sorted(places)


def _counters_right(answer: str, language: Language, planned: int) -> bool:
    found = headings(answer, language)
    wanted = [(number, planned) for number in range(1, planned + 1)]
    return [(number, total) for number, total, _, _ in found] == wanted


def _titles_right(answer: str, language: Language, planned: list[str]) -> bool:
    return [title for _, _, _, title in headings(answer, language)] == planned
