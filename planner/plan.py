"""From a brief to a plan: the prompt and its budget. It must not ask a model anything."""

from dataclasses import dataclass

from planner.brief import Brief
from planner.budget import Budget, split_window
from planner.prompts import Prompted


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be sent to an engine: the prompt, what its answer begins with, the budget."""

    prompted: Prompted
    thinking: bool
    budget: Budget


def make_plan(brief: Brief, prompted: Prompted, *, window_tokens: int, prompt_tokens: int) -> Plan:
    """The plan for a brief whose prompt (prefill included) takes ``prompt_tokens``.

    Raises:
        DoesNotFit: the prompt leaves no room in the window.
    """
    budget = split_window(
        window_tokens=window_tokens,
        prompt_tokens=prompt_tokens,
        max_tokens=brief.max_tokens,
        reasoning_tokens=brief.reasoning_tokens if brief.thinking else 0,
    )
    return Plan(prompted=prompted, thinking=brief.thinking, budget=budget)
