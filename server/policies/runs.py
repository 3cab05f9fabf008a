"""How long the text has been coming again at a distance, and when that is a loop; it reads no text.

A run at period p: each of its units repeats, word for word or nearly, the unit p places before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.policies.units import Unit

# How often a group must come again right behind itself, by the group's weight: (from, repeats).
# What is long says much by coming again once more; a short line may be a cry, a rhyme, a refrain.
_EXACT = ((240, 2), (96, 3), (48, 4), (24, 6), (12, 10), (4, 16), (0, 40))
# Said in other words. A list of like sentences is shorter than that, or counts something up.
_REWORDED = ((120, 3), (48, 6), (24, 12))
# The share of all of a reworded run that may differ from what it repeats.
_MOST_CHANGED = 0.15
_FEWEST_REPEATS = 2
_FIRM_WEIGHT = 120
# In a group of so many the first unit of the first repeat may have begun too differently to tell.
_LARGE_GROUP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A unit repeats another: word for word with its opening, or with a share of it changed."""

    exact: bool
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A repeat in progress.

    start_chars: where its first unit begins, or where it was last let go. units: how many have
    come again. exact_units: how many of them, up to the last, word for word. weight, changed:
    UTF-8 bytes of all, and those that differ. strayed: the last unit said something else.
    """

    start_chars: int
    units: int
    exact_units: int
    weight: int
    changed: float
    strayed: bool = False

    def is_firm(self, period: int) -> bool:
        """Whether a whole group of some length has come again, so that one unit may stray."""
        return not self.strayed and self.units >= period > 1 and self.weight >= _FIRM_WEIGHT

    @property
    def is_close(self) -> bool:
        """Whether little enough of it differs from what it repeats."""
        return self.changed <= _MOST_CHANGED * self.weight


_STRAYED = Match(exact=False, changed=1.0)


def carry_on(
    runs: Mapping[int, Run], matches: Mapping[int, Match], unit: Unit, held_from: int
) -> dict[int, Run]:
    """The runs behind a unit, by period. Those that it does not carry on are over, unless firm.

    matches: what it repeats, by distance in units. held_from: the earliest place still unsent.
    """
    longer = {
        period: _longer(runs.get(period), match, unit.weight, held_from)
        for period, match in matches.items()
    }
    for period, run in runs.items():
        if period not in matches and run.is_firm(period):
            strayed = _longer(run, _STRAYED, unit.weight, held_from)
            if strayed.is_close:
                longer[period] = strayed
    return longer


def looping(runs: Mapping[int, Run], recent: Sequence[Unit]) -> Run | None:
    """The run that has become a loop, the one of the shortest period first."""
    for period in sorted(runs):
        run = runs[period]
        if run.units >= _FEWEST_REPEATS * period and _is_loop(run, period, recent):
            return run
    return None


def _longer(run: Run | None, match: Match, weight: int, held_from: int) -> Run:
    if run is None:
        run = Run(start_chars=held_from, units=0, exact_units=0, weight=0, changed=0.0)
    return Run(
        start_chars=max(run.start_chars, held_from),
        units=run.units + 1,
        exact_units=run.exact_units + 1 if match.exact else 0,
        weight=run.weight + weight,
        changed=run.changed + match.changed * weight,
        strayed=match is _STRAYED,
    )


def _is_loop(run: Run, period: int, recent: Sequence[Unit]) -> bool:
    group_weight = sum(unit.weight for unit in recent[-period:])
    exact = _repeats(_EXACT, group_weight)
    if exact is not None and run.exact_units >= exact * period:
        return True
    reworded = _repeats(_REWORDED, group_weight)
    if reworded is None or not run.is_close:
        return False
    return run.units >= reworded * period - (period >= _LARGE_GROUP)


def _repeats(table: Sequence[tuple[int, int]], weight: int) -> int | None:
    """The repeats that a weight needs: 300 -> 2, 100 -> 3 in the exact table."""
    return next((repeats for least, repeats in table if weight >= least), None)
