"""A plan as the JSON object of ``POST /v1/plan`` and ``longhand plan``. It plans nothing."""

from typing import Any

from planner.plan import Plan


def plan_object(plan: Plan, *, template: str, window_tokens: int) -> dict[str, Any]:
    """What would be done for a request; docs/length.md says what each field means."""
    asked, budget = plan.asked, plan.budget
    return {
        "words": asked.range and list(asked.range),
        "source": asked.source,
        "language": plan.language,
        "template": template,
        "budgets": {
            "window_tokens": window_tokens,
            "prompt_tokens": budget.prompt_tokens,
            "reasoning_tokens": budget.reasoning_tokens,
            "answer_tokens": budget.answer_tokens,
            "max_tokens": budget.total_tokens,
        },
        "control": plan.control,
        "loop_guard": plan.loop_guard,
        "windows": plan.windows,
    }
