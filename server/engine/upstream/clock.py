"""How long one stream may still be silent. It must not wait."""

from dataclasses import dataclass, field
from time import monotonic

from server.engine.upstream.access import Patience
from server.engine.upstream.faults import STALLED, Broken


@dataclass(slots=True)
class Clock:
    """The time of one stream. is_writing: whether its first token has come."""

    patience: Patience
    is_writing: bool = False
    _began_s: float = field(init=False)
    _last_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = self._last_s = monotonic()

    def heard(self) -> None:
        self.is_writing, self._last_s = True, monotonic()

    def left_s(self) -> float:
        """Until the next token at the latest.

        Raises:
            Broken: the whole stream takes too long.
        """
        patience, now_s = self.patience, monotonic()
        silence_s = patience.idle_s if self.is_writing else patience.first_token_s
        left_s = self._last_s + silence_s - now_s
        if not patience.total_s:
            return left_s
        total_left_s = self._began_s + patience.total_s - now_s
        if total_left_s <= 0:
            raise Broken(f"did not end its text within {patience.total_s:g} s", code=STALLED)
        return min(left_s, total_left_s)
