"""What is taken and what is left, and whose turn it is to have it. Pure: the time is passed in.

A request whose turn it is may be too large for what is left. For ``PATIENCE_S`` after another first
went past it, smaller ones behind it are taken; then nothing is, until there is room for it.
"""

from dataclasses import dataclass, field

from server.admission.claim import Claim
from server.admission.drain import Drain
from server.admission.queue import FairQueue, Waiter

PATIENCE_S = 30.0


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Room for ``max_running`` drafts and, where it is known, so many tokens of the KV cache."""

    max_running: int
    running_drafts: int = 0
    reserved_tokens: int = 0
    queue: FairQueue = field(default_factory=FairQueue)
    drain: Drain = field(default_factory=Drain)

    def take_turns(self, now_s: float, capacity_tokens: int | None) -> list[Waiter]:
        """Takes all that there is room for, in their order; returns them."""
        taken: list[Waiter] = []
        if self.running_drafts >= self.max_running:
            return taken
        in_turn: Waiter | None = None
        for waiter in self.queue.line(now_s):
            if self._has_room(waiter.claim, capacity_tokens):
                if in_turn is not None and in_turn.passed_s is None:
                    in_turn.passed_s = now_s
                self._take(waiter, now_s)
                taken.append(waiter)
            elif in_turn is None:
                in_turn = waiter
                if waiter.passed_s is not None and now_s - waiter.passed_s >= PATIENCE_S:
                    break
        return taken

    def _has_room(self, claim: Claim, capacity_tokens: int | None) -> bool:
        if self.running_drafts + claim.drafts > self.max_running:
            return False
        # What is larger than the cache has it alone: vLLM then does one draft after the other.
        if capacity_tokens is None or not self.running_drafts:
            return True
        return self.reserved_tokens + claim.tokens <= capacity_tokens

    def _take(self, waiter: Waiter, now_s: float) -> None:
        if not self.running_drafts:
            self.drain.begin(now_s)
        self.queue.grant(waiter, now_s)
        self.running_drafts += waiter.claim.drafts
        self.reserved_tokens += waiter.claim.tokens

    def wrote(self, waiter: Waiter, index: int, tokens: int) -> None:
        """A draft of a request that was taken has so many tokens now."""
        more = waiter.claim.wrote(index, tokens)
        if more:
            self.reserved_tokens += more
            self.queue.charge(waiter.caller, more)

    def stop(self, waiter: Waiter, index: int, now_s: float) -> bool:
        """One of its drafts has stopped; whether its place is free, as the last one's is not."""
        drafts = waiter.claim.drafts
        tokens = waiter.claim.stop(index)
        if waiter.claim.drafts == drafts:
            return False
        self.running_drafts -= 1
        self._give_back(tokens, now_s)
        return True

    def leave(self, waiter: Waiter, now_s: float) -> None:
        """A request that was taken is over."""
        self.running_drafts -= waiter.claim.drafts
        self._give_back(waiter.claim.tokens, now_s)

    def _give_back(self, tokens: int, now_s: float) -> None:
        self.reserved_tokens -= tokens
        self.drain.give_back(tokens, now_s)
