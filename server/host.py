"""The process around the application: listen, say when ready, drain, end. It must not build parts.

Exit codes: 0 after a signal was obeyed, 1 when the server could not start, 3 when its engine
could not be started or died and was not to be restarted.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from types import FrameType
from typing import TextIO

import uvicorn
from fastapi import FastAPI

from server.edges.connection import bounded
from server.routes.service import Service

logger = logging.getLogger(__name__)

CANNOT_LISTEN = 1
ENGINE_FAILED = 3
# uvicorn's own grace for connections; drafts had theirs before (``shutdown_grace_s``).
_CONNECTIONS_S = 5
# Longer than clients and load balancers keep an idle connection (60 s is common): whoever closes
# second must not be the one who sends. uvicorn's 5 s equal httpx's own, and requests get lost.
_KEEP_ALIVE_S = 75
_TICK_S = 0.1
# Where a client reaches a server that listens on every address of a family.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


class Host(uvicorn.Server):
    """uvicorn, with an engine whose life it follows."""

    def __init__(
        self,
        app: FastAPI,
        *,
        address: tuple[str, int],
        shutdown_grace_s: float,
        describe: Callable[[str], str],
        out: TextIO,
    ) -> None:
        host, port = address
        service: Service = app.state.service
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                # "auto" swallows a lifespan that fails.
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                # The connections' class is uvicorn's own way to have others than its own.
                http=bounded(service.bounds),
                proxy_headers=bool(service.bounds.trusted_proxies),
                forwarded_allow_ips=list(service.bounds.trusted_proxies),
                timeout_graceful_shutdown=_CONNECTIONS_S,
                timeout_keep_alive=_KEEP_ALIVE_S,
            )
        )
        self._service = service
        self._keyring = service.register.keyring
        self._grace_s = shutdown_grace_s
        self._describe = describe
        self._out = out
        self._watching: asyncio.Task[None] | None = None
        self.exit_code = 0

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self._keyring.path is not None:
            # Without a file a hang-up ends the process, as it always did.
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self._keyring.reload)
        self._watching = asyncio.create_task(self._watch(), name="watch engine")

    async def _watch(self) -> None:
        """Says once that the server is ready; ends it when the engine is gone for good."""
        engine = self._service.engine
        ready = asyncio.create_task(engine.ready.wait())
        failed = asyncio.create_task(engine.failed.wait())
        try:
            await asyncio.wait([ready, failed], return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                self._say(self._describe(self.url))
            await failed
        finally:
            ready.cancel()
            failed.cancel()
        logger.error("no engine: %s", engine.reason)
        self.exit_code = ENGINE_FAILED
        self.should_exit = True

    def _say(self, line: str) -> None:
        # Whoever closed our standard output still wants the server.
        with suppress(OSError):
            self._out.write(f"{line}\n")
            self._out.flush()

    @property
    def url(self) -> str:
        """Where the server listens, with the port it really got."""
        name, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{_REACHED_AT.get(name, f'[{name}]' if ':' in name else name)}:{port}"

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own would raise the signal again in the end and lose the exit code, and hurry
        # at a second Ctrl-C only.
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Takes nothing on, lets drafts finish for a while, hands over those that are kept, frees
        the engine, closes."""
        assert self._watching is not None
        self._watching.cancel()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        await self._drain()
        if self._service.shelf is not None:
            await self._service.shelf.scribe.hand_over()
        # Before the connections are closed: what still runs ends with an error event.
        await self._service.engine.stop()
        await super().shutdown(sockets)
        if self.force_exit:
            # uvicorn skips this in a hurry; with the engine freed it takes no time.
            await self.lifespan.shutdown()

    async def _drain(self) -> None:
        admission = self._service.desk.admission
        admission.close()
        until = time.monotonic() + self._grace_s
        if self.exit_code:
            return
        while not self.force_exit and not admission.idle.is_set() and time.monotonic() < until:
            with suppress(TimeoutError):
                await asyncio.wait_for(admission.idle.wait(), _TICK_S)


def run(host: Host) -> int:
    """Serves until a signal or the engine's end; returns the exit code."""
    try:
        host.run()
    except SystemExit:
        # uvicorn's way to say that it cannot listen; it has logged why.
        return CANNOT_LISTEN
    return host.exit_code
