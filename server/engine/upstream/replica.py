"""What a pool may know of one server behind an address, beside the engine contract, as names.

It must not do anything: ``UpstreamEngine`` does, and a test's stand-in may.

How a replica keeps the contract of ``server.engine.base.Engine``, where the contract leaves room:

- Entering it makes no call, so one that is away can be entered; leaving it ends its streams.
- ``watch`` returns only once it is left: a server behind an address may come back.
- ``stream`` raises ``EngineUnavailable`` before the first piece and ``EngineDied`` (which is one
  too) behind it; ``retry_after_s`` is set where the server advised a time. Either way another
  replica may carry on from the last piece. ``BadRequest``: none of this kind would take the job.
- ``Text.token_ids`` is None where the server tells no token ids; ``Text.num_tokens`` counts anyway.
  A stream either has ids in all its pieces or in none.
- Two jobs of one id may be written at the same time.
"""

from dataclasses import dataclass
from typing import Protocol

from server.engine.base import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy a server says it is; None where it does not say.

    kv_usage: share of the KV cache in use, 0 to 1. running, waiting: requests.
    kv_capacity_tokens: what the whole KV cache holds.
    """

    kv_usage: float | None = None
    running: int | None = None
    waiting: int | None = None
    kv_capacity_tokens: int | None = None


class Replica(Engine, Protocol):
    """One server: an engine that can be asked how it is."""

    @property
    def address(self) -> str:
        """Its base URL, without key: its name in logs, metrics and reports."""
        ...

    async def health(self) -> None:
        """Returns if the server answers, is of a kind we know and serves the card's model.

        Raises:
            EngineUnavailable: it does not; the message says why.
        """
        ...

    async def load(self) -> Load:
        """How busy it is now; a ``Load`` of None where it has no such metrics.

        Raises:
            EngineUnavailable: it does not answer.
        """
        ...
