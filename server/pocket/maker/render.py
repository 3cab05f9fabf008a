"""A draft as text: the prompt the model is given and what it writes, in pieces; decides nothing."""

import random
from dataclasses import dataclass

from server.pocket.maker.draft import Draft, Fault, Form, Section
from server.pocket.maker.lexicon import Lexicon, lexicon

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
PREFILL = f" {ANSWER_OPEN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The text of a draft. `sections` are the pieces of the answer; completion joins all."""

    prompt: str
    opening: str
    sections: tuple[str, ...]
    ending: str

    @property
    def completion(self) -> str:
        """All that the model writes, without its end token."""
        return self.opening + "".join(self.sections) + self.ending


def render(draft: Draft) -> Rendered:
    """The draft as prompt and completion. A direct draft's prompt ends in the prefilled tag."""
    words = lexicon(draft.spec.language)
    question = draft.request.history + draft.request.text
    prompt = words.surface["template"].replace("{question}", question)
    direct = draft.spec.form is Form.DIRECT
    return Rendered(
        prompt=prompt + PREFILL if direct else prompt,
        opening=("" if direct else _head(draft, words)) + f"\n# {draft.title}\n",
        sections=tuple(render_section(section) for section in draft.sections),
        ending=ANSWER_CLOSE,
    )


def render_section(section: Section) -> str:
    """A section with its heading, each paragraph after a blank line."""
    joiner = "" if _is_han(section.heading) else " "
    paragraphs = (joiner.join(sentences) for sentences in section.paragraphs)
    return f"\n{section.heading}\n\n" + "\n\n".join(paragraphs) + "\n"


def plan_text(draft: Draft) -> str:
    """The lines of the plan: length, sections, titles with their words, then the notes."""
    words = lexicon(draft.spec.language)
    lines = [_first_line(draft, words), _asked_line(draft, words), _count_line(draft, words)]
    count = draft.outline.count
    for number, title in enumerate(draft.planned, start=1):
        share = draft.outline.closing_words if number == count else draft.outline.section_words
        lines.append(words.form("plan_line", k=number, title=title, n=share, count=count))
    # Near the end of the plan once more: the beginning of a long one is out of the window by then.
    size = draft.outline.section_words
    lines.append(words.form("begin", count=count, title=draft.planned[0], n=size))
    notes = draft.notes
    lines += [line for line in (notes.voice, notes.pace, notes.mood, notes.reminder) if line]
    return "\n".join(lines)


def _head(draft: Draft, words: Lexicon) -> str:
    """Everything up to the title: the thinking and the tags, with what a fault does to them."""
    plan = plan_text(draft)
    if draft.spec.form is Form.CUT:
        plan = _cut(plan, random.Random(f"{draft.spec.seed}/cut"))
    close, answer = f"\n{THINK_CLOSE}", f"\n{ANSWER_OPEN}"
    if draft.spec.form is Form.PLANNED:
        close = "" if draft.spec.fault is Fault.NO_THINK_END else close
        answer = "" if draft.spec.fault is Fault.NO_ANSWER else answer
    return f" {THINK_OPEN}\n{plan}{close}{answer}"


def _cut(plan: str, rng: random.Random) -> str:
    """The plan up to any character, as a reasoning budget cuts it; never inside its first line."""
    return plan[: rng.randint(plan.index("\n"), len(plan))].rstrip("\n")


def _first_line(draft: Draft, words: Lexicon) -> str:
    rng = random.Random(f"{draft.spec.seed}/first line")
    return words.phrase("think_first", rng, topic=draft.request.topic, genre=draft.request.genre)


def _asked_line(draft: Draft, words: Lexicon) -> str:
    figure = _figure(words)
    request, asked = draft.request, figure.format(draft.outline.asked_words)
    if draft.spec.words is None:
        return words.form("asked_default", n=asked)
    if request.low_words is None or request.high_words is None:
        return words.form("asked", n=asked)
    low, high = figure.format(request.low_words), figure.format(request.high_words)
    return words.form("asked_range", low=low, high=high, n=asked)


def _figure(words: Lexicon) -> str:
    return "{:,}" if words.surface["joiner"] else "{}"


def _count_line(draft: Draft, words: Lexicon) -> str:
    return words.form("sections", count=draft.outline.count, n=draft.outline.section_words)


def _is_han(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)
