"""Which replicas there are: URLs, and the addresses their names stand for now.

It must not talk to a replica. A name that cannot be resolved keeps the addresses it had.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from server.engine.pool.endpoint import Endpoint, host_of, is_address, port_of
from server.engine.upstream.access import base_url
from server.errors import CannotServe

logger = logging.getLogger(__name__)

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]


async def addresses_of(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, by the system's resolver: those of IPv4 if there are any, for a
    server with both would count twice.

    Raises:
        OSError: there is no such name, or no name server answers.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    by_family = [str(one[4][0]) for one in found if one[0] is socket.AF_INET]
    return by_family or [str(one[4][0]) for one in found]


@dataclass(slots=True, kw_only=True)
class Roster:
    """The replicas that should be there. faults: what is wrong with a name, by its URL."""

    urls: Sequence[str]
    lookup: Lookup = addresses_of
    faults: dict[str, str] = field(default_factory=dict)
    _known: dict[str, tuple[Endpoint, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.change(self.urls)

    def change(self, urls: Sequence[str]) -> None:
        """Other URLs from now on.

        Raises:
            CannotServe: one is none; nothing has changed.
        """
        try:
            self.urls = tuple(dict.fromkeys(base_url(url) for url in urls))
        except ValueError as error:
            raise CannotServe(f"upstream: the address of a server {error}") from None
        self.faults = {url: why for url, why in self.faults.items() if url in self.urls}

    async def endpoints(self) -> tuple[Endpoint, ...]:
        """The replicas, each once, every name asked anew."""
        async with asyncio.TaskGroup() as tasks:
            asked = {url: tasks.create_task(self._resolved(url)) for url in self.urls}
        self._known = {url: task.result() for url, task in asked.items()}
        return tuple(dict.fromkeys(one for found in self._known.values() for one in found))

    async def _resolved(self, url: str) -> tuple[Endpoint, ...]:
        host = host_of(url)
        if is_address(host):
            return (Endpoint(url=url),)
        try:
            addresses = await self.lookup(host, port_of(url))
        except (OSError, UnicodeError) as error:
            if url not in self.faults:
                logger.warning("a name cannot be resolved", extra={"host": host})
            self.faults[url] = f"{host}: {getattr(error, 'strerror', None) or error}"
            return self._known.get(url, ())
        self.faults.pop(url, None)
        return tuple(Endpoint(url=url, address=address) for address in addresses)
