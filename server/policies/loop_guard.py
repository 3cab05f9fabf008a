"""The loop guard: holds text back while it repeats earlier text, and turns a draft that loops.

It must not delay text that repeats nothing, and never take back a word that was safe. What counts
as a loop, and why, is said in docs/loops.md.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from server.policies.echo import Echo
from server.policies.likeness import changed_share
from server.policies.policy import LOOP, Turn
from server.policies.runs import Match, Run, carry_on, looping
from server.policies.stutter import GRID_CHARS, LOOP_CHARS_WITHOUT_WORDS, Stutter
from server.policies.units import CLAUSE_CHARS, EDGE_CHARS, Unit, find_end, may_end, unit

# The longest group: four paragraphs of ten sentences.
MAX_PERIOD = 40
# How many units a rewind can go back; behind that the guard starts afresh.
_JOURNAL_UNITS = 256
_SLICE_CHARS = 256
# A run of so much text is believed when a unit begins with other words.
_TRUSTED_WEIGHT = 16
_MOST_COMPARED = 3
_NO_RUNS: Mapping[int, Run] = {}


class LoopGuard:
    """The policy of one draft: at most ``max_turns`` loops are repaired, the next one ends it.

    max_period: units of the longest group that is found to come again.
    """

    def __init__(self, *, max_turns: int = 3, max_period: int = MAX_PERIOD) -> None:
        self._max_turns = max_turns
        self._max_period = max_period
        self.loops = 0
        self._turn: Turn | None = None
        self._fed = self._floor = 0
        self._start_afresh(0)

    def feed(self, text: str) -> None:
        """See ``Policy.feed``. While a turn is due, what comes is not read."""
        self._fed += len(text)
        if self._quiet and len(self._raw) + len(text) < self._wake_chars and not may_end(text):
            self._raw += text
            if self._following and self._echo.grow(text):
                self._let_go()
            return
        for at in range(0, len(text), _SLICE_CHARS):
            self._take(text[at : at + _SLICE_CHARS])

    @property
    def safe_chars(self) -> int:
        """See ``Policy.safe_chars``: everything fed, unless its end repeats earlier text."""
        safe = self._fed if self._held_from < 0 else self._held_from
        if self._stutter is not None and self._stutter.held_from >= 0:
            safe = min(safe, self._start + self._stutter.held_from)
        return max(safe, self._floor)

    @property
    def held_chars(self) -> int:
        """How many characters are held back at present."""
        return self._fed - self.safe_chars

    @property
    def turn(self) -> Turn | None:
        """See ``Policy.turn``: due as soon as a loop is certain."""
        return self._turn

    def ended(self) -> Turn | None:
        """See ``Policy.ended``: what repeats, but not yet often enough, is let go."""
        if self._turn is None:
            self._floor = self._fed
        return self._turn

    def rewind(self, chars: int) -> None:
        """See ``Policy.rewind``: everything is as it was when ``chars`` characters had been fed."""
        self._floor = min(self.safe_chars, chars)
        self._fed = chars
        if self._turn is not None:
            if chars > self._start + len(self._raw):
                return
            if chars == self._turn.back_to_chars and not self._turn.over:
                self.loops += 1
            self._turn = None
        self._replay(chars)

    def _start_afresh(self, chars: int) -> None:
        self._journal: deque[tuple[Unit, Mapping[int, Run]]] = deque(maxlen=_JOURNAL_UNITS)
        self._recall(())
        self._start = chars
        self._begin(_NO_RUNS)

    def _recall(self, units: Iterable[Unit]) -> None:
        self._recent: list[Unit] = []
        self._by_first: dict[str, list[Unit]] = {}
        for one in units:
            self._remember(one)

    def _remember(self, one: Unit) -> None:
        self._recent.append(one)
        self._by_first.setdefault(one.body[:1], []).append(one)
        if len(self._recent) > self._max_period:
            first = self._recent.pop(0).body[:1]
            del self._by_first[first][0]
            if not self._by_first[first]:
                del self._by_first[first]

    def _begin(self, runs: Mapping[int, Run]) -> None:
        """A unit begins at ``_start``; the white space before it waits for its first character."""
        self._runs = runs
        self._raw = ""
        self._blank_chars = 0
        self._wake_chars = GRID_CHARS
        self._begun = self._quiet = False
        self._following = bool(self._recent)
        expected = self._expected() if runs else ()
        self._echo = Echo(self._by_first, expected, repeating=bool(runs))
        self._stutter: Stutter | None = None
        self._held_from = min([run.start_chars for run in runs.values()], default=self._start)

    def _expected(self) -> Sequence[Unit]:
        """What comes next if the runs go on."""
        return [
            self._recent[-period]
            for period, run in self._runs.items()
            if run.weight >= _TRUSTED_WEIGHT and run.is_close
        ]

    def _take(self, text: str) -> None:
        while text and self._turn is None:
            if not self._begun:
                text = self._skip_blank(text)
                continue
            step = self._step_chars()
            text = self._take_step(text[:step]) + text[step:]

    def _step_chars(self) -> int:
        """How far to read at once: up to where a stutter is looked for; in one, letter by letter,
        for a line that stutters is not parted at its commas, and where it departs, it is."""
        if self._stutter is None:
            return GRID_CHARS - len(self._raw) if len(self._raw) < GRID_CHARS else 1
        return max(1, self._stutter.wake_chars - len(self._raw))

    def _take_step(self, text: str) -> str:
        """Reads on up to where the unit ends, if it does; what is left of the text."""
        edge = self._raw[max(self._blank_chars, len(self._raw) - EDGE_CHARS) :]
        stutters = self._stutter is not None and self._stutter.held_from >= 0
        base = len(self._raw) - self._blank_chars - len(edge)
        at = find_end(edge + text, base, clauses=not stutters)
        if at < 0:
            self._grow(text)
            self._quiet = self._is_quiet(edge[len(text) :] + text)
            return ""
        at -= len(edge)
        # No stutter is confirmed by this: within one, an end shows by a letter of the next step.
        self._grow(text[:at])
        self._close()
        return text[at:]

    def _is_quiet(self, edge: str) -> bool:
        """Whether what comes need only be kept, as long as no sentence ends in it."""
        return len(self._raw) < CLAUSE_CHARS and self._turn is None and may_end(edge) is None

    def _skip_blank(self, text: str) -> str:
        """Takes white space before a unit; the text from its first character on."""
        rest = text.lstrip()
        self._raw += text[: len(text) - len(rest)]
        if len(self._raw) >= LOOP_CHARS_WITHOUT_WORDS:
            self._propose(self._start)
        elif rest:
            self._begun = True
            self._blank_chars = len(self._raw)
            if not self._following:
                self._held_from = -1
        return rest

    def _grow(self, piece: str) -> None:
        self._raw += piece
        if self._following and self._echo.grow(piece):
            self._let_go()
        if len(self._raw) >= self._wake_chars:
            self._look_for_stutter()

    def _look_for_stutter(self) -> None:
        if self._stutter is None:
            self._stutter = Stutter()
        self._stutter.follow(self._raw)
        self._wake_chars = min(self._stutter.wake_chars, max(CLAUSE_CHARS, len(self._raw)))
        if self._stutter.confirmed:
            self._propose(self._start + self._stutter.cut_chars(self._raw))

    def _let_go(self) -> None:
        """The unit follows fewer units than before: what is no longer part of a repeat is safe."""
        numbers = {one.number for one, _ in self._echo.candidates} if self._runs else ()
        going_on = [
            run.start_chars
            for period, run in self._runs.items()
            if self._number - period in numbers or run.is_firm(period)
        ]
        self._following = bool(going_on) or self._echo.follows
        self._held_from = min(going_on, default=self._start) if self._following else -1

    @property
    def _number(self) -> int:
        """The number of the unit that is being written."""
        return self._recent[-1].number + 1 if self._recent else 0

    def _close(self) -> None:
        """The unit has ended: the runs go on or are over, and one of them may be a loop now."""
        one = unit(self._number, self._start, self._raw)
        runs = _NO_RUNS
        if self._following or self._runs:
            held_from = self._held_from if self._following else one.end
            runs = carry_on(self._runs, self._matches(one), one, held_from)
        self._journal.append((one, runs))
        self._remember(one)
        self._start = one.end
        self._begin(runs)
        loop = looping(runs, self._recent) if runs else None
        if loop is not None:
            self._propose(loop.start_chars)

    def _matches(self, one: Unit) -> dict[int, Match]:
        """Which units the new one repeats, by distance."""
        same = self._by_first.get(one.body[:1], ()) if self._following else ()
        found = {
            one.number - other.number: Match(exact=other.opening == one.opening, changed=0.0)
            for other in same
            if other.body == one.body
        }
        others = self._echo.candidates[-_MOST_COMPARED:] if self._following else []
        for other, scattered in (*((one, True) for one in self._expected()), *others):
            distance = one.number - other.number
            if distance in found:
                continue
            changed = changed_share(one, other, scattered=scattered)
            if changed is not None:
                found[distance] = Match(exact=False, changed=changed)
        return found

    def _propose(self, back_to_chars: int) -> None:
        self._turn = Turn(
            why=LOOP,
            back_to_chars=max(back_to_chars, self.safe_chars),
            other_sampling=True,
            over=self.loops >= self._max_turns,
        )

    def _replay(self, chars: int) -> None:
        """Goes back to the last unit that ended by ``chars`` and reads on from there."""
        tail = [self._raw]
        while self._journal and self._journal[-1][0].end > chars:
            tail.append(self._journal.pop()[0].raw)
        start = self._start + len(self._raw) - sum(map(len, tail))
        if start > chars:
            self._start_afresh(chars)
            return
        self._start = start
        self._recall([one for one, _ in self._journal][-self._max_period :])
        self._begin(self._journal[-1][1] if self._journal else _NO_RUNS)
        self._take("".join(reversed(tail))[: chars - start])
