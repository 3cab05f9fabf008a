"""Every metric of the gateway, once: name, unit, labels. No label may hold a caller's text."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import __version__
from server.admission_metrics import AdmissionMetrics
from server.caller_metrics import CallerMetrics
from server.draft_metrics import DraftMetrics
from server.errors import LonghandError
from server.events import Candidate, CarriedOn, Channel, Choice, Ended, Fragment, Progress
from server.judging_metrics import JudgingMetrics
from server.replica_metrics import ReplicaMetrics

# Drafts take up to ten minutes, so the buckets do; the same bounds let panels be compared.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1200)
_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 5, 15, 60)
_RATIOS = (0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.25, 1.5, 2, 3)
_WORDS = (50, 100, 250, 500, 1000, 2000, 3000, 5000, 8000, 10000, 15000, 20000, 50000)

# vLLM's own gauge (vllm/v1/metrics/loggers.py, 0.32), one for each of its engines.
_KV_CACHE_USAGE = "vllm:kv_cache_usage_perc"

# Unknown request fields that are counted by name; any other counts as "other", so that a caller
# cannot make labels.
_NAMED_FIELDS = frozenset(
    {"service_tier", "safety_identifier", "prompt_cache_key", "verbosity", "parallel_tool_calls"}
)


class Metrics:
    """The gateway's metrics in ``registry``. With prometheus-client's multiprocess mode on
    (``multiproc_dir``), every process writes there and any of them answers for all."""

    def __init__(self, registry: CollectorRegistry, *, multiproc_dir: Path | None = None) -> None:
        self._registry = registry
        self._multiproc_dir = multiproc_dir
        self._requests()
        self._writing()
        self.judging = JudgingMetrics(registry)
        self.drafts = DraftMetrics(registry)
        self.admission = AdmissionMetrics(registry)
        self.callers = CallerMetrics(registry)
        self._engine()

    def _requests(self) -> None:
        r = self._registry
        self.requests = Counter(
            "longhand_requests", "Requests answered", ["route", "code"], registry=r
        )
        self.in_flight = Gauge(
            "longhand_requests_in_flight",
            "Requests being answered",
            registry=r,
            multiprocess_mode="livesum",
        )
        self.duration = Histogram(
            "longhand_request_duration_seconds",
            "Time from a request's arrival to its last byte",
            ["route"],
            buckets=_SECONDS,
            registry=r,
        )
        self.queue_wait = Histogram(
            "longhand_queue_wait_seconds", "Time drafts waited", buckets=_SECONDS, registry=r
        )
        self.disconnects = Counter(
            "longhand_disconnects", "Clients gone before the end", ["stage"], registry=r
        )
        self.unknown_fields = Counter(
            "longhand_unknown_fields", "Request fields ignored", ["field"], registry=r
        )
        self.broken_streams = Counter(
            "longhand_broken_streams",
            "Streams that ended in an error of the server's",
            ["code"],
            registry=r,
        )

    def _writing(self) -> None:
        r = self._registry
        self.ttft = Histogram(
            "longhand_time_to_first_token_seconds",
            "Time from acceptance to the first text of either channel",
            buckets=_SECONDS,
            registry=r,
        )
        self.ttfa = Histogram(
            "longhand_time_to_first_answer_token_seconds",
            "Time from acceptance to the first text of the answer",
            buckets=_SECONDS,
            registry=r,
        )
        self.itl = Histogram(
            "longhand_inter_token_latency_seconds",
            "Time between two pieces of text of one draft",
            buckets=_LATENCY,
            registry=r,
        )
        self.prompt_tokens = Counter("longhand_prompt_tokens", "Prompt tokens", registry=r)
        self.reasoning_tokens = Counter("longhand_reasoning_tokens", "Reasoning tokens", registry=r)
        self.answer_tokens = Counter("longhand_answer_tokens", "Answer tokens", registry=r)
        self.answer_words = Histogram(
            "longhand_answer_words", "Words per answer", buckets=_WORDS, registry=r
        )
        self.length_ratio = Histogram(
            "longhand_length_ratio",
            "Words per word asked (the middle of the range), by where the length was read",
            ["source"],
            buckets=_RATIOS,
            registry=r,
        )
        self.finished = Counter(
            "longhand_drafts_finished", "Drafts by how they ended", ["reason"], registry=r
        )
        self.format_faults = Counter(
            "longhand_format_faults", "Drafts with a format fault", ["kind"], registry=r
        )
        self.carried_on = Counter(
            "longhand_continuations", "Drafts carried on from their log", ["why"], registry=r
        )

    def _engine(self) -> None:
        self.engine_up = Gauge(
            "longhand_engine_up",
            "1 while the engine takes work",
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self.replicas = ReplicaMetrics(self._registry, self.engine_up)
        info = Gauge(
            "longhand_build_info",
            "Always 1; the version is the label",
            ["version"],
            registry=self._registry,
            multiprocess_mode="max",
        )
        info.labels(version=__version__).set(1)

    def page(self) -> bytes:
        """The exposition page, vLLM's own metrics included where it runs in this process."""
        if self._multiproc_dir is None:
            return generate_latest(self._registry)
        _forget_the_dead(self._multiproc_dir)
        merged = CollectorRegistry()
        collect: Any = MultiProcessCollector  # published without types
        collect(merged, path=str(self._multiproc_dir))
        return generate_latest(merged)

    def kv_cache_usage(self) -> float:
        """The share of its KV cache that vLLM uses, where it runs in this process; else 0."""
        families = self._registry.restricted_registry([_KV_CACHE_USAGE]).collect()
        return max((sample.value for one in families for sample in one.samples), default=0.0)

    def count_broken(self, error: LonghandError) -> None:
        """A stream that ended in ``error``; what is the caller's own fault is not counted."""
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.broken_streams.labels(code=error.code or "error").inc()

    def count_unknown(self, fields: set[str]) -> None:
        for field in fields:
            self.unknown_fields.labels(field=field if field in _NAMED_FIELDS else "other").inc()

    async def observe(
        self, choices: AsyncGenerator[Choice, None], *, prompt_tokens: int
    ) -> AsyncGenerator[Choice, None]:
        """Passes events through and counts them. Times start when it is first asked."""
        self.prompt_tokens.inc(prompt_tokens)
        clock = _Clock(self, time.monotonic())
        candidates: tuple[Candidate, ...] = ()
        try:
            async with aclosing(choices):
                async for choice in choices:
                    if isinstance(choice.event, Progress):
                        candidates = choice.event.candidates
                    self._count(choice, clock)
                    yield choice
        except Exception:
            self.judging.count_lost(candidates)
            raise

    def _count(self, choice: Choice, clock: "_Clock") -> None:
        match choice.event:
            case Fragment(channel=channel):
                clock.fragment(choice.index, channel)
            case CarriedOn(why=why):
                self.carried_on.labels(why=why).inc()
            case Progress():
                clock.waits_for_the_best()
            case ended:
                self._ended(ended)
                if ended.judged is not None and choice.index == 0:
                    self.judging.count(ended.judged)

    def _ended(self, ended: Ended) -> None:
        self.reasoning_tokens.inc(ended.usage.reasoning_tokens)
        self.answer_tokens.inc(ended.usage.answer_tokens)
        self.answer_words.observe(ended.answer_words)
        if ended.ratio is not None:
            self.length_ratio.labels(source=ended.asked.source).observe(ended.ratio)
        self.finished.labels(reason=ended.finish_reason).inc()
        for fault in ended.faults:
            self.format_faults.labels(kind=fault).inc()


def _forget_the_dead(directory: Path) -> None:
    """Drops the live gauges of processes that are gone, however they went: prometheus-client
    would count their requests as in flight for ever."""
    forget: Any = mark_process_dead  # published without types
    for file in directory.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not psutil.pid_exists(pid):
            forget(pid, str(directory))


class _Clock:
    """Times of one request's drafts."""

    def __init__(self, metrics: Metrics, started: float) -> None:
        self._metrics = metrics
        self._started = started
        self._latest: dict[int, float] = {}
        self._answering: set[int] = set()
        self._shows_chosen = False

    def waits_for_the_best(self) -> None:
        """What comes is shown, not written: the times between its pieces are nobody's."""
        self._shows_chosen = True

    def fragment(self, index: int, channel: Channel) -> None:
        now = time.monotonic()
        before = self._latest.get(index)
        if before is None:
            self._metrics.ttft.observe(now - self._started)
        elif not self._shows_chosen:
            self._metrics.itl.observe(now - before)
        if channel is Channel.ANSWER and index not in self._answering:
            self._answering.add(index)
            self._metrics.ttfa.observe(now - self._started)
        self._latest[index] = now


class Measured:
    """ASGI middleware: requests by route and code, in flight, duration up to the last byte."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A client that goes before the headers is answered by nobody; nginx logs that as 499.
        code: int = 499

        async def noted(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        started = self._monotonic()
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, noted)
        except Exception:
            # Starlette answers it, outside of every middleware.
            code = HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            self._metrics.in_flight.dec()
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route=route, code=f"{code:d}").inc()
            self._metrics.duration.labels(route=route).observe(self._monotonic() - started)
