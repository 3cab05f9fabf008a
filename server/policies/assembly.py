"""Which policies watch over thinking and answer. It must not know how any of them works."""

from collections.abc import Callable, Sequence

from planner.brief import LengthControl
from planner.budget import outline_tokens
from planner.length import Asked
from planner.outline import Outline
from planner.outline_request import CUES, LEAST_WORDS
from planner.plan_text import read_outline
from planner.words import Language
from server.policies.extend import Extend
from server.policies.loop_guard import LoopGuard
from server.policies.pace import Pace
from server.policies.planning import Planning, no_guard
from server.policies.policy import Policy

# A model that has gone round so often in its thinking, and has no plan, is to begin.
_MAX_THINKING_TURNS = 2
# A plan that goes round does so after many lines: it is read with a longer memory than prose.
_LONGEST_PLAN_LINES = 120


def policies_for(
    *, control: LengthControl, asked: Asked, loop_guard: bool, outline: Outline | None = None
) -> Callable[[str], Sequence[Policy]]:
    """Given the text before an answer, its thinking, makes the policies of one draft.

    Without an asked length there is nothing to control; loops are guarded against all the same.
    outline: what the answer follows where its thinking holds none.
    """

    def made(thinking: str) -> Sequence[Policy]:
        policies: list[Policy] = [LoopGuard()] if loop_guard else []
        if asked.range is None:
            return policies
        low_words, high_words = asked.range
        if control == "pace":
            followed = read_outline(thinking, low_words, high_words) or outline
            policies.append(Pace(outline=followed, low_words=low_words, high_words=high_words))
        elif control == "extend":
            policies.append(Extend(low_words=low_words))
        return policies

    return made


def wants_outline(control: LengthControl, asked: Asked) -> bool:
    """Whether an outline is worth asking for: the answer is paced, and long enough."""
    if control != "pace" or asked.range is None:
        return False
    return sum(asked.range) >= 2 * LEAST_WORDS


def planning_for(
    *,
    control: LengthControl,
    asked: Asked,
    loop_guard: bool,
    language: Language,
    asks_outline: bool,
) -> Planning:
    """What is wanted of the thinking of one draft.

    asks_outline: whether a thinking that names no sections is asked for them, where the answer is
    to be paced and long enough to have some.
    """
    guard = _guard if loop_guard else no_guard
    if control != "pace" or asked.range is None:
        return Planning(guard=guard)
    low_words, high_words = asked.range
    asks = asks_outline and wants_outline(control, asked)
    return Planning(
        guard=guard,
        outline_of=lambda thinking: read_outline(thinking, low_words, high_words),
        is_needed=True,
        cue=CUES[language] if asks else "",
        outline_tokens=outline_tokens(high_words),
    )


def _guard() -> Sequence[Policy]:
    return (LoopGuard(max_turns=_MAX_THINKING_TURNS, max_period=_LONGEST_PLAN_LINES),)
