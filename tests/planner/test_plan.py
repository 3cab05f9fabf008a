"""From a brief to a plan."""

import pytest

from planner.brief import Brief, Message
from planner.budget import Budget, DoesNotFit
from planner.plan import Plan, make_plan
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
