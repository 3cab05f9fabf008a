"""What tests share: a gateway around a scripted engine, by two doors, and bounded waits."""

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from server.app import choose, create_app
from server.engine.base import Card, Engine
from server.engine.scripted import DEMO, Play, ScriptedEngine
from server.host import Host
from server.routes.service import Service
from server.settings import Settings

_BOUND_S = 10.0


@dataclass(kw_only=True)
class Gateway:
    """An application, its scripted engine, and a client. ``host`` is None without a socket."""

    app: FastAPI
    engine: ScriptedEngine
    registry: CollectorRegistry
    client: httpx.AsyncClient
    host: Any = None
    serving: asyncio.Task[None] | None = None

    @property
    def service(self) -> Service:
        service: Service = self.app.state.service
        return service

    async def chat(self, **fields: Any) -> httpx.Response:
        """A chat request about one task, unless ``fields`` say otherwise."""
        return await self.client.post("/v1/chat/completions", json=chat_body(**fields))

    async def complete(self, **fields: Any) -> httpx.Response:
        return await self.client.post("/v1/completions", json={"prompt": "Once", **fields})

    @asynccontextmanager
    async def stream(
        self, path: str = "/v1/chat/completions", **fields: Any
    ) -> AsyncGenerator[AsyncGenerator[Any, None], None]:
        """What a stream says, event by event: parsed data, "[DONE]", comments as they are."""
        body = {"prompt": "Once"} if path == "/v1/completions" else chat_body()
        async with (
            self.client.stream("POST", path, json={**body, "stream": True, **fields}) as response,
            aclosing(_events(response)) as events,
        ):
            yield events

    async def streamed(self, path: str = "/v1/chat/completions", **fields: Any) -> list[Any]:
        async with self.stream(path, **fields) as events:
            return [event async for event in events]

    def value(self, name: str, **labels: str) -> float | None:
        """A metric's value; None for a series that does not exist."""
        return self.registry.get_sample_value(name, labels)


def chat_body(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Write a line."}], **fields}


async def _events(response: httpx.Response) -> AsyncGenerator[Any, None]:
    assert response.status_code == 200, await response.aread()
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))
        elif line:
            yield line.removeprefix("data: ")


class ListeningHost(Host):
    """A host that says when it listens."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.listening = asyncio.Event()
        self.out = named["out"]

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        # uvicorn's looks ten times a second whether it is to end, and every test would wait for it.
        await self.on_tick(0)
        await _until(lambda: self.should_exit)


class Printed(io.StringIO):
    """Standard output that says when a line was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = asyncio.Event()

    def flush(self) -> None:
        super().flush()
        if not self.closed:
            self.flushed.set()


def _build(
    plays: tuple[Play, ...], build: Callable[[], Engine] | None, given: dict[str, Any]
) -> tuple[FastAPI, ScriptedEngine, CollectorRegistry, Settings]:
    settings = Settings(
        **{"engine": "scripted", "port": 0, "shutdown_grace_s": 5.0, "drafts": "memory", **given}
    )
    card = Card(
        model=settings.served_model_name or "scripted",
        window_tokens=settings.max_model_len or 32_768,
        vocabulary_tokens=1_000_000,
    )
    engine = ScriptedEngine(plays=plays or (DEMO,), card=card)
    serving = replace(choose(settings), build=build or (lambda: engine))
    registry = CollectorRegistry()
    return create_app(settings, serving, registry=registry), engine, registry, settings


@pytest.fixture
async def gateway() -> AsyncIterator[Callable[..., Awaitable[Gateway]]]:
    """Starts applications without a socket: ``await gateway(play, ..., setting=value)``.

    httpx delivers their streams in one piece; where time matters, use ``served``.
    """
    async with AsyncExitStack() as stack:

        async def start(*plays: Play, ready: bool = True, **settings: Any) -> Gateway:
            app, engine, registry, _ = _build(plays, settings.pop("build", None), settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://gateway")
            started = Gateway(
                app=app,
                engine=engine,
                registry=registry,
                client=await stack.enter_async_context(client),
            )
            if ready:
                async with asyncio.timeout(_BOUND_S):
                    await started.service.engine.ready.wait()
            return started

        yield start


@pytest.fixture
async def served() -> AsyncIterator[Callable[..., Awaitable[Gateway]]]:
    """Starts hosts on loopback ports of their own: ``await served(play, ..., setting=value)``."""
    async with AsyncExitStack() as stack:

        async def start(*plays: Play, ready: bool = True, **settings: Any) -> Gateway:
            app, engine, registry, known = _build(plays, settings.pop("build", None), settings)
            host = ListeningHost(
                app,
                address=(known.host, known.port),
                shutdown_grace_s=known.shutdown_grace_s,
                describe=lambda url: f"ready at {url}",
                out=Printed(),
            )
            serving = asyncio.create_task(host.serve())
            stack.push_async_callback(_end, host, serving)
            async with asyncio.timeout(_BOUND_S):
                await (host.out.flushed if ready else host.listening).wait()
            # Without verify=False each client would read the certificates, 20 ms of a test.
            client = httpx.AsyncClient(base_url=host.url, timeout=_BOUND_S, verify=False)
            return Gateway(
                app=app,
                engine=engine,
                registry=registry,
                client=await stack.enter_async_context(client),
                host=host,
                serving=serving,
            )

        yield start


async def _end(host: Host, serving: asyncio.Task[None]) -> None:
    host.should_exit = host.force_exit = True
    async with asyncio.timeout(_BOUND_S):
        await serving


class Process:
    """``python -m server serve`` with the scripted engine on a free port."""

    def __init__(self, **environ: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env={
                "PATH": os.environ["PATH"],
                "LONGHAND_ENGINE": "scripted",
                "LONGHAND_DRAFTS": "memory",
                **environ,
            },
        )
        # A bound on every read from it.
        self._watchdog = threading.Timer(15, self._process.kill)
        self._watchdog.start()
        self.send_signal = self._process.send_signal

    def ready(self) -> str:
        """The line it prints once it is ready; empty if it ends before."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def url(self) -> str:
        """Where it listens, from its ready line."""
        return self.ready().split(" at ")[1].split(" ")[0]

    def end(self) -> tuple[str, str, int]:
        """The rest of what it printed, its log, its exit code."""
        out, err = self._process.communicate(timeout=15)
        return out, err, self._process.returncode

    def close(self) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="session")
def small_tokenizer() -> Callable[..., Any]:
    """Saves a byte-level BPE of 320 entries: ``small_tokenizer(folder, text)``, as transformers
    has it; with ``chat`` it has a chat template."""
    return _small_tokenizer


def _small_tokenizer(folder: Path, text: str, *, chat: str | None = None) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
    if chat is not None:
        fast.chat_template = chat
    fast.save_pretrained(folder)
    return fast


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    """Starts the command for real: ``process(LONGHAND_SETTING="value")``."""
    with ExitStack() as stack:

        def start(**environ: str) -> Process:
            started = Process(**environ)
            stack.callback(started.close)
            return started

        yield start


@pytest.fixture
def fail_after() -> Callable[[float], asyncio.Timeout]:
    """``async with fail_after(5):`` bounds whatever waits inside."""
    return asyncio.timeout


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """``await until(condition)``: lets the loop run until it holds, for ten seconds at most."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(_BOUND_S):
            await _until(condition)

    return wait


async def _until(condition: Callable[[], object]) -> None:
    while True:
        if condition():
            return
        await asyncio.sleep(0.002)
