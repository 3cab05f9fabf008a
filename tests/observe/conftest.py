"""A real Prometheus that scrapes servers, and what the dashboards ask, as they are shipped."""

import asyncio
import json
import math
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

FILES = Path(__file__).parents[2] / "helm" / "longhand" / "files"
_CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 250ms}}
rule_files: ["{rules}/*.yaml"]
scrape_configs:
  - job_name: longhand
    static_configs: [{{targets: {targets}}}]
"""
# What Grafana would fill in. The window holds the whole test.
_FILLED_IN = {"$__rate_interval": "2m", "$job": ".*", "$instance": ".*", "$model": ".*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query of a panel, as Prometheus gets it."""

    panel: str
    promql: str
    legend: str


@pytest.fixture(scope="session")
def queries() -> list[Asked]:
    """Every query of every dashboard that the chart ships."""
    return list(_queries())


def _queries() -> Iterator[Asked]:
    for path in sorted((FILES / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                promql = target["expr"]
                for name, value in _FILLED_IN.items():
                    promql = promql.replace(name, value)
                yield Asked(
                    panel=f"{path.stem}: {panel['title']}",
                    promql=promql,
                    legend=target["legendFormat"],
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A running one, asked over its API; the limit of the test bounds every wait."""

    client: httpx.AsyncClient

    async def ask(self, promql: str, *, at_s: float | None = None) -> list[dict[str, Any]]:
        """The series of an instant query that have a number; ``at_s``: as of that time."""
        asked = {"query": promql} | ({} if at_s is None else {"time": at_s})
        told = (await self.client.get("/api/v1/query", params=asked)).json()
        assert told["status"] == "success", told
        return [one for one in told["data"]["result"] if not math.isnan(float(one["value"][1]))]

    async def until(self, promql: str) -> float:
        """Returns once the query has a result: the time at which it had."""
        while True:
            # While it starts it refuses connections, then requests.
            with suppress(httpx.TransportError, ValueError):
                for one in await self.ask(promql):
                    return float(one["value"][0])
            await asyncio.sleep(0.05)

    async def rules(self) -> list[dict[str, Any]]:
        answer = await self.client.get("/api/v1/rules")
        return [rule for group in answer.json()["data"]["groups"] for rule in group["rules"]]


Watching = Callable[..., AbstractAsyncContextManager[Prometheus]]


def _unused_port() -> int:
    """Prometheus cannot pick a free port by itself."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    """``async with watching(url, ...) as prometheus``: it has the rules and scrapes those."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")

    @asynccontextmanager
    async def start(*urls: str) -> AsyncGenerator[Prometheus, None]:
        config = tmp_path / "prometheus.yml"
        targets = json.dumps([url.removeprefix("http://").rstrip("/") for url in urls])
        text = _CONFIG.format(targets=targets, rules=FILES / "rules")
        config.write_text(text, encoding="utf-8")
        address = f"127.0.0.1:{_unused_port()}"
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as client:
                yield Prometheus(client=client)
        finally:
            process.terminate()
            await process.wait()

    return start
