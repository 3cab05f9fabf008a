"""What the client of a draft is shown, in order, with positions. It must not know who reads it.

A position counts characters (code points): all text shown before it, of both channels and of all
choices. Events without text have none of their own; they stand between two characters.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from server.drafts.replay import Diverged
from server.events import CarriedOn, Channel, Choice, Ended, Fragment, Progress

# Text that follows text is kept together up to here, so that a draft takes little more room than
# its characters. A string that grows is copied, so it must not grow for long.
_RUN_CHARS = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event as a reader gets it; ``position``: behind its text."""

    choice: Choice
    position: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader is: in front of character ``char`` of item ``item``."""

    item: int = 0
    char: int = 0


@dataclass(slots=True)
class _Run:
    """Text of one channel of one choice, which may still grow."""

    index: int
    channel: Channel
    text: str


@dataclass(slots=True)
class Output:
    """All that was shown of a draft so far; it only grows. ``position``: its end."""

    position: int = 0
    _items: list[_Run | Choice] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    def add(self, choice: Choice) -> None:
        """One more event. How candidates are getting on is not kept: it is shown as it happens."""
        event = choice.event
        if isinstance(event, Progress):
            return
        if not isinstance(event, Fragment):
            self._append(choice)
        elif event.logprobs:
            self._append(choice)
            self.position += len(event.text)
        else:
            self._grow(choice.index, event)

    def _append(self, item: _Run | Choice) -> None:
        self._items.append(item)
        self._starts.append(self.position)

    def _grow(self, index: int, event: Fragment) -> None:
        last = self._items[-1] if self._items else None
        if (
            isinstance(last, _Run)
            and last.index == index
            and last.channel is event.channel
            and len(last.text) < _RUN_CHARS
        ):
            last.text += event.text
        else:
            self._append(_Run(index, event.channel, event.text))
        self.position += len(event.text)

    def cursor(self, after: int) -> Cursor:
        """Where a reader goes on who has seen ``after`` characters; events without text that
        stand at this very place are told (again)."""
        at = bisect_right(self._starts, after - 1) - 1
        return Cursor(at, after - self._starts[at]) if at >= 0 else Cursor(0, max(0, after))

    def read(self, cursor: Cursor) -> tuple[list[Told], Cursor]:
        """All that a reader has not seen, and where it is then."""
        told: list[Told] = []
        item, char = cursor.item, cursor.char
        while item < len(self._items):
            part = _part(self._items[item], char)
            length = _length(self._items[item])
            if part is not None:
                told.append(Told(choice=part, position=self._starts[item] + length))
            if item == len(self._items) - 1 and isinstance(self._items[item], _Run):
                # It may still grow.
                return told, Cursor(item, max(char, length))
            item, char = item + 1, max(0, char - length)
        return told, Cursor(item, char)

    def choices(self) -> list[Choice]:
        """Everything, in as few events as can be."""
        return [told.choice for told in self.read(Cursor())[0]]

    def texts(self, index: int) -> dict[Channel, str]:
        """The text of one choice so far."""
        parts: dict[Channel, list[str]] = {channel: [] for channel in Channel}
        for choice in self.choices():
            if choice.index == index and isinstance(choice.event, Fragment):
                parts[choice.event.channel].append(choice.event.text)
        return {channel: "".join(found) for channel, found in parts.items()}

    def ended(self) -> dict[int, Ended]:
        """How the choices ended that have, by index."""
        items = (item for item in self._items if isinstance(item, Choice))
        return {c.index: c.event for c in items if isinstance(c.event, Ended)}


def _length(item: _Run | Choice) -> int:
    if isinstance(item, _Run):
        return len(item.text)
    return len(item.event.text) if isinstance(item.event, Fragment) else 0


def _part(item: _Run | Choice, char: int) -> Choice | None:
    """An item from a character on; None where nothing of it is left."""
    if isinstance(item, _Run):
        if char >= len(item.text):
            return None
        return Choice(index=item.index, event=Fragment(channel=item.channel, text=item.text[char:]))
    if not char:
        return item
    if not isinstance(item.event, Fragment) or char >= len(item.event.text):
        return None
    # Which of its tokens the reader has seen is not known.
    rest = Fragment(channel=item.event.channel, text=item.event.text[char:])
    return replace(item, event=rest)


@dataclass(slots=True)
class _Expected:
    """What one choice is known to say, and how far it has said it."""

    parts: deque[tuple[Channel, str]] = field(default_factory=deque)
    carried: Counter[str] = field(default_factory=Counter)
    has_ended: bool = False
    _chars: int = 0

    def take(self, fragment: Fragment) -> Fragment | None:
        """What of a fragment is new."""
        text, done = fragment.text, 0
        while self.parts and done < len(text):
            channel, known = self.parts[0]
            step = min(len(known) - self._chars, len(text) - done)
            same = known[self._chars : self._chars + step] == text[done : done + step]
            if channel is not fragment.channel or not same:
                raise Diverged("a draft that is written again does not say what it said before")
            done += step
            self._chars += step
            if self._chars == len(known):
                self.parts.popleft()
                self._chars = 0
        if done == len(text):
            return None
        return fragment if not done else replace(fragment, text=text[done:])

    def end(self) -> bool:
        """The choice ends here; whether that is new."""
        if self.parts:
            raise Diverged("a draft that is written again ends before it did")
        return not self.has_ended


@dataclass(slots=True)
class Known:
    """What of a draft was shown before, to be left out when it is written again.

    Choices may come in another order than then; each must say the same.
    """

    expected: dict[int, _Expected] = field(default_factory=dict)

    @classmethod
    def of(cls, choices: Iterable[Choice]) -> "Known":
        known = cls()
        for choice in choices:
            expected = known.expected.setdefault(choice.index, _Expected())
            event = choice.event
            if isinstance(event, Fragment):
                expected.parts.append((event.channel, event.text))
            elif isinstance(event, CarriedOn):
                expected.carried[event.why] += 1
            else:
                expected.has_ended = True
        return known

    def new(self, choice: Choice) -> Choice | None:
        """What of an event was not shown before.

        Raises:
            Diverged: it is not what was shown.
        """
        expected, event = self.expected.get(choice.index), choice.event
        if expected is None or isinstance(event, Progress):
            return choice
        if isinstance(event, Fragment):
            rest = expected.take(event)
            return None if rest is None else replace(choice, event=rest)
        if isinstance(event, Ended):
            return choice if expected.end() else None
        if expected.carried[event.why]:
            expected.carried[event.why] -= 1
            return None
        return choice
