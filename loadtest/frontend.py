"""Front-end cost beside vLLM's own server: same model, same load, same run (``make bench``).

CPU time of the server's main process per token, not wall time: the engine's processes and this
client share the machine. It must not import the server.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.client import Outcome, stream
from loadtest.process import Running, server

_TEXT = "Write about the sea, the harbour and the people who live from it."
_POCKET = Path(__file__).parent.parent / "server" / "pocket" / "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """``num_streams`` answers of exactly ``num_tokens`` tokens, all at once."""

    route: str
    num_streams: int
    num_tokens: int

    def body(self, model: str, at: int) -> dict[str, Any]:
        shared = {
            "model": model,
            "max_tokens": self.num_tokens,
            "min_tokens": self.num_tokens,
            "ignore_eos": True,
            "temperature": 0.6,
            "seed": at,
        }
        if self.route == "/v1/completions":
            return {**shared, "prompt": _TEXT}
        return {**shared, "messages": [{"role": "user", "content": _TEXT}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one load cost one server."""

    name: str
    route: str
    cpu_us_per_token: float
    tokens_per_s: float
    tokens_per_event: float
    first_s: float


async def _all(url: str, model: str, load: Load) -> list[Outcome]:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(stream(url + load.route, load.body(model, at)))
            for at in range(load.num_streams)
        ]
    return [outcome for task in tasks if (outcome := task.result()) is not None]


def measure(running: Running, model: str, load: Load) -> Figure:
    before = running.front_end_cpu_s()
    outcomes = asyncio.run(_all(running.url, model, load))
    cpu_s = running.front_end_cpu_s() - before
    num_tokens = sum(outcome.completion_tokens for outcome in outcomes)
    return Figure(
        name=running.name,
        route=load.route,
        cpu_us_per_token=1e6 * cpu_s / num_tokens,
        tokens_per_s=num_tokens / max(outcome.total_s for outcome in outcomes),
        tokens_per_event=num_tokens / sum(outcome.num_events for outcome in outcomes),
        first_s=statistics.median(outcome.first_s for outcome in outcomes),
    )


def _series(running: Running, model: str, loads: Sequence[Load], rounds: int) -> list[Figure]:
    """The median round of each load, by cost; one short load first, not counted."""
    measure(running, model, Load(route=loads[0].route, num_streams=4, num_tokens=64))
    figures = []
    for load in loads:
        tried = [measure(running, model, load) for _ in range(rounds)]
        tried.sort(key=lambda figure: figure.cpu_us_per_token)
        figures.append(tried[len(tried) // 2])
    return figures


def _longhand(options: argparse.Namespace) -> list[str]:
    return ["server", "serve", "--model", options.model, "--engine", "vllm", "--port", "8911"]


def _vllm(options: argparse.Namespace) -> list[str]:
    executor = "vllm.v1.executor.uniproc_executor.UniProcExecutor"
    return [
        *("vllm.entrypoints.openai.api_server", "--model", options.model),
        *("--served-model-name", "peer", "--port", "8912", "--host", "127.0.0.1"),
        *("--max-model-len", str(options.window), "--enforce-eager"),
        *("--max-num-seqs", "256", "--uvicorn-log-level", "warning"),
        # As Longhand sets them on the CPU, so that both engines do the same work.
        *("--no-enable-chunked-prefill", "--max-num-batched-tokens", str(options.window)),
        *("--distributed-executor-backend", executor),
    ]


def _print(running: Running, figures: Sequence[Figure]) -> None:
    front, tree = running.memory_mib()
    print(
        f"{running.name}: ready after {running.ready_s:.1f} s, front end {front:.0f} MiB, "
        f"with engine {tree:.0f} MiB"
    )
    for f in figures:
        print(
            f"  {f.route:22} {f.cpu_us_per_token:7.1f} us CPU/token  {f.tokens_per_s:7.0f} tokens/s"
            f"  {f.tokens_per_event:5.2f} tokens/event  first text {f.first_s:.2f} s"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(_POCKET))
    parser.add_argument("--window", type=int, default=32_768)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    loads = [
        Load(route=route, num_streams=options.streams, num_tokens=options.tokens)
        for route in ("/v1/completions", "/v1/chat/completions")
    ]
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "TORCHDYNAMO_DISABLE": "1"}
    ours = {**environment, "LONGHAND_SERVED_MODEL_NAME": "peer", "LONGHAND_LOG_LEVEL": "warning"}
    costs: list[dict[str, float]] = []
    for name, arguments, port, health, variables in (
        ("Longhand", _longhand(options), 8911, "/health/ready", ours),
        ("vLLM's own server", _vllm(options), 8912, "/health", environment),
    ):
        with server(name, arguments, port=port, health=health, environment=variables) as running:
            figures = _series(running, "peer", loads, options.rounds)
            _print(running, figures)
            costs.append({f.route: f.cpu_us_per_token for f in figures})
    for load in loads:
        print(f"Longhand / vLLM, {load.route}: {costs[0][load.route] / costs[1][load.route]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
