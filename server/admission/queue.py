"""Who waits, and in which order they are taken. It must not know what there is room for.

Callers are served by start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996, section 2): each
has a tag, the tokens it was granted so far, and the lowest is next. No tag counts as lower than the
virtual time, the lowest of those that are due, so nobody saves up turns. What a draft takes beyond
its claim is charged when it is seen, as in "Fairness in Serving Large Language Models" (arXiv
2401.00588, section 4). While two callers wait, what they are granted differs by a claim of each.
"""

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.admission.claim import Claim

# What a step of priority is worth in waiting, and the most steps that count: a request is overtaken
# for 20 steps, ten minutes, at most.
STEP_S = 30.0
MOST_STEPS = 10


@dataclass(eq=False, slots=True, kw_only=True)
class Waiter:
    """One request that waits, or waited.

    due_s: when it came, on the server's clock, put off or back by its priority. passed_s: since
    when others take what it waits for, though it is its turn; None: none did.
    """

    claim: Claim
    caller: str
    due_s: float
    number: int = 0
    passed_s: float | None = None

    def steps(self, now_s: float) -> int:
        """How many steps it still stands back for other callers; none once it is due."""
        return max(0, math.ceil((self.due_s - now_s) / STEP_S))


def due(now_s: float, priority: int) -> float:
    """When a request that comes now counts as having come. As in vLLM, lower goes first
    (vllm/v1/request.py, 0.32).

    Worked numbers: priority 2: a minute later; -2: a minute earlier; 1,000: as 10, five minutes.
    """
    return now_s + STEP_S * max(-MOST_STEPS, min(priority, MOST_STEPS))


@dataclass(slots=True)
class FairQueue:
    """Requests in line, and what they claim together. Among one caller's the one due first goes
    first; among callers the one that was granted the fewest tokens, behind those that are due."""

    drafts: int = 0
    tokens: int = 0
    _waiting: list[Waiter] = field(default_factory=list)
    _tags: dict[str, int] = field(default_factory=dict)
    _virtual_tokens: int = 0
    _num_joined: int = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, waiter: Waiter) -> None:
        self._num_joined += 1
        waiter.number = self._num_joined
        self._tags.setdefault(waiter.caller, 0)
        bisect.insort(self._waiting, waiter, key=lambda one: (one.due_s, one.number))
        self.drafts += waiter.claim.drafts
        self.tokens += waiter.claim.tokens

    def line(self, now_s: float) -> list[Waiter]:
        """All that wait, in the order in which they would be taken if nobody else came."""
        order = sorted(
            (waiter.passed_s is None, waiter.steps(now_s), start, waiter.number, waiter)
            for waiter, start in self._starts()
        )
        return [waiter for *_, waiter in order]

    def _starts(self) -> Iterator[tuple[Waiter, int]]:
        """Each with the tag that its caller will have when it is its turn."""
        tags = {caller: max(tag, self._virtual_tokens) for caller, tag in self._tags.items()}
        for waiter in self._waiting:
            yield waiter, tags[waiter.caller]
            tags[waiter.caller] += waiter.claim.tokens

    def grant(self, waiter: Waiter, now_s: float) -> None:
        """It is taken, and charged to its caller."""
        due = {one.caller for one in self._waiting if not one.steps(now_s)} or {waiter.caller}
        lowest_tokens = min(self._tags[caller] for caller in due)
        self._virtual_tokens = max(self._virtual_tokens, lowest_tokens)
        tag = max(self._tags[waiter.caller], self._virtual_tokens)
        self._tags[waiter.caller] = tag + waiter.claim.tokens
        self.leave(waiter)

    def leave(self, waiter: Waiter) -> None:
        """It waits no longer. Tags compare callers that wait; when none does, all are equal."""
        self._waiting.remove(waiter)
        self.drafts -= waiter.claim.drafts
        self.tokens -= waiter.claim.tokens
        if not self._waiting:
            self._tags.clear()
            self._virtual_tokens = 0

    def charge(self, caller: str, tokens: int) -> None:
        """A caller's draft has taken so much more than it was granted."""
        if caller in self._tags:
            self._tags[caller] += tokens
