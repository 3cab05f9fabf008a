"""The metrics of drafts that are kept, once. No label may hold a text."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_BYTES = (256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576)


class DraftMetrics:
    """What is kept, and how the store does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._live = Gauge(
            "longhand_drafts_live",
            "Kept drafts that this process writes or is about to write",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.kept = Counter(
            "longhand_drafts_kept",
            "Kept drafts by how they ended here",
            ["state"],
            registry=registry,
        )
        self.carried_on = Counter(
            "longhand_drafts_carried_on",
            "Kept drafts carried on after an interruption",
            registry=registry,
        )
        self.replayed = Counter(
            "longhand_drafts_replayed",
            "Requests answered with the draft of an earlier one",
            registry=registry,
        )
        self.evicted = Counter(
            "longhand_drafts_evicted", "Drafts deleted for their age or for room", registry=registry
        )
        self.unstored = Counter(
            "longhand_drafts_unstored",
            "Drafts that were to be kept and were written on without their store",
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "longhand_drafts_commit_duration_seconds",
            "Time that a commit to the drafts' store took",
            buckets=_SECONDS,
            registry=registry,
        )
        self.commit_bytes = Histogram(
            "longhand_drafts_commit_bytes",
            "What a commit to the drafts' store held",
            buckets=_BYTES,
            registry=registry,
        )
        self.store_failures = Counter(
            "longhand_drafts_store_failures",
            "Commits that the drafts' store did not take",
            registry=registry,
        )

    def watch(self, num_live: Callable[[], int]) -> None:
        """Has the live drafts counted whenever they are asked for."""
        self._live.set_function(num_live)

    def count_commit(self, num_entries: int, size_bytes: int, seconds: float) -> None:
        """One commit; without entries it failed."""
        if not num_entries:
            self.store_failures.inc()
            return
        self.commit_seconds.observe(seconds)
        self.commit_bytes.observe(size_bytes)
