"""What a writing policy is: it watches an answer grow and may turn it. It must not know engines.

Every policy of a draft sees the same answer text, tags removed, in the same pieces. Positions are
characters from the start of the answer. The draft sends no more than every policy calls safe, so
what a turn takes back was never seen by the client.
"""

from dataclasses import dataclass
from typing import Protocol

# Why a text is turned: what the policies put into ``Turn.why``.
LOOP, EXTEND, PACE = "loop", "extend", "pace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The answer is cut at ``back_to_chars``, ``words`` are appended, and it carries on from there.

    back_to_chars: at least every policy's ``sent``; what lies behind it was never sent.
    words: text that the gateway writes into the answer; it is sent like the model's own.
    why: one of ``rules.CARRY_REASONS``.
    other_sampling: draw the next tokens differently, for the same ones would only come again.
    over: the answer ends there; nothing is carried on.
    """

    why: str
    back_to_chars: int
    words: str = ""
    other_sampling: bool = False
    over: bool = False


class Policy(Protocol):
    """One policy of one draft. Cost per ``feed`` is linear in the piece, whatever came before."""

    def feed(self, text: str) -> None:
        """The answer has grown by ``text``: the model's words, or those of a turn."""
        ...

    @property
    def safe_chars(self) -> int:
        """How much of the answer this policy will never take back; it never falls."""
        ...

    @property
    def turn(self) -> Turn | None:
        """The turn that is due now; the engine's stream is closed and the turn is taken."""
        ...

    def ended(self) -> Turn | None:
        """The model has ended the answer here: how it goes on all the same, or None to let it.

        None makes all of the answer safe.
        """
        ...

    def rewind(self, chars: int) -> None:
        """The answer was cut to its first ``chars`` characters, by this policy's turn or another's.

        The words of the turn arrive through ``feed`` afterwards.
        """
        ...
