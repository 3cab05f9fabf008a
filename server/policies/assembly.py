"""Which policies watch over an answer. It must not know how any of them works."""

from collections.abc import Callable, Sequence

from planner.brief import LengthControl
from planner.length import Asked
from planner.plan_text import read_outline
from server.policies.extend import Extend
from server.policies.loop_guard import LoopGuard
from server.policies.pace import Pace
from server.policies.policy import Policy


def policies_for(
    *, control: LengthControl, asked: Asked, loop_guard: bool
) -> Callable[[str], Sequence[Policy]]:
    """Given the text before an answer, its thinking, makes the policies of one draft.

    Without an asked length there is nothing to control; loops are guarded against all the same.
    """

    def made(thinking: str) -> Sequence[Policy]:
        policies: list[Policy] = [LoopGuard()] if loop_guard else []
        if asked.range is None:
            return policies
        low_words, high_words = asked.range
        if control == "pace":
            outline = read_outline(thinking, low_words, high_words)
            policies.append(Pace(outline=outline, low_words=low_words, high_words=high_words))
        elif control == "extend":
            policies.append(Extend(low_words=low_words))
        return policies

    return made
