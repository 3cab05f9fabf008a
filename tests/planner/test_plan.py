"""From a brief to a plan."""

from typing import Any

import pytest

from planner.brief import Brief, Message
from planner.budget import Budget, DoesNotFit
from planner.length import NOTHING, Asked
from planner.plan import Plan, asked_of, make_plan, worded
from planner.prompts import Prompted

ASKED = (Message(role="user", content="Write."),)
PROMPTED = Prompted(text="prompt", prefill="")


def test_a_plan_has_the_prompt_and_its_budget() -> None:
    brief = Brief(messages=ASKED, max_tokens=60, reasoning_tokens=20)
    assert make_plan(brief, PROMPTED, window_tokens=100, prompt_tokens=10) == Plan(
        prompted=PROMPTED,
        thinking=True,
        budget=Budget(prompt_tokens=10, max_tokens=60, reasoning_tokens=20),
    )


def test_without_thinking_no_token_is_kept_for_it() -> None:
    brief = Brief(messages=ASKED, thinking=False, reasoning_tokens=20)
    plan = make_plan(brief, PROMPTED, window_tokens=100, prompt_tokens=10)
    assert plan.budget == Budget(prompt_tokens=10, max_tokens=90, reasoning_tokens=0)
    assert plan.thinking is False


def test_a_plan_needs_room_for_one_token() -> None:
    with pytest.raises(DoesNotFit):
        make_plan(Brief(messages=ASKED), PROMPTED, window_tokens=10, prompt_tokens=10)


# The asked length.

TWO_THOUSAND = Asked(low_words=1_800, high_words=2_200, source="prompt")


def planned(text: str, *, window_tokens: int = 32_768, **given: Any) -> Plan:
    brief = Brief(messages=(Message(role="user", content=text),), **given)
    return make_plan(
        brief,
        PROMPTED,
        window_tokens=window_tokens,
        prompt_tokens=10,
        asked=asked_of(brief),
        per_word=None,
    )


def test_a_length_that_is_known_is_paced_unless_wished_otherwise() -> None:
    plan = planned("Write 2,000 words on tea.")
    assert (plan.asked, plan.control, plan.language) == (TWO_THOUSAND, "pace", "en")
    assert plan.budget.answer_tokens == 3_080
    assert planned("Write 2,000 words on tea.", length_control="extend").control == "extend"
    assert planned("Write 2,000 words on tea.", length_control="off").control == "off"


def test_without_a_length_there_is_nothing_to_control() -> None:
    plan = planned("Write on tea.", length_control="pace")
    assert (plan.asked, plan.control, plan.budget.answer_tokens) == (NOTHING, "off", None)


def test_only_a_paced_answer_is_carried_over_several_windows() -> None:
    assert planned("写一部十万字的小说").windows == 4
    assert planned("写一部十万字的小说", length_control="extend").windows == 1
    assert planned("写一部十万字的小说", length_control="off").budget.answer_tokens == 82_500


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("Write on tea.", 2_000, "Write on tea.\n\n(Length: 1800 to 2200 words.)"),
        ("写茶", (800, 1_000), "写茶\n\n（全文800至1000字）"),
        (
            "Напиши о чае, пожалуйста",
            2_000,
            "Напиши о чае, пожалуйста\n\n(Length: 1800 to 2200 words.)",
        ),
        ("Write 2,000 words on tea.", 2_000, "Write 2,000 words on tea."),
        ("Write 2,000 words on tea.", None, "Write 2,000 words on tea."),
    ],
)
def test_the_model_is_told_a_length_that_only_a_field_states(
    text: str, words: Any, told: str
) -> None:
    brief = Brief(messages=(Message(role="user", content=text),), words=words)
    assert worded(brief, asked_of(brief))[-1].content == told


def test_a_field_wins_over_the_prompt() -> None:
    assert planned("Write 2,000 words on tea.", words=500).asked == Asked(
        low_words=450, high_words=550, source="field"
    )


@pytest.mark.parametrize(
    ("text", "given", "tokens"),
    [
        ("Write 2,000 words on mills.", {}, 4_220),
        ("Write 100,000 words on mills.", {}, 15_000),
        ("Write about mills.", {}, 16_379),
        ("Write 2,000 words on mills.", {"reasoning_tokens": 900}, 900),
        ("Write 2,000 words on mills.", {"thinking": False}, 0),
    ],
)
def test_thinking_is_bounded_by_the_wish_else_by_the_asked_length_else_by_the_window(
    text: str, given: dict[str, Any], tokens: int
) -> None:
    assert planned(text, **given).budget.reasoning_tokens == tokens
