"""A real Prometheus and its linter read the metrics page. Skipped where they are not installed."""

import asyncio
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")

needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None or PROMTOOL is None, reason="prometheus and promtool are not installed"
)

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: longhand
    static_configs: [{{targets: ["{target}"]}}]
"""


@needs_prometheus
async def test_promtool_finds_nothing_wrong_with_the_page(gateway: Any) -> None:
    desk = await gateway()
    await desk.chat(n=2)
    page = (await desk.client.get("/metrics")).text
    # The linter reads the classic format, which has no "_created" series of their own.
    linted = await asyncio.to_thread(
        subprocess.run,
        [PROMTOOL, "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert linted.returncode == 0, linted.stderr


def unused_port() -> int:
    """Prometheus cannot pick a free port by itself."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


async def answer_to(client: httpx.AsyncClient, query: str, wanted: str) -> None:
    """Asks until Prometheus says so; the test's own time limit bounds it."""
    while True:
        # While it starts it refuses connections, then requests.
        with suppress(httpx.TransportError):
            answer = await client.get("/api/v1/query", params={"query": query})
            series = answer.json()["data"]["result"] if answer.is_success else []
            if series and series[0]["value"][1] == wanted:
                return
        await asyncio.sleep(0.05)


@needs_prometheus
async def test_prometheus_scrapes_what_was_counted(served: Any, tmp_path: Path) -> None:
    desk = await served()
    await desk.chat(n=2)
    config = tmp_path / "prometheus.yml"
    target = str(desk.client.base_url).removeprefix("http://").rstrip("/")
    config.write_text(CONFIG.format(target=target), encoding="utf-8")
    address = f"127.0.0.1:{unused_port()}"
    process = await asyncio.create_subprocess_exec(
        str(PROMETHEUS),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            await answer_to(client, 'up{job="longhand"}', "1")
            await answer_to(client, "longhand_engine_up", "1")
            await answer_to(client, 'sum(longhand_drafts_finished_total{reason="stop"})', "2")
            await answer_to(client, "longhand_answer_words_count", "2")
    finally:
        process.terminate()
        await process.wait()
