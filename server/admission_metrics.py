"""The metrics of admission, once: what waits, what is reserved, who is refused. No texts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from server.admission.admission import Admission
from server.errors import LonghandError, Overloaded, RateLimited

_POSITIONS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)


class AdmissionMetrics:
    """How full the server is. What is not known is 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(name, meaning, registry=registry, multiprocess_mode="livesum")

        self._depth = gauge("longhand_queue_depth", "Drafts that wait")
        self._queued = gauge("longhand_queue_tokens", "KV tokens that waiting requests claim")
        self._reserved = gauge("longhand_kv_tokens_reserved", "KV tokens claimed by drafts written")
        self._capacity = gauge("longhand_kv_tokens_capacity", "KV tokens there are; 0: not known")
        self._rate = gauge(
            "longhand_drain_tokens_per_second", "Claimed KV tokens given back a second"
        )
        self.position = Histogram(
            "longhand_queue_position",
            "Places in the queue that requests got when they came",
            buckets=_POSITIONS,
            registry=registry,
        )
        self._refused = Counter(
            "longhand_admission_refusals",
            "Requests refused for want of room",
            ["reason"],
            registry=registry,
        )

    def show(self, admission: Admission) -> None:
        """How it stands now."""
        ledger = admission.ledger
        self._depth.set(ledger.queue.drafts)
        self._queued.set(ledger.queue.tokens)
        self._reserved.set(ledger.reserved_tokens)
        self._capacity.set(admission.capacity_tokens() or 0)
        self._rate.set(admission.rate or 0)

    def count_refusal(self, error: LonghandError) -> None:
        match error:
            case Overloaded():
                self._refused.labels(reason="queue_full").inc()
            case RateLimited():
                self._refused.labels(reason="caller_share").inc()
            case _:
                self._refused.labels(reason="closing").inc()
