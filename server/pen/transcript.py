"""What was received of a draft, and up to where: no gap, no repeat. No I/O, no async."""

from dataclasses import dataclass, field

from server.pen.events import Channel, Delta


class Gap(Exception):
    """Text is missing between what was received and what came now."""


@dataclass(slots=True)
class Transcript:
    """The text of a draft's first choice, in both channels.

    position: characters of all deltas received, those of other choices counted in; what the server
    is asked to go on from.
    """

    position: int = 0
    _reasoning: list[str] = field(default_factory=list)
    _answer: list[str] = field(default_factory=list)

    def receive(self, delta: Delta) -> str:
        """The part of a delta that is new; kept if it is the first choice's.

        Characters are code points, as in the positions. Worked number: at position 10 a delta of 8
        characters that ends at 15 begins at 7, so its first 3 are known and 5 are new.

        Raises:
            Gap: it begins behind the position; nothing is kept of it.
        """
        new = delta.text
        if delta.position is not None:
            begin = delta.position - len(delta.text)
            if begin > self.position:
                raise Gap(f"{begin - self.position:,} characters are missing")
            new = delta.text[self.position - begin :]
        self.position += len(new)
        if delta.index != 0:
            return ""
        (self._reasoning if delta.channel is Channel.REASONING else self._answer).append(new)
        return new

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def answer(self) -> str:
        return "".join(self._answer)
