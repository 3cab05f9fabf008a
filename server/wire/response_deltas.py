"""Text cut into deltas by a rule that looks at the text alone. It knows neither events nor readers.

Engines, stores and replays bring one and the same text in different pieces. Since a delta ends
where the text says so, the n-th delta of a text is the same whoever tells it, whenever, and its
number can be counted.
"""

import re
from dataclasses import dataclass
from typing import Final

# Shorter deltas are more bytes on the wire, longer ones come later: a delta waits for its end. At
# 8 most English words are one delta, as they are mostly one token; Chinese waits for some 5 tokens.
LONGEST_CHARS: Final = 8

_DELTA = re.compile(r"\s*\S*")


@dataclass(slots=True)
class Cutter:
    """Cuts one text as it grows: in front of a white space behind a word, and anyway after
    ``LONGEST_CHARS`` characters.

    Worked example: ``"Once upon"`` and then ``" a midsummer"`` give ``"Once"``, then ``" upon"``,
    ``" a"``, ``" midsumm"``, and ``"er"`` at the end.
    """

    _held: str = ""

    def add(self, text: str) -> list[str]:
        """The deltas that are complete now."""
        text = self._held + text
        found: list[str] = []
        at, size_chars = 0, len(text)
        while at < size_chars:
            match = _DELTA.match(text, at, at + LONGEST_CHARS)
            assert match is not None  # it matches the empty text, too
            end = match.end()
            if end == size_chars and end - at < LONGEST_CHARS:
                break
            found.append(match.group())
            at = end
        self._held = text[at:]
        return found

    def rest(self) -> list[str]:
        """What is held when the text is at its end; one delta, or none."""
        held, self._held = self._held, ""
        return [held] if held else []
