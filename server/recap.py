"""What a draft that has outgrown its window is told of itself. It must not know tokens or engines.

The next window holds the prompt, this recap in place of the thinking, and the latest pages. The
recap is the plan, less what is written, and a line for each section that is: made from the text
alone, so that it works with any engine and costs no call to the model.
"""

import re
from collections import Counter
from dataclasses import dataclass

from planner.words import has_han
from server.marks import ANSWER, ANSWER_END, THINK, THINK_END
from server.policies.headings import Kind, kind_of, read_heading

_TAGS = re.compile("|".join((THINK, THINK_END, ANSWER, ANSWER_END)))
_SENTENCE = re.compile(r".*?(?:[.!?](?=\s|$)|[。！？])")
_MAX_SENTENCE_CHARS = 160
# The plan may take this share of the recap, the sections written the rest.
_PLAN_SHARE = 0.6
_WRITTEN = {False: "Written so far:", True: "已写内容："}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A section that is written: its title ("" for text before any heading), how it begins."""

    title: str
    first: str

    @property
    def line(self) -> str:
        return f"- {self.title}: {self.first}" if self.title else f"- {self.first}"


def recap(thinking: str, answer: str, *, max_chars: int) -> str:
    """The text from ``<think>`` to ``<answer>`` of a new window, about ``max_chars`` at most.

    thinking: all that stood before the answer, tags included. answer: the text so far.
    """
    told = sections(answer)
    plan = _unwritten(_TAGS.sub("", thinking).strip(), told)
    plan = _first_lines(plan, round(max_chars * _PLAN_SHARE))
    written = _latest_lines(told, max_chars - len(plan))
    parts = [plan, "\n".join((_WRITTEN[has_han(answer)], *written))] if told else [plan]
    body = "\n\n".join(filter(None, parts))
    return f" {THINK}\n{body}\n{THINK_END}\n{ANSWER}\n"


def sections(answer: str) -> list[Told]:
    """The sections of a text so far, each with its first sentence; paragraphs, if it has none."""
    headed: list[Told] = []
    plain: list[Told] = []
    title: str | None = None
    for line in answer.split("\n"):
        if not line.strip():
            continue
        heading = read_heading(line) if kind_of(line, complete=True) is Kind.HEADING else None
        if heading is not None:
            title = heading.title
            continue
        plain.append(Told(title="", first=_first_sentence(line)))
        if title is not None:
            headed.append(Told(title=title, first=_first_sentence(line)))
            title = None
    return headed or plain


def _first_sentence(line: str) -> str:
    found = _SENTENCE.match(line.strip())
    return (found.group() if found else line.strip())[:_MAX_SENTENCE_CHARS]


def _unwritten(plan: str, told: list[Told]) -> str:
    """The plan without the lines whose section is written already."""
    titles = Counter(section.title.casefold() for section in told if section.title)
    kept = []
    for line in plan.split("\n"):
        low = line.casefold()
        named = next((title for title in titles if title in low), None)
        if named is None or not _is_item(line):
            kept.append(line)
        else:
            # Titles may come again in a long text: one line for each section.
            titles[named] -= 1
            titles = +titles
    return "\n".join(kept)


def _is_item(line: str) -> bool:
    return bool(re.match(r"\s*(?:[-*+•#]|\d|第|[一二三四五六七八九十]+、|\w+ \d)", line))


def _first_lines(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    cut = text.rfind("\n", 0, max_chars)
    return text[: cut if cut > 0 else max_chars] + "\n…"


def _latest_lines(told: list[Told], max_chars: int) -> list[str]:
    """A line for each section, from the last one back, as far as they fit; the rest are "…"."""
    lines: list[str] = []
    for section in reversed(told):
        max_chars -= len(section.line) + 1
        if max_chars < 0:
            return ["…", *reversed(lines)]
        lines.append(section.line)
    return lines[::-1]
