"""A completion as a trainer has it, tags and all, to a draft; it must not judge one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.base import Asked, Draft

_THINK_CLOSE, _ANSWER_OPEN, _ANSWER_CLOSE = "</think>", "<answer>", "</answer>"
_THINK_OPEN = re.compile(r"\s*<think>")
_LIMITS = ("low_words", "high_words")
Turn = Mapping[str, Any]


def draft_of(
    prompt: str | Sequence[Turn],
    completion: str | Sequence[Turn],
    *,
    asked: Asked | None = None,
    task: str | None = None,
) -> Draft:
    """The draft that a completion is: thinking and answer apart.

    prompt, completion: text, or messages. task: what the user asked, where ``prompt`` is a filled
    template. The model ended it itself if ``</answer>`` is there, or if there is no ``<answer>``
    at all. A prompt that ends in ``<answer>`` asked for no thinking.

    " <think>plan</think> <answer>work</answer>" -> reasoning "plan", answer "work", ended.
    """
    asked_text = prompt if isinstance(prompt, str) else _last(prompt, "user")
    told = "" if isinstance(completion, str) else _reasoning(completion)
    text = _text(completion)
    reasoning, answer = _apart(text)
    return Draft(
        prompt=asked_text if task is None else task,
        reasoning=told or reasoning,
        answer=answer,
        raw=None if told else text,
        ended=closed(completion) or _ANSWER_OPEN not in text,
        thinking=not asked_text.rstrip().endswith(_ANSWER_OPEN),
        asked=asked,
    )


def closed(completion: str | Sequence[Turn]) -> bool:
    """Whether the answer's tag was closed."""
    return _ANSWER_CLOSE in _text(completion)


def asked_of(facts: Mapping[str, Any]) -> Asked | None:
    """The asked length in a data set's row: ``low_words``, ``high_words`` and, if wanted,
    ``max_words``; None where it has no such range.

    Raises:
        ValueError: a range that is none.
    """
    low, high = (facts.get(name) for name in _LIMITS)
    if low is None or high is None:
        return None
    most = facts.get("max_words")
    return Asked(
        low_words=int(low), high_words=int(high), max_words=None if most is None else int(most)
    )


def _apart(text: str) -> tuple[str, str]:
    """Thinking and answer. Without ``<answer>`` the answer is what follows the thinking; thinking
    that never closes leaves none."""
    head, opened, tail = text.partition(_ANSWER_OPEN)
    thinking = _THINK_OPEN.match(text)
    if opened:
        return _thought(head), tail.partition(_ANSWER_CLOSE)[0].strip()
    head, closed, tail = text.partition(_THINK_CLOSE)
    if closed:
        return _thought(head), tail.partition(_ANSWER_CLOSE)[0].strip()
    if thinking:
        return _thought(text), ""
    return "", text.partition(_ANSWER_CLOSE)[0].strip()


def _thought(text: str) -> str:
    return _THINK_OPEN.sub("", text, count=1).partition(_THINK_CLOSE)[0].strip()


def _text(completion: str | Sequence[Turn]) -> str:
    return completion if isinstance(completion, str) else _last(completion, "assistant")


def _last(messages: Sequence[Turn], role: str) -> str:
    said = [message for message in messages if message.get("role") == role]
    content = said[-1].get("content") if said else None
    return content if isinstance(content, str) else ""


def _reasoning(messages: Sequence[Turn]) -> str:
    said = [message.get("reasoning_content") for message in messages]
    return "\n".join(part for part in said if isinstance(part, str))
