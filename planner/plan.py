"""From a brief to a plan: the prompt, the asked length, the budget. It must not ask a model."""

from dataclasses import dataclass, replace

from planner import budget as budgets
from planner.brief import Brief, LengthControl, Message
from planner.budget import Budget, split_window
from planner.length import NOTHING, Asked, from_field, read_conversation
from planner.prompts import Prompted
from planner.words import Language, language_of

DEFAULT_CONTROL: LengthControl = "pace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be sent to an engine: the prompt, what its answer begins with, the budget.

    asked: the length that is wanted, and who says so. control: how the answer is held to it.
    language: of the answer. loop_guard: whether loops are repaired.
    """

    prompted: Prompted
    thinking: bool
    budget: Budget
    asked: Asked = NOTHING
    control: LengthControl = "off"
    language: Language = "en"
    loop_guard: bool = True

    @property
    def windows(self) -> int:
        """How many context windows the draft takes."""
        return self.budget.windows


def asked_of(brief: Brief) -> Asked:
    """The length that a request states, by field or else in its user's messages."""
    if brief.words is not None:
        return from_field(brief.words)
    return read_conversation([m.content for m in brief.messages if m.role == "user"])


def request_language(brief: Brief) -> Language:
    """The language the answer will be in, by the last message."""
    return language_of(brief.messages[-1].content)


def worded(brief: Brief, asked: Asked) -> tuple[Message, ...]:
    """The messages, with a sentence for a length that only a field states.

    The model plans its text from what it reads; held to a length that it was never told, it would
    be cut short or stretched.
    """
    last = brief.messages[-1]
    if asked.source != "field" or _says(last.content, asked):
        return brief.messages
    low, high = asked.low_words, asked.high_words
    told = {
        "zh": f"（全文{low}至{high}字）",
        "en": f"(Length: {low} to {high} words.)",
        "other": f"(Length: {low} to {high} words.)",
    }[language_of(last.content)]
    return (*brief.messages[:-1], replace(last, content=f"{last.content}\n\n{told}"))


def _says(text: str, asked: Asked) -> bool:
    read = read_conversation([text])
    return (read.low_words, read.high_words) == (asked.low_words, asked.high_words)


def control_of(brief: Brief, asked: Asked) -> LengthControl:
    """How the answer is held to its length: as wished; without a length there is nothing to."""
    if asked.high_words is None:
        return "off"
    return brief.length_control or DEFAULT_CONTROL


def make_plan(
    brief: Brief,
    prompted: Prompted,
    *,
    window_tokens: int,
    prompt_tokens: int,
    asked: Asked = NOTHING,
    per_word: float | None = None,
) -> Plan:
    """The plan for a brief whose prompt (prefill included) takes ``prompt_tokens``.

    per_word: tokens a word of the answer takes; by default what holds for its language.

    Raises:
        DoesNotFit: the prompt leaves no room in the window, or none to carry a long answer on.
    """
    language = request_language(brief)
    control = control_of(brief, asked)
    budget = split_window(
        window_tokens=window_tokens,
        prompt_tokens=prompt_tokens,
        max_tokens=brief.max_tokens,
        reasoning_tokens=_most_reasoning_tokens(brief, asked),
    )
    if asked.high_words is not None:
        rate = per_word or budgets.DEFAULT_TOKENS_PER_WORD[language]
        wanted_tokens = budgets.answer_tokens(words=asked.high_words, per_word=rate)
        if control == "pace":
            budget = budgets.spread(
                budget,
                window_tokens=window_tokens,
                answer_tokens=wanted_tokens,
                max_tokens=brief.max_tokens,
            )
        else:
            # Nothing carries an answer over the end of its window.
            budget = replace(budget, answer_tokens=wanted_tokens)
    return Plan(
        prompted=prompted,
        thinking=brief.thinking,
        budget=budget,
        asked=asked,
        control=control,
        language=language,
        loop_guard=brief.loop_guard,
    )


def _most_reasoning_tokens(brief: Brief, asked: Asked) -> int | None:
    """As wished; else by the asked length; None for the share of the window alone."""
    if not brief.thinking:
        return 0
    if brief.reasoning_tokens is not None or asked.high_words is None:
        return brief.reasoning_tokens
    return budgets.most_reasoning_tokens(asked.high_words)
