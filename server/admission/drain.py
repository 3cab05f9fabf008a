"""How fast claims are given back, measured, and what that means for who is refused. Pure: the time
is passed in."""

import math
from collections import deque
from dataclasses import dataclass, field

# Drafts take minutes: a shorter window would be empty now and then.
_WINDOW_S = 300.0
# One draft given back in the first moments says nothing of a rate.
_LEAST_S = 5.0
# openai-python does as it is told up to a minute, and comes by its own clock beyond that
# (openai/_base_client.py, 2.x).
MOST_RETRY_S = 60


@dataclass(slots=True)
class Drain:
    """Tokens of claims given back a second, over the last five minutes of work without a break."""

    _since_s: float | None = None
    _given_back: deque[tuple[float, int]] = field(default_factory=deque)
    _latest_rate: float | None = None

    def begin(self, now_s: float) -> None:
        """There is work again: the time without is not counted, what was measured holds on."""
        self._since_s = now_s
        self._given_back.clear()

    def give_back(self, tokens: int, now_s: float) -> None:
        self._given_back.append((now_s, tokens))
        self._latest_rate = self.rate(now_s)

    def rate(self, now_s: float) -> float | None:
        """Tokens a second; None while nothing was measured.

        Worked number: 6,000 tokens given back in the 120 s since work began: 50 a second.
        """
        while self._given_back and self._given_back[0][0] <= now_s - _WINDOW_S:
            self._given_back.popleft()
        if self._since_s is None or not self._given_back:
            return self._latest_rate
        span_s = max(_LEAST_S, min(now_s - self._since_s, _WINDOW_S))
        return sum(tokens for _, tokens in self._given_back) / span_s


def retry_after_s(ahead_tokens: float, rate: float | None, *, unknown_s: int) -> int:
    """When it is worth coming again: once ``ahead_tokens`` were given back, within 1 to 60 s.

    unknown_s: the advice while there is no rate.
    Worked number: 1,200 tokens ahead at 50 a second: 24.
    """
    if not rate:
        return unknown_s
    return max(1, math.ceil(min(ahead_tokens / rate, MOST_RETRY_S)))
