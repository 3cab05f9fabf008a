"""What a draft keeps to, and the ways in which it goes on, as values. It must not decide."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from planner.length import NOTHING, Asked
from planner.outline import Outline
from planner.plan import Plan
from server.marks import ANSWER_END
from server.policies.assembly import planning_for, policies_for
from server.policies.planning import Planning
from server.policies.policy import EXTEND, LOOP, PACE, Policy

# LongWriter-Zero's own stops (model card), the Chinese role marker beside the English one. Four is
# all that vLLM takes (VLLM_MAX_STOP_STRINGS). `</answer>` inside the thinking ends the engine's
# stream too; `step` then simply carries on, so it is armed only once the answer has begun.
ENGINE_STOPS = (ANSWER_END, "<|user|>", "<|用户|>", "<|endoftext|>")

REASONING_BUDGET = "reasoning_budget"
NO_ANSWER = "no_answer"
STOP_IN_REASONING = "stop_in_reasoning"
WINDOW = "window"
# The thinking went round; it was asked for an outline; that took its tokens and was closed.
THINKING_LOOP, OUTLINE, OUTLINE_END = "thinking_loop", "outline", "outline_end"
CARRY_REASONS = (
    *(REASONING_BUDGET, NO_ANSWER, STOP_IN_REASONING, THINKING_LOOP, OUTLINE, OUTLINE_END),
    *(LOOP, EXTEND, PACE, WINDOW),
)

MakePolicies = Callable[[str], Sequence[Policy]]


def no_policies(_thinking: str) -> Sequence[Policy]:
    """The answer is sent as it comes."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one draft is to be written. Token counts bound what the engine generates.

    reasoning_tokens: when they are used up, a tag that is just being written is waited for.
    policies: given the text before the answer, its thinking, makes what watches over the answer.
    planning: what is wanted of the thinking.
    asked: the length that is wanted, for the report.
    paged: whether a draft that fills the engine's window goes on in a new one.
    """

    max_tokens: int
    reasoning_tokens: int
    thinking: bool
    stops: tuple[str, ...] = ()
    raw: bool = False
    policies: MakePolicies = no_policies
    planning: Planning = Planning()
    asked: Asked = NOTHING
    paged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """Carry on from the log once ``rest`` and ``words`` were appended; ``why`` is a CARRY_REASON.

    rest: text that is on the page already, its tokens to be found anew.
    other_sampling: how often the draft has now asked to draw otherwise than before; 0 as ordered.
    """

    why: str
    words: str
    rest: str = ""
    other_sampling: int = 0


def rules_of(
    plan: Plan, stops: Sequence[str], *, outline: Outline | None, asks_outline: bool
) -> Rules:
    """What a plan says, as a draft keeps to it; only a paced draft outgrows its window.

    outline: what was asked for beforehand. asks_outline: whether a thinking is asked for one.
    """
    return Rules(
        max_tokens=plan.budget.total_tokens,
        reasoning_tokens=plan.budget.reasoning_tokens,
        thinking=plan.thinking,
        stops=tuple(stops),
        policies=policies_for(
            control=plan.control, asked=plan.asked, loop_guard=plan.loop_guard, outline=outline
        ),
        planning=planning_for(
            control=plan.control,
            asked=plan.asked,
            loop_guard=plan.loop_guard,
            language=plan.language,
            asks_outline=asks_outline,
        ),
        asked=plan.asked,
        paged=plan.control == "pace",
    )
