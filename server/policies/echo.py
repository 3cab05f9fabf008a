"""Which earlier units the unit being written still follows; it decides nothing about loops.

What is known depends on the text so far alone, never on how it came in pieces.
"""

from collections.abc import Iterable, Mapping, Sequence

from server.policies.likeness import common_chars
from server.policies.units import Unit, is_marker, may_be_opening, opening_chars

# What must be the same before a change is looked over: 10 letters, 4 Han characters; fewer behind
# a lead-in ("Indeed: "), which promises that something is said again.
_NEEDED_CHARS, _NEEDED_WIDE_CHARS = 10, 4
_LED_IN_CHARS, _LED_IN_WIDE_CHARS = 2, 2
# How far behind a change it is looked for the same words, and how many characters show them.
_GAP_CHARS, _WIDE_GAP_CHARS = (14, 19, 24), (7, 10)
_PROBE_CHARS, _WIDE_PROBE_CHARS = 8, 4
_MOST_GAPS = 2
_MOST_TRACKS = 4


class Track:
    """A unit as it is followed with other words here and there.

    needed: how much must be the same before the first change, in letters and in Han characters.
    """

    __slots__ = ("_at", "_from", "_gap", "_gaps", "_needed", "_wide", "unit")

    def __init__(self, unit: Unit, needed: tuple[int, int]) -> None:
        self.unit = unit
        self._wide = unit.wide
        self._needed = needed[self._wide]
        self._from = self._at = 0
        self._gaps = 0 if unit.prose else _MOST_GAPS
        # The places in the body where it may come back to the unit; none while it follows.
        self._gap: list[int] = []

    @property
    def came_back(self) -> bool:
        """Whether the same words came again behind a change."""
        return self._gaps > bool(self._gap)

    def follows(self, body: str) -> bool:
        """Whether the body so far goes on as the unit does, up to a gap that is not yet over."""
        while True:
            if not self._gap:
                if self.unit.body.startswith(body[self._from :], self._at):
                    return True
                if not self._open_gap(body):
                    return False
            if len(body) < self._gap[0]:
                return True
            if not self._close_gap(body, self._gap.pop(0)):
                return False

    def _open_gap(self, body: str) -> bool:
        """The words part here; whether that is let pass."""
        if self._gaps == _MOST_GAPS:
            return False
        same = common_chars(body[self._from :], self.unit.body[self._at :])
        if self._gaps == 0 and same < self._needed:
            return False
        self._gaps += 1
        self._from += same
        self._at += same
        self._gap = [
            self._from + chars for chars in (_WIDE_GAP_CHARS if self._wide else _GAP_CHARS)
        ]
        return True

    def _close_gap(self, body: str, end: int) -> bool:
        """Finds in the unit what the body says right before ``end``, or has another try left."""
        size = _WIDE_PROBE_CHARS if self._wide else _PROBE_CHARS
        furthest = self._at + 2 * (end - self._from)
        found = self.unit.body.find(body[end - size : end], self._at, furthest)
        if found < 0:
            return bool(self._gap)
        self._from, self._at, self._gap = end, found + size, []
        return True


class Echo:
    """The unit being written beside the recent ones.

    recent: units that it may repeat, by first character, each list in order. expected: those of
    them that come next in a running repeat, which may differ from the first character on.
    repeating: some repeat is running, so it matters of each unit when it departs.
    """

    __slots__ = (
        "_body",
        "_checked",
        "_needed",
        "_opening",
        "_recent",
        "_repeating",
        "_same",
        "_tracks",
    )

    def __init__(
        self, recent: Mapping[str, Sequence[Unit]], expected: Iterable[Unit], *, repeating: bool
    ) -> None:
        self._recent = recent
        self._repeating = repeating
        # Units whose bodies begin as this one's first ``_checked`` characters do.
        self._same: Sequence[Unit] = ()
        self._checked = 1
        self._tracks = [Track(one, (0, 0)) for one in expected]
        self._needed = (_NEEDED_CHARS, _NEEDED_WIDE_CHARS)
        self._body = ""
        self._opening = True

    def grow(self, piece: str) -> bool:
        """The unit has grown; whether it may follow fewer units than before."""
        self._body += piece.casefold()
        if not self._opening:
            return self._narrow()
        if may_be_opening(self._body):
            return False
        self._opening = False
        opening = opening_chars(self._body)
        if opening and not is_marker(self._body):
            self._needed = (_LED_IN_CHARS, _LED_IN_WIDE_CHARS)
        self._body = self._body[opening:]
        self._same = self._recent.get(self._body[:1], ())
        self._narrow()
        return True

    @property
    def follows(self) -> bool:
        """Whether any unit is still followed."""
        return bool(self._opening or self._same or self._tracks)

    @property
    def candidates(self) -> list[tuple[Unit, bool]]:
        """The units that are followed, and whether in spite of a change; none in an opening."""
        same = ((one, False) for one in self._same if one.body.startswith(self._body))
        return [*same, *((track.unit, track.came_back) for track in self._tracks)]

    def _narrow(self) -> bool:
        """Drops what departs from the body."""
        body, count = self._body, len(self._same) + len(self._tracks)
        if self._same and not self._repeating and self._same[-1].body.startswith(body):
            # One that is followed is enough to hold the text; the others are looked at later.
            return False
        if self._tracks:
            self._tracks = [track for track in self._tracks if track.follows(body)]
        same = [one for one in self._same if one.body.startswith(body)]
        if not same and self._same:
            self._look_over()
        self._same, self._checked = same, len(body)
        now = len(same) + len(self._tracks)
        return now < count or not now

    def _look_over(self) -> None:
        """All units have departed from the body; those that did so last may come back to it."""
        before, longest = self._checked, len(self._body) - 1
        last = self._same
        while before < longest:
            middle = (before + longest + 1) // 2
            same = [one for one in last if one.body.startswith(self._body[:middle])]
            if same:
                last, before = same, middle
            else:
                longest = middle - 1
        if before < self._needed[1]:
            return
        known = {track.unit.number for track in self._tracks}
        tracks = [Track(one, self._needed) for one in last[-_MOST_TRACKS:]]
        self._tracks += [
            track
            for track in tracks
            if track.unit.number not in known and track.follows(self._body)
        ]
