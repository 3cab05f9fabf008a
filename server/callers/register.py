"""Everything about callers that a running server asks for, as one value. It must not know HTTP."""

from contextvars import ContextVar
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from server.caller_metrics import CallerMetrics
from server.callers.caller import Caller
from server.callers.keyring import Keyring
from server.callers.keys import Keys
from server.callers.rates import Rates


@dataclass(slots=True)
class Spent:
    """Tokens that one request has had so far; its line in the log says them."""

    tokens: int = 0


# What is written for a request is counted where it is written, in tasks that know no request; they
# are started from its own and inherit this (PEP 567). A draft carried on after a crash has none.
SPENT: ContextVar[Spent | None] = ContextVar("SPENT", default=None)


@dataclass(slots=True, kw_only=True)
class Bill:
    """The tokens of one request, as they are written: they are charged to its caller's rate, the
    metrics and its line in the log."""

    rates: Rates
    metrics: CallerMetrics
    name: str
    label: str
    spent: Spent | None = field(default_factory=SPENT.get)
    _by_draft: dict[int, int] = field(default_factory=dict)

    def charge(self, tokens: int) -> None:
        self.rates.charge(self.name, tokens)
        self.metrics.tokens.labels(caller=self.label).inc(tokens)
        if self.spent is not None:
            self.spent.tokens += tokens

    def wrote(self, index: int, tokens: int) -> None:
        """The ``index``-th draft has so many tokens now. What is cut from it was written all the
        same, and is charged once."""
        new = tokens - self._by_draft.get(index, 0)
        if new > 0:
            self._by_draft[index] = tokens
            self.charge(new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Who may call, how much each has had, and what is counted of it."""

    keyring: Keyring
    metrics: CallerMetrics
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        self.keyring.on_change = self._forget_others

    def _forget_others(self, keys: Keys) -> None:
        self.rates.keep([key.id for key in keys.keys])

    def caller(self, headers: Headers) -> Caller:
        """The caller of a request, by the keys as they are now. Raises Unauthorized."""
        return self.keyring.current().caller(headers)

    def enter(self, caller: Caller) -> None:
        """Counts a request for work. Raises TooManyRequests, TooManyTokens."""
        self.metrics.requests.labels(caller=caller.label).inc()
        self.rates.enter(caller)

    def max_drafts(self, name: str) -> int | None:
        """How many drafts a caller may have under way; None: as many as anyone."""
        return self.keyring.keys.named(name).ceilings.max_drafts

    def bill(self, name: str) -> Bill:
        """Where the tokens of one request of a caller go."""
        label = self.keyring.keys.named(name).label
        return Bill(rates=self.rates, metrics=self.metrics, name=name, label=label)
