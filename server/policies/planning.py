"""What is wanted of a thinking, as a value. It must not look into one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from planner.outline import Outline
from server.policies.policy import Policy


def no_guard() -> Sequence[Policy]:
    """The thinking is sent as it comes."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What is wanted of the thinking.

    guard: makes what watches over it; its turns say where it is cut, their words are not used.
    outline_of: the outline that a thinking holds. is_needed: whether the answer is to follow one.
    cue: what is put into a thinking without an outline to be given one, "" for nothing.
    outline_tokens: how many more the thinking may then have.
    """

    guard: Callable[[], Sequence[Policy]] = no_guard
    outline_of: Callable[[str], Outline | None] = lambda _thinking: None
    is_needed: bool = False
    cue: str = ""
    outline_tokens: int = 0
