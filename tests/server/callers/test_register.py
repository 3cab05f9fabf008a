"""Where the tokens of one request go."""

import pytest
from prometheus_client import CollectorRegistry

from server.caller_metrics import CallerMetrics
from server.callers.keyring import Keyring
from server.callers.keys import Keys, keys_of
from server.callers.register import SPENT, Register, Spent

TOKENS = "longhand_caller_tokens_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def register(registry: CollectorRegistry) -> Register:
    keyring = Keyring(path=None, always=Keys(keys=keys_of(["sk-one"])))
    return Register(keyring=keyring, metrics=CallerMetrics(registry))


def test_what_is_cut_from_a_draft_is_charged_once_and_not_given_back(
    register: Register, registry: CollectorRegistry
) -> None:
    token = SPENT.set(Spent())
    try:
        bill = register.bill("00ff00ff")
    finally:
        SPENT.reset(token)
    for index, tokens in ((0, 5), (1, 4), (0, 3), (0, 7)):
        bill.wrote(index, tokens)
    assert bill.spent == Spent(tokens=11)
    assert registry.get_sample_value(TOKENS, {"caller": "unnamed"}) == 11


def test_a_draft_that_no_request_waits_for_is_charged_all_the_same(
    register: Register, registry: CollectorRegistry
) -> None:
    register.bill("00ff00ff").charge(5)
    assert registry.get_sample_value(TOKENS, {"caller": "unnamed"}) == 5
