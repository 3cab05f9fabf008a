"""How long to wait before the next try, and when to give up. No I/O, no clock of its own."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

# A restarted server loads its model for minutes; ten are enough for that.
GIVE_UP_S = 600.0


@dataclass(slots=True, kw_only=True)
class Patience:
    """Growing pauses between tries, each drawn from its upper half so that the clients of a server
    that came back do not all call at once. All times in seconds.

    give_up_s: after so long without news there is no further try.
    """

    give_up_s: float = GIVE_UP_S
    first_s: float = 0.5
    most_s: float = 10.0
    draw: Callable[[], float] = field(default=random.random)
    _tries: int = 0
    _since: float | None = None

    def news(self) -> None:
        """Something came: whatever was wrong before is over."""
        self._tries, self._since = 0, None

    def wait_s(self, now_s: float, advised_s: float | None = None) -> float | None:
        """The pause before the next try; None: give up. A server's own advice is obeyed as far as
        the patience reaches.

        Worked number: the third try in a row, 0.5 drawn: 0.5 s · 2² = 2 s, of which 0.75 = 1.5 s.
        """
        if self._since is None:
            self._since = now_s
        left_s = self.give_up_s - (now_s - self._since)
        if left_s <= 0:
            return None
        # The exponent is bounded only to keep the number small.
        pause_s = min(self.most_s, self.first_s * 2.0 ** min(self._tries, 16))
        self._tries += 1
        pause_s *= 0.5 + 0.5 * self.draw()
        return min(left_s, max(pause_s, advised_s or 0.0))


def advised_s(header: str | None, now_s: float) -> float | None:
    """A ``Retry-After`` header in seconds: a number or a date (RFC 9110, section 10.2.3).

    now_s: seconds since 1970.
    """
    if header is None:
        return None
    if re.fullmatch("[0-9]{1,9}", header.strip()):
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now_s)
    except ValueError:
        return None
