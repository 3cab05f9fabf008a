"""The metrics of best-of requests, once: candidates, rewards, judges. No label may hold a text."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from server.events import Candidate, Fate, Judged

_REWARDS = (-5, -2, -1, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1, 2, 5)
_SPREADS = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class JudgingMetrics:
    """What became of candidates, and how their judges did."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.candidates = Counter(
            "longhand_best_of_drafts",
            "Candidates by what became of them",
            ["outcome"],
            registry=registry,
        )
        self.rewards = Histogram(
            "longhand_reward",
            "Rewards of candidates that were judged to the end",
            ["reward"],
            buckets=_REWARDS,
            registry=registry,
        )
        self.score_spread = Histogram(
            "longhand_best_of_score_spread",
            "Best score less worst, of one request's finished candidates",
            buckets=_SPREADS,
            registry=registry,
        )
        self.saved_tokens = Counter(
            "longhand_best_of_saved_tokens",
            "Tokens that stopped candidates would still have taken to be as long as the best",
            registry=registry,
        )
        self.judge_seconds = Histogram(
            "longhand_judge_duration_seconds",
            "Time that a reward took for all drafts it was given at once",
            ["reward"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.judge_failures = Counter(
            "longhand_judge_failures",
            "Drafts that a reward could not judge because it failed",
            ["reward"],
            registry=registry,
        )

    def count_hearing(self, reward: str, seconds: float, failures: int) -> None:
        """One hearing of a reward."""
        self.judge_seconds.labels(reward=reward).observe(seconds)
        self.judge_failures.labels(reward=reward).inc(failures)

    def count(self, judged: Judged) -> None:
        """The outcome of a request, by the first of the drafts shown."""
        best = next(one for one in judged.candidates if one.index == judged.candidate)
        for candidate in judged.candidates:
            self.candidates.labels(outcome=_outcome(candidate, judged.num_shown)).inc()
            if candidate.fate is Fate.PRUNED:
                self.saved_tokens.inc(max(0, _tokens(best) - _tokens(candidate)))
            for name, value in candidate.raw.items():
                if value is not None:
                    self.rewards.labels(reward=name).observe(value)
        scores = [c.score for c in judged.candidates if c.place and c.score is not None]
        if len(scores) > 1:
            self.score_spread.observe(max(scores) - min(scores))

    def count_lost(self, candidates: Sequence[Candidate]) -> None:
        """The outcome of a request of which nothing could be shown."""
        for candidate in candidates:
            if candidate.fate in (Fate.FAILED, Fate.PRUNED):
                self.candidates.labels(outcome=candidate.fate.value).inc()


def _tokens(candidate: Candidate) -> int:
    return candidate.reasoning_tokens + candidate.answer_tokens


def _outcome(candidate: Candidate, num_shown: int) -> str:
    if candidate.place is None:
        return candidate.fate.value
    return "won" if candidate.place <= num_shown else "lost"
