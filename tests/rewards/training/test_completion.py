"""Completions with their tags as drafts."""

from typing import Any

import pytest

from rewards.base import Asked, Draft
from rewards.training.completion import asked_of, closed, draft_of

WHOLE = " <think>\nplan\n</think>\n<answer>\nwork\n</answer>"


def test_a_whole_completion_is_thinking_and_answer() -> None:
    asked = Asked(low_words=1, high_words=5)
    assert draft_of("Write.", WHOLE, asked=asked) == Draft(
        prompt="Write.", reasoning="plan", answer="work", raw=WHOLE, ended=True, asked=asked
    )


@pytest.mark.parametrize(
    ("completion", "reasoning", "answer", "ended"),
    [
        ("<think>plan</think><answer>wo", "plan", "wo", False),
        ("<think>plan</think>work", "plan", "work", True),
        ("<think>plan <answer>work</answer>", "plan", "work", True),
        ("<think>plan without end", "plan without end", "", True),
        ("plan</think>work", "plan", "work", True),
        ("just work", "", "just work", True),
        ("work</answer> and more", "", "work", True),
        ("", "", "", True),
    ],
)
def test_faulty_tags_are_read_as_far_as_they_go(
    completion: str, reasoning: str, answer: str, ended: bool
) -> None:
    draft = draft_of("Write.", completion)
    assert (draft.reasoning, draft.answer, draft.ended) == (reasoning, answer, ended)


def test_a_prompt_that_opens_the_answer_asked_for_no_thinking() -> None:
    assert draft_of("Write: <answer>", "work</answer>").thinking is False
    assert draft_of("Write:", "work").thinking is True


def test_the_task_stands_for_a_filled_template() -> None:
    assert draft_of("<|user|>: Write. <|assistant|>:", WHOLE, task="Write.").prompt == "Write."


def test_messages_are_read_by_their_roles() -> None:
    prompt = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Write."},
    ]
    reply: list[dict[str, Any]] = [{"role": "assistant", "content": WHOLE}]
    draft = draft_of(prompt, reply)
    assert (draft.prompt, draft.answer, draft.raw) == ("Write.", "work", WHOLE)


def test_reasoning_in_its_own_field_is_reasoning() -> None:
    reply = [{"role": "assistant", "content": "work", "reasoning_content": "plan"}]
    draft = draft_of([{"role": "user", "content": "Write."}], reply)
    assert (draft.reasoning, draft.answer, draft.raw) == ("plan", "work", None)


def test_messages_without_text_are_empty() -> None:
    assert draft_of([], [{"role": "assistant", "content": None}]).answer == ""


def test_a_closed_tag_is_seen_in_text_and_in_messages() -> None:
    assert closed("work</answer>")
    assert not closed([{"role": "assistant", "content": "work"}])


def test_an_asked_length_is_read_from_a_row() -> None:
    assert asked_of({"low_words": 10, "high_words": 20}) == Asked(low_words=10, high_words=20)
    row = {"low_words": 10, "high_words": 20, "max_words": 30}
    assert asked_of(row) == Asked(low_words=10, high_words=20, max_words=30)
    assert asked_of({"low_words": 10}) is None
    assert asked_of({"low_words": None, "high_words": None}) is None
    with pytest.raises(ValueError, match="no range"):
        asked_of({"low_words": 20, "high_words": 10})
