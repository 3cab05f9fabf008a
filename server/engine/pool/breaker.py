"""When a replica that fails is left alone, and for how long. Pure: times are given, no I/O.

States: CLOSED takes everything; OPEN takes nothing for a pause; HALF_OPEN takes one stream, whose
first text closes the breaker and whose failure opens it for twice as long.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How much a replica is trusted with."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(slots=True, kw_only=True)
class Breaker:
    """The breaker of one replica.

    max_failures: streams that may fail one after the other, with no text between, before it opens.
    first_pause_s, longest_pause_s: bounds of a pause, which doubles each time.
    """

    max_failures: int = 3
    first_pause_s: float = 1.0
    longest_pause_s: float = 30.0
    failures: int = 0
    openings: int = 0
    open_until_s: float | None = None
    _trying: bool = False

    def state(self, now_s: float) -> State:
        if self.open_until_s is None:
            return State.CLOSED
        return State.OPEN if now_s < self.open_until_s else State.HALF_OPEN

    def admits(self, now_s: float) -> bool:
        """Whether one more stream may begin."""
        state = self.state(now_s)
        return state is State.CLOSED or (state is State.HALF_OPEN and not self._trying)

    def began(self, now_s: float) -> None:
        """A stream begins; in a half-open breaker it is the one that tries."""
        self._trying = self.state(now_s) is State.HALF_OPEN

    def left(self) -> None:
        """A stream was closed by its reader before it showed anything."""
        self._trying = False

    def succeeded(self) -> None:
        """Text came."""
        self.failures = self.openings = 0
        self.open_until_s, self._trying = None, False

    def failed(self, now_s: float) -> None:
        """A stream failed.

        Worked number: pauses of 1 to 30 s: 1, 2, 4, 8, 16, 30, 30.
        """
        self.failures += 1
        state = self.state(now_s)
        if state is State.OPEN or (state is State.CLOSED and self.failures < self.max_failures):
            # While it is open: one of the streams that had begun before.
            return
        pause_s = min(self.longest_pause_s, self.first_pause_s * 2**self.openings)
        self.open_until_s, self._trying = now_s + pause_s, False
        self.openings += 1
