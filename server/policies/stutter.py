"""A short stretch that comes again and again inside one line ("ha ha ha"); it knows no units.

It looks every 64 characters, so that it costs next to nothing per character, and never says
anything else for the same text in other pieces.
"""

import re

from server.policies.likeness import common_chars

GRID_CHARS = 64
_PROBE_CHARS = 16
MAX_PERIOD_CHARS = 100
# Held back once it was the same for so long, and for two periods more than the first.
_HELD_CHARS = 32
# A loop: 80 times "ha ", 12 times a clause. Laughter, screams and rows of a form end before.
_LOOP_CHARS, _LOOP_PERIODS = 240, 12
# Rules, dot leaders, empty cells and white space: long ones are at home in tables and forms.
LOOP_CHARS_WITHOUT_WORDS = 1_200
_LETTER = re.compile(r"[^\W\d_]")


class Stutter:
    """The stutter of one line. ``follow`` takes the whole line each time it has grown."""

    __slots__ = ("_loop_at", "_period", "_seen", "confirmed", "held_from", "wake_chars")

    def __init__(self) -> None:
        self.held_from = -1
        self.confirmed = False
        self.wake_chars = GRID_CHARS
        self._seen = self._period = self._loop_at = 0

    def follow(self, line: str) -> None:
        """Reads on; needed only once the line has ``wake_chars`` characters."""
        while not self.confirmed and self._seen < len(line):
            if self.held_from >= 0:
                self._go_on(line)
            elif len(line) >= self.wake_chars:
                self._seen = self.wake_chars
                self.wake_chars += GRID_CHARS
                self._probe(line[: self._seen])
            else:
                return

    def cut_chars(self, line: str) -> int:
        """Where to cut: at the first white space of the held stretch's first period, if any."""
        held = line[self.held_from : self.held_from + self._period]
        space = next((at for at, letter in enumerate(held) if letter.isspace()), 0)
        return self.held_from + space

    def _probe(self, line: str) -> None:
        """Looks whether the end of the line has come before, and how regularly."""
        size = len(line)
        lowest = max(0, size - _PROBE_CHARS - MAX_PERIOD_CHARS)
        found = line.rfind(line[-_PROBE_CHARS:], lowest, size - 1)
        period = size - _PROBE_CHARS - found
        same = max(_HELD_CHARS, 2 * period)
        if found < 0 or size < same + period or line[-same:] != line[-same - period : -period]:
            return
        self.held_from, self._period = size, period
        self._loop_at = size - same - period + self._loop_chars(line[-period:])
        self.wake_chars = 0

    def _go_on(self, line: str) -> None:
        """Compares what is new with what came a period before, up to where it is a loop."""
        end = min(len(line), self._loop_at)
        new = line[self._seen : end]
        same = common_chars(new, line[self._seen - self._period : end - self._period])
        self._seen += same
        if self._seen == self._loop_at:
            self.confirmed = True
        elif same < len(new):
            self.held_from = -1
            self.wake_chars = (self._seen // GRID_CHARS + 1) * GRID_CHARS

    def _loop_chars(self, period: str) -> int:
        if "|" in period or not _LETTER.search(period):
            return LOOP_CHARS_WITHOUT_WORDS
        return max(_LOOP_CHARS, _LOOP_PERIODS * len(period))
