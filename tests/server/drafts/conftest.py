"""What the tests of stores share: records, drafts that are over, real Redis servers."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotThere

from server.drafts.memory import MemoryStore
from server.drafts.redis import RedisStore
from server.drafts.sqlite import SqliteStore
from server.drafts.store import Kind, Record, State, Store

_BOUND_S = 10.0


class RedisServer:
    """A ``redis-server`` of our own on a free port, in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder, self._arguments = folder, arguments
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Returns once it answers."""
        command = ["redis-server", "--port", f"{self._port}", "--dir", str(self._folder)]
        command += ["--bind", "127.0.0.1", "--save", "", *self._arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + _BOUND_S
        with BlockingRedis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return
                except NotThere:
                    assert time.monotonic() < until
                    time.sleep(0.01)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


def _needs_redis() -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests that do not harm it; each has a prefix of its own."""
    _needs_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers that a test may kill: ``own_redis(argument, ...)``."""
    _needs_redis()
    with ExitStack() as stack:

        def start(*arguments: str) -> RedisServer:
            server = RedisServer(tmp_path, *arguments)
            stack.callback(server.kill)
            return server

        yield start


@pytest.fixture
async def raw_redis(shared_redis: RedisServer) -> AsyncIterator[Any]:
    """A plain client of the shared server."""
    client = Redis.from_url(shared_redis.url)
    yield client
    await client.aclose()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Each store there is, opened."""
    opened: Store = _store(request, tmp_path)
    await opened.open()
    yield opened
    await opened.close()


def _store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "sqlite":
        return SqliteStore(tmp_path / "drafts.db")
    url = request.getfixturevalue("shared_redis").url
    return RedisStore(url, prefix=f"{request.node.name}:")


@pytest.fixture
def a_record() -> Callable[..., Record]:
    """A record with an id; ``fields`` for what a test is about."""

    def made(draft_id: str = "d1", **fields: Any) -> Record:
        plain = {
            "owner": "",
            "kind": Kind.CHAT,
            "state": State.WRITING,
            "created_s": 1.0,
            "updated_s": 1.0,
            "expires_s": None,
            "request": b"{}",
        }
        return Record(id=draft_id, **{**plain, **fields})

    return made


@pytest.fixture
def finished(a_record: Callable[..., Record]) -> Callable[..., Awaitable[None]]:
    """Puts a draft that is over into a store."""

    async def put(store: Store, draft_id: str, whole: bytes = b"whole", **fields: Any) -> None:
        await store.create(a_record(draft_id, **fields), "us", 60)
        await store.end(draft_id, state=State.FINISHED, meta=b"{}", whole=whole)

    return put


@pytest.fixture
def read_all() -> Callable[[AsyncGenerator[bytes, None]], Awaitable[list[bytes]]]:
    """All that a follower is told, up to the draft's end."""

    async def read(bodies: AsyncGenerator[bytes, None]) -> list[bytes]:
        async with asyncio.timeout(_BOUND_S), aclosing(bodies):
            return [body async for body in bodies]

    return read
