"""The metrics of callers and connections, once. No label may hold a key or a caller's text."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class CallerMetrics:
    """Who asks for how much, and who is turned away. ``caller`` is a name of the key file, so there
    are as many as an operator wrote there, and "unnamed" and "anyone"."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "longhand_caller_requests", "Requests for work by caller", ["caller"], registry=registry
        )
        self.tokens = Counter(
            "longhand_caller_tokens",
            "Tokens of prompts and of what was written, by caller",
            ["caller"],
            registry=registry,
        )
        self.refused = Counter(
            "longhand_requests_refused",
            "Requests answered with an error, by its code",
            ["reason"],
            registry=registry,
        )
        self.cut = Counter(
            "longhand_connections_cut", "Connections ended by us", ["reason"], registry=registry
        )
        self.keys = Gauge(
            "longhand_keys", "Keys in force", registry=registry, multiprocess_mode="livemax"
        )
        self.reload_failures = Counter(
            "longhand_keys_reload_failures",
            "Readings of the key file that failed and left the keys as they were",
            registry=registry,
        )

    def count_reading(self, num_keys: int | None) -> None:
        """One reading of the keys; None: it failed."""
        if num_keys is None:
            self.reload_failures.inc()
        else:
            self.keys.set(num_keys)
