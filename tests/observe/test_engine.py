"""The panels and alerts about vLLM, on a real one: its metrics have the names they are asked by."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

RULES = Path(__file__).parents[2] / "helm" / "longhand" / "files" / "rules"
TASK = [{"role": "user", "content": "Write a 100-word essay about lighthouses."}]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Where a server on vLLM listens, with the bundled model."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "serve", "--engine", "vllm", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LONGHAND_DRAFTS": "memory"},
    )
    assert process.stdout is not None
    try:
        ready = (await process.stdout.readline()).decode()
        yield ready.split(" at ")[1].split(" ")[0]
    finally:
        process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 30)
        if process.returncode is None:
            process.kill()


async def test_every_query_about_vllm_has_data_of_a_real_run(
    url: str, watching: Any, queries: Any
) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=100) as client, watching(url) as prometheus:
        await prometheus.until("longhand_engine_up == 1")
        for round_ in (1, 2):
            body = {"messages": TASK, "max_tokens": 300, "writing": {"best_of": 2}}
            assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
            # vLLM times a request as a whole only if it ends by itself; a turned draft does not.
            body = {"prompt": "Once", "max_tokens": 20}
            assert (await client.post("/v1/completions", json=body)).status_code == 200
            await prometheus.until(f"longhand_answer_words_count == {2 * round_}")
        at_s = await prometheus.until("vllm:generation_tokens_total > 0")
        asked = [one for one in queries if "vllm:" in one.promql or "process_" in one.promql]
        empty = [one for one in asked if not await prometheus.ask(one.promql, at_s=at_s)]
        rules = "".join(path.read_text(encoding="utf-8") for path in RULES.iterdir())
        named = set(re.findall(r"\b(?:vllm:|process_)\w+", rules))
        unknown = [name for name in named if not await prometheus.ask(name, at_s=at_s)]
    assert empty == []
    assert len(asked) > 15
    assert unknown == []
    assert len(named) == 5
