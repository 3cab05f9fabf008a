"""A token bucket as a value, the time passed in. It must not read a clock.

Up to a minute's worth may be taken at once, and then as much as flows in: over any ``t`` seconds at
most ``per_minute * (1 + t / 60)``, and what ``less`` went below nothing.
"""

from dataclasses import dataclass, replace

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """level: how much may be taken now, as of ``at_s``; below 0 it is a debt, paid by waiting.
    per_minute: what flows in, and how much it holds."""

    per_minute: int
    level: float
    at_s: float

    @classmethod
    def full(cls, per_minute: int, now_s: float) -> "Bucket":
        return cls(per_minute=per_minute, level=float(per_minute), at_s=now_s)

    def at(self, now_s: float) -> "Bucket":
        """As it stands at a later time; an earlier one changes nothing.

        Worked number: 60 a minute, empty, 2.5 s later: 2.5.
        """
        passed_s = max(0.0, now_s - self.at_s)
        level = min(float(self.per_minute), self.level + passed_s * self.per_minute / _MINUTE_S)
        return replace(self, level=level, at_s=self.at_s + passed_s)

    def less(self, amount: float, now_s: float) -> "Bucket":
        """With ``amount`` taken, also into debt."""
        there = self.at(now_s)
        return replace(there, level=there.level - amount)

    def wait_s(self, level: float, now_s: float) -> float:
        """How long until there is ``level``, which must be no more than it holds.

        Worked number: 60 a minute, 3 in debt, for a level of 1: 4 s.
        """
        missing = level - self.at(now_s).level
        return max(0.0, missing * _MINUTE_S / self.per_minute)

    def held_to(self, per_minute: int, now_s: float) -> "Bucket":
        """With another rate from now on; debts stay."""
        there = self.at(now_s)
        return Bucket(per_minute=per_minute, level=min(float(per_minute), there.level), at_s=now_s)
