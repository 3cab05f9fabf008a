"""Which replica takes the next stream: the emptiest, or one that has its beginning. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# How much fuller a replica may be than the emptiest and still be taken for what it has cached, as a
# share of its KV cache, where the cache's worth is 1. A prefill takes seconds at most, and a
# replica that is full preempts drafts: it computes all of them again.
AFFINITY = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A replica that can take a stream now.

    reserved_tokens: of its streams in flight, prompt + written + allowance. capacity_tokens: of
    its KV cache. kv_usage: what it last said of its cache, 0 to 1; more than ours where others use
    it too. share: of its capacity that it is given, less than 1 while it warms up. picked: when it
    was last picked, as a rising number.
    """

    name: str
    reserved_tokens: int
    capacity_tokens: int
    kv_usage: float = 0.0
    share: float = 1.0
    picked: int = 0

    def fill(self, more_tokens: int) -> float:
        """How full it would be with ``more_tokens`` more.

        Worked number: 30,000 and 10,000 more of 100,000 tokens, at half of its share: 0.8.
        """
        ours = (self.reserved_tokens + more_tokens) / self.capacity_tokens
        theirs = self.kv_usage + more_tokens / self.capacity_tokens
        return max(ours, theirs) / self.share


def pick(standings: Iterable[Standing], tokens: int, worth: Mapping[str, float]) -> str | None:
    """The name of the replica for a stream of ``tokens``; of equals the one picked longest ago.

    Worked number: A is filled to 0.5 and has the prompt (worth 1), B to 0.3: A, for 0.5 - 0.25 is
    less; at 0.6 it is B.
    """
    best = min(
        standings,
        key=lambda one: (one.fill(tokens) - AFFINITY * worth.get(one.name, 0.0), one.picked),
        default=None,
    )
    return None if best is None else best.name


def warmth(seconds: float, slow_start_s: float) -> float:
    """The share of its capacity that a replica is given so long after it joined.

    Worked number: 10 s after, of 30 s: a third; never less than a tenth.
    """
    return 1.0 if seconds >= slow_start_s else max(0.1, seconds / slow_start_s)
