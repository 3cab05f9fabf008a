"""Where a replica is reached: a URL, and one of the addresses its name stands for. No I/O."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One replica. ``url`` names it to itself: its host goes into ``Host``, SNI and the check of
    the certificate. ``address`` is the IP address to connect to; None: as the URL says.
    """

    url: str
    address: str | None = None

    @property
    def name(self) -> str:
        """What it is called in logs, metrics and messages; no path and no key."""
        host, port = host_of(self.url), port_of(self.url)
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return shown if self.address is None else f"{shown}@{self.address}"


def host_of(url: str) -> str:
    """The host of a URL."""
    return urlsplit(url).hostname or ""


def port_of(url: str) -> int:
    """The port that a URL names or its scheme implies."""
    parts = urlsplit(url)
    return parts.port or _PORTS[parts.scheme]


def is_address(host: str) -> bool:
    """Whether a host is an IP address, which no name server needs to be asked about."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
