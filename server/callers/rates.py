"""Requests and tokens a minute, by caller. It must not know what a request is.

A request is let through while its caller has one left and his tokens are not used up. It costs one
request; those of a prompt are charged when it is accepted and those of drafts as they are
written, so a long draft may take a caller into debt, and then he waits until it is paid.
"""

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from server.callers.bucket import Bucket
from server.callers.caller import Caller
from server.errors import TooManyRequests, TooManyTokens

# Clients obey a Retry-After up to this (openai-python, ``_calculate_retry_timeout``).
_MOST_RETRY_AFTER_S = 60


@dataclass(slots=True, kw_only=True)
class Rates:
    """One bucket of requests and one of tokens for each caller that has such a limit."""

    monotonic: Callable[[], float] = time.monotonic
    _requests: dict[str, Bucket] = field(default_factory=dict)
    _tokens: dict[str, Bucket] = field(default_factory=dict)

    def enter(self, caller: Caller) -> None:
        """Takes one request.

        Raises:
            TooManyRequests, TooManyTokens: none is left; nothing was taken.
        """
        now_s = self.monotonic()
        requests = _held(self._requests, caller.name, caller.ceilings.requests_per_minute, now_s)
        tokens = _held(self._tokens, caller.name, caller.ceilings.tokens_per_minute, now_s)
        if requests is not None and requests.level < 1:
            raise TooManyRequests(
                f"this key may send {requests.per_minute} requests a minute",
                retry_after_s=_advice(requests.wait_s(1, now_s)),
            )
        if tokens is not None and tokens.level <= 0:
            raise TooManyTokens(
                f"this key may have {tokens.per_minute} tokens a minute and has had "
                f"{math.ceil(-tokens.level)} more",
                retry_after_s=_advice(tokens.wait_s(1, now_s)),
            )
        if requests is not None:
            self._requests[caller.name] = requests.less(1, now_s)

    def charge(self, name: str, tokens: int) -> None:
        """Tokens that a caller has had."""
        bucket = self._tokens.get(name)
        if bucket is not None:
            self._tokens[name] = bucket.less(tokens, self.monotonic())

    def headers(self, caller: Caller) -> dict[str, str]:
        """How a caller stands, as OpenAI tells it
        (platform.openai.com/docs/guides/rate-limits, "Rate limits in headers")."""
        now_s = self.monotonic()
        told: dict[str, str] = {}
        for kind, buckets in (("requests", self._requests), ("tokens", self._tokens)):
            bucket = buckets.get(caller.name)
            if bucket is not None:
                left = max(0, math.floor(bucket.at(now_s).level))
                told[f"x-ratelimit-limit-{kind}"] = f"{bucket.per_minute}"
                told[f"x-ratelimit-remaining-{kind}"] = f"{left}"
                told[f"x-ratelimit-reset-{kind}"] = duration(
                    bucket.wait_s(bucket.per_minute, now_s)
                )
        return told

    def keep(self, names: Collection[str]) -> None:
        """Forgets every caller but these."""
        for buckets in (self._requests, self._tokens):
            for name in set(buckets) - set(names):
                del buckets[name]


def _held(
    buckets: dict[str, Bucket], name: str, per_minute: int | None, now_s: float
) -> Bucket | None:
    """A caller's bucket as it stands, with the rate that he has now; None: he has no limit."""
    if per_minute is None:
        buckets.pop(name, None)
        return None
    there = buckets.get(name)
    full = Bucket.full(per_minute, now_s)
    buckets[name] = full if there is None else there.held_to(per_minute, now_s)
    return buckets[name]


def _advice(wait_s: float) -> int:
    return min(_MOST_RETRY_AFTER_S, max(1, math.ceil(wait_s)))


def duration(seconds: float) -> str:
    """Time as OpenAI's headers have it, which is Go's way.

    Worked numbers: 0.25 is "250ms", 361 is "6m1s", 7,200 is "2h0m0s".
    """
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest_s = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest_s}s"
    return f"{minutes}m{rest_s}s" if minutes else f"{rest_s}s"
