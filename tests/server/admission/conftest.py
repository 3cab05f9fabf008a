"""What tests of admission share: requests that wait."""

from collections.abc import Callable
from typing import Any

import pytest

from server.admission.claim import Claim, Share
from server.admission.queue import Waiter, due


def _claim(tokens: int, drafts: int = 1) -> Claim:
    """Claims ``tokens`` in all, of which the prompt takes 1."""
    each, rest = divmod(tokens - 1, drafts)
    shares = [Share(expected_tokens=each, most_tokens=10**6) for _ in range(drafts)]
    return Claim(1 + rest, shares)


def _waiter(
    caller: str, tokens: int = 100, *, drafts: int = 1, at_s: float = 0.0, priority: int = 0
) -> Waiter:
    return Waiter(claim=_claim(tokens, drafts), caller=caller, due_s=due(at_s, priority))


@pytest.fixture(scope="session")
def claim() -> Callable[..., Claim]:
    """``claim(tokens, drafts)``"""
    return _claim


@pytest.fixture(scope="session")
def waiter() -> Callable[..., Any]:
    """``waiter(caller, tokens, drafts=, at_s=, priority=)``"""
    return _waiter
