"""What every connection is held to, as values. It must not know sockets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# In ``scope["state"]``: what is sent is kept elsewhere, so its reader may take his time.
MAY_LAG: Final = "may_lag"


def _nobody(_reason: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """max_header_bytes: of a request's first line and headers together. max_headers: how many.

    receive_timeout_s: for the headers, and again for the body. send_timeout_s: how long a client
    may leave what was sent to it unread. on_cut: told why a connection was ended: "slow_headers",
    "headers_too_large" or "slow_reader".
    trusted_proxies: addresses and networks whose ``X-Forwarded-For`` is believed.
    """

    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    receive_timeout_s: float = 60.0
    send_timeout_s: float = 60.0
    trusted_proxies: tuple[str, ...] = ()
    on_cut: Callable[[str], None] = _nobody
