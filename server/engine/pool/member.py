"""One replica as a pool knows it: whether it answers, what it writes. It must not ask it."""

import asyncio
from dataclasses import dataclass, field

from server.engine.base import Job
from server.engine.pool.breaker import Breaker, State
from server.engine.pool.endpoint import Endpoint
from server.engine.pool.picking import Standing, warmth
from server.engine.upstream.replica import Load, Replica

# A server that does not say how much its cache holds is taken to hold so many full windows.
_WINDOWS = 8


@dataclass(slots=True, kw_only=True, eq=False)
class Member:
    """The state of one replica. Times are in seconds of the pool's clock.

    engine: while it is entered. up: its last health check went well, ``num_ups`` of them did;
    ``reason``: why not, ``num_downs`` times in a row. leaving: takes nothing new, and goes once it
    has no stream. since_s: when it came up. kick: set to have it looked at now.
    """

    endpoint: Endpoint
    window_tokens: int
    breaker: Breaker = field(default_factory=Breaker)
    engine: Replica | None = None
    up: bool = False
    reason: str = "it has not answered yet"
    leaving: bool = False
    since_s: float = 0.0
    busy_until_s: float = 0.0
    num_ups: int = 0
    num_downs: int = 0
    num_streams: int = 0
    reserved_tokens: int = 0
    picked: int = 0
    load: Load = field(default_factory=Load)
    kick: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return self.endpoint.name

    @property
    def gone(self) -> bool:
        """Whether it is to be left now."""
        return self.leaving and not self.num_streams

    @property
    def capacity_tokens(self) -> int:
        return self.load.kv_capacity_tokens or _WINDOWS * self.window_tokens

    def serves(self, now_s: float) -> bool:
        """Whether it answers and is not left alone for its failures."""
        open_ = self.breaker.state(now_s) is State.OPEN
        return self.engine is not None and self.up and not self.leaving and not open_

    def takes(self, now_s: float) -> bool:
        """Whether one more stream may go there now."""
        return self.serves(now_s) and now_s >= self.busy_until_s and self.breaker.admits(now_s)

    def why_not(self) -> str:
        """What is wrong with one that does not serve."""
        if self.leaving:
            return "it is leaving"
        return self.reason if not self.up else f"{self.breaker.failures} streams failed in a row"

    def standing(self, now_s: float, slow_start_s: float) -> Standing:
        return Standing(
            name=self.name,
            reserved_tokens=self.reserved_tokens,
            capacity_tokens=self.capacity_tokens,
            kv_usage=self.load.kv_usage or 0.0,
            share=warmth(now_s - self.since_s, slow_start_s),
            picked=self.picked,
        )

    def due_s(self, now_s: float, probe_s: float) -> float:
        """How long it may be left alone until something about it changes or is to be asked.

        Worked number: down for the third time, probed every 5 s: after 4 s.
        """
        pauses_s = [probe_s if self.up else min(probe_s, 2.0 ** max(0, self.num_downs - 1))]
        pauses_s.extend((self.busy_until_s - now_s, (self.breaker.open_until_s or 0.0) - now_s))
        return min(pause_s for pause_s in pauses_s if pause_s > 0)


def tokens_of(job: Job) -> int:
    """What a stream may come to hold of a KV cache: all that is written and may be."""
    return job.prompt.num_tokens + job.written.num_tokens + job.max_tokens
