"""The metrics of the replicas behind a pool, once. It must not know replicas, only their names.

The label ``replica`` is an address of the operator's, so there are as many series as replicas.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge

from server.engine.pool.breaker import State

_BREAKER = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class ReplicaMetrics:
    """What a pool tells of its replicas. ``engine_up`` follows them: up while one is."""

    def __init__(self, registry: CollectorRegistry, engine_up: Gauge) -> None:
        self._engine_up = engine_up
        self._up_now: dict[str, bool] = {}
        self._registry = registry
        self._up = self._gauge("up", "1 while the replica takes work", "livemin")
        self._streams = self._gauge("streams", "Streams the replica writes for us", "livesum")
        self._reserved = self._gauge(
            "reserved_tokens", "KV tokens its streams may come to take", "livesum"
        )
        self._breaker = self._gauge("breaker", "0 closed, 1 half open, 2 open", "livemax")
        self._moves = Counter(
            "longhand_moves", "Streams carried on by another replica", ["why"], registry=registry
        )

    def _gauge(self, what: str, meaning: str, mode: str) -> Gauge:
        return Gauge(
            f"longhand_replica_{what}",
            meaning,
            ["replica"],
            registry=self._registry,
            multiprocess_mode=mode,  # type: ignore[arg-type]  # a literal each time
        )

    def stands(
        self, replica: str, *, up: bool, breaker: State, streams: int, reserved_tokens: int
    ) -> None:
        """How a replica is now."""
        self._up_now[replica] = up
        self._up.labels(replica).set(up)
        self._streams.labels(replica).set(streams)
        self._reserved.labels(replica).set(reserved_tokens)
        self._breaker.labels(replica).set(_BREAKER[breaker])
        self._engine_up.set(any(self._up_now.values()))

    def left(self, replica: str) -> None:
        """A replica is none of ours any more."""
        self._up_now.pop(replica, None)
        for gauge in (self._up, self._streams, self._reserved, self._breaker):
            gauge.remove(replica)
        self._engine_up.set(any(self._up_now.values()))

    def moved(self, why: str) -> None:
        self._moves.labels(why).inc()
