"""Finds stop strings in a text that arrives in pieces. It must hold back no more than it has to."""

from collections.abc import Sequence
from dataclasses import dataclass


def partial_suffix(text: str, marks: Sequence[str]) -> int:
    """Length of the longest end of ``text`` that could be the start of one of ``marks``.

    Worked number: ``partial_suffix("it ends </ans", ["</answer>"])`` = 5.
    """
    longest = max(map(len, marks), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        tail = text[-length:]
        if any(mark.startswith(tail) for mark in marks if len(mark) > length):
            return length
    return 0


@dataclass(slots=True)
class StopFinder:
    """Cuts a text at the first of ``stops``; the stop itself is not part of the text.

    First is what is complete first, as in an engine that looks after each token, so that the
    result does not depend on how the text is cut up; of several complete at once, the longest.
    OpenAI's rule: at most four stop strings, the returned text does not contain them.
    """

    stops: tuple[str, ...]
    hit: str | None = None
    _held: str = ""

    def feed(self, text: str) -> str:
        """The part of the text so far that is safe to send; "" for ever once a stop was hit."""
        if self.hit is not None:
            return ""
        text = self._held + text
        starts = [(text.find(stop), stop) for stop in self.stops if stop in text]
        if starts:
            _, at, self.hit = min((start + len(stop), start, stop) for start, stop in starts)
            self._held = ""
            return text[:at]
        keep = partial_suffix(text, self.stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """What was held back as a possible start of a stop, now that nothing follows."""
        held, self._held = self._held, ""
        return held
