"""The server as a process on real vLLM: streams, disconnects, deaths. Every wait is bounded."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest

from server.machine import has_gpu

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

START_S = 150.0
TASK = [{"role": "user", "content": "Write a 2,000-word essay about lighthouses."}]


@dataclass(frozen=True)
class Server:
    process: "subprocess.Popen[str]"
    url: str
    lines: list[str]

    def metric(self, name: str) -> float:
        page = httpx.get(f"{self.url}/metrics").text
        found = [line for line in page.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def ask(self, **body: Any) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.url}/v1/chat/completions", json={"messages": TASK, **body}, timeout=120
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def eventually(what: Callable[[], Any], within_s: float) -> None:
    until = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < until, f"not within {within_s} s"
        threading.Event().wait(0.05)


def ready(server: Server) -> bool:
    return httpx.get(f"{server.url}/health/ready").status_code == 200


def engine_processes(server: "subprocess.Popen[str]") -> list[psutil.Process]:
    children = psutil.Process(server.pid).children(recursive=True)
    return [p for p in children if "resource_tracker" not in " ".join(p.cmdline())]


@contextmanager
def launched(*arguments: str, **environment: str) -> Iterator[Server]:
    """`longhand serve` on a free port; `lines` fills with its standard output."""
    with subprocess.Popen(
        [sys.executable, "-m", "server", "serve", "--engine", "vllm", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LONGHAND_DRAFTS": "memory", **environment},
    ) as process:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
        reader.start()
        try:
            eventually(lambda: lines or process.poll() is not None, START_S)
            assert lines, f"exit code {process.poll()}"
            yield Server(process, lines[0].split(" at ")[1].split(" ")[0], lines)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            reader.join(10)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with launched() as running:
        yield running


def frames_of(server: Server, **body: Any) -> list[dict[str, Any]]:
    with httpx.stream(
        "POST",
        f"{server.url}/v1/chat/completions",
        json={"messages": TASK, "stream": True, **body},
        timeout=120,
    ) as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def joined(frames: list[dict[str, Any]], field: str) -> str:
    return "".join(
        choice["delta"].get(field) or "" for frame in frames for choice in frame.get("choices", [])
    )


def test_the_scheduler_and_its_one_rank_are_one_process(server: Server) -> None:
    if has_gpu():
        pytest.skip("with a GPU vLLM decides")
    assert len(engine_processes(server.process)) == 1


def test_a_greedy_stream_and_the_whole_answer_are_the_same_and_show_no_tag(server: Server) -> None:
    # A turn drops as many tokens as happen to be on their way, so the limit falls elsewhere.
    plain = {"length_control": "off", "loop_guard": False}
    wishes = {"temperature": 0, "max_tokens": 1500, "writing": plain}
    frames = frames_of(server, **wishes, stream_options={"include_usage": True})
    whole = server.ask(**wishes)
    message = whole["choices"][0]["message"]
    assert joined(frames, "content") == message["content"]
    assert joined(frames, "reasoning") == message.get("reasoning", "")
    for text in (message["content"], message.get("reasoning", "")):
        assert not any(tag in text for tag in ("<think>", "</think>", "<answer>", "</answer>"))
    assert frames[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


def test_usage_agrees_with_the_engines_own_counter(server: Server) -> None:
    before = server.metric("vllm:generation_tokens_total")
    # A turn closes the engine's stream, which has made a token or two more by then.
    plain = {"length_control": "off", "loop_guard": False}
    usages = [
        server.ask(max_tokens=size, seed=size, writing=plain)["usage"] for size in (7, 150, 900)
    ]
    counted = server.metric("vllm:generation_tokens_total") - before
    assert counted == sum(usage["completion_tokens"] for usage in usages)


def asked_for(words: int, topic: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Write a {words}-word essay about {topic}."}]


@pytest.mark.parametrize("control", ["extend", "pace"])
def test_answers_end_within_the_range_they_were_asked_for(server: Server, control: str) -> None:
    """Seeds whose drafts end short, run over or loop without control are among these."""
    with ThreadPoolExecutor(8) as pool:
        bodies = list(
            pool.map(
                lambda seed: server.ask(
                    seed=seed,
                    messages=asked_for(500, "glassblowing"),
                    writing={"length_control": control},
                    max_tokens=6_000,
                ),
                range(8),
            )
        )
    reports = [body["writing"] for body in bodies]
    assert all(report["asked"] == [450, 550] for report in reports)
    # A text that its model ends again and again within a tenth of the range stays there: only
    # pace can lead it on.
    low = sum(report["words"] < (450 if control == "pace" else 405) for report in reports)
    high = sum(report["words"] > 550 for report in reports)
    assert low <= 1
    # Nothing but pace ends a text that runs over.
    assert control == "extend" or high <= 1
    assert all(
        body["choices"][0]["finish_reason"] == "stop" for body in bodies if control == "pace"
    )


def test_a_healthy_answer_is_the_same_with_the_loop_guard_on_and_off(server: Server) -> None:
    def answers(*, guard: bool) -> list[dict[str, Any]]:
        wish = {"loop_guard": guard, "length_control": "off"}
        messages = asked_for(300, "soil science")
        return [
            server.ask(seed=seed, messages=messages, max_tokens=1_200, writing=wish)
            for seed in range(4)
        ]

    pairs = zip(answers(guard=True), answers(guard=False), strict=True)
    healthy = [pair for pair in pairs if pair[0]["writing"]["loops_repaired"] == 0]
    assert len(healthy) >= 2
    for guarded, plain in healthy:
        assert guarded["choices"][0]["message"] == plain["choices"][0]["message"]


def test_an_answer_longer_than_the_window_is_one_answer() -> None:
    with launched(LONGHAND_MAX_MODEL_LEN="2048") as small:
        body = small.ask(messages=asked_for(3_000, "rail travel"), seed=1)
    report, text = body["writing"], body["choices"][0]["message"]["content"]
    assert report["windows"] > 2
    assert 2_700 <= report["words"] <= 3_300
    assert body["choices"][0]["finish_reason"] == "stop"
    numbers = [int(n) for n in re.findall(r"^## (\d+) of \d+: ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 10


def test_log_probabilities_come_with_the_answers_tokens(server: Server) -> None:
    whole = server.ask(
        max_tokens=12, temperature=0, logprobs=True, top_logprobs=2, reasoning_effort="none"
    )
    choice = whole["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert choice["message"]["content"].strip() in "".join(token["token"] for token in tokens)
    assert all(len(token["top_logprobs"]) == 2 and token["logprob"] <= 0 for token in tokens)


def test_a_seeded_draft_can_be_repeated(server: Server) -> None:
    first, again = (server.ask(max_tokens=200, seed=11)["choices"][0]["message"] for _ in range(2))
    assert first == again


async def _read(server: Server, seed: int, leave_after: int | None) -> int:
    """Reads a stream to its end, or hangs up after some chunks; returns the chunks read."""
    body = {"messages": TASK, "stream": True, "max_tokens": 2000, "min_tokens": 1500, "seed": seed}
    num_chunks = 0
    async with (
        httpx.AsyncClient(timeout=120) as client,
        client.stream("POST", f"{server.url}/v1/chat/completions", json=body) as answer,
    ):
        async for line in answer.aiter_lines():
            num_chunks += line.startswith("data: {")
            if leave_after is not None and num_chunks >= leave_after:
                break
    return num_chunks


async def test_clients_that_leave_half_way_free_their_slots_within_two_seconds(
    server: Server,
) -> None:
    async with asyncio.TaskGroup() as group:
        for seed in range(32):
            group.create_task(_read(server, seed, leave_after=100))
    left = time.monotonic()
    while server.metric("vllm:num_requests_running") or server.metric("vllm:num_requests_waiting"):
        assert time.monotonic() - left < 2.0
        await asyncio.sleep(0.05)
    assert server.metric("longhand_disconnects_total") >= 32


def test_a_dead_engine_ends_its_streams_with_an_error_and_is_started_again() -> None:
    with launched(LONGHAND_ON_ENGINE_DEATH="restart") as server:
        with httpx.stream(
            "POST",
            f"{server.url}/v1/chat/completions",
            json={"messages": TASK, "stream": True, "min_tokens": 20_000},
            timeout=60,
        ) as answer:
            lines = answer.iter_lines()
            # The opening chunk: the request may not even have reached the engine yet.
            next(line for line in lines if line)
            for process in engine_processes(server.process):
                process.kill()
            rest = [line for line in lines if line.startswith("data: ")]
        assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "engine_died"
        assert rest[-1] == "data: [DONE]"
        eventually(lambda: not ready(server), within_s=5)
        eventually(lambda: ready(server), within_s=START_S)
        assert server.ask(max_tokens=5)["usage"]["completion_tokens"] == 5
        orphans = engine_processes(server.process)
        assert orphans
        server.process.kill()
        eventually(lambda: not any(p.is_running() for p in orphans), within_s=10)


def test_ctrl_c_while_the_model_loads_leaves_nothing_behind() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "serve", "--engine", "vllm", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    eventually(lambda: engine_processes(process), within_s=60)
    loading = engine_processes(process)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    eventually(lambda: not any(p.is_running() for p in loading), within_s=10)


def test_an_engine_that_cannot_start_ends_the_process_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server", "serve", "--engine", "vllm", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=START_S,
        env={**os.environ, "LONGHAND_VLLM": '{"load_format": "no-such-format"}'},
        check=False,
    )
    assert done.returncode == 3
    assert "vLLM did not start" in done.stderr


def test_two_tensor_parallel_ranks_write_the_same_greedy_beginning(server: Server) -> None:
    wishes: dict[str, Any] = {"temperature": 0, "max_tokens": 64}
    alone = server.ask(**wishes)
    with launched("--tensor-parallel-size", "2") as pair:
        together = pair.ask(**wishes)
        assert len(engine_processes(pair.process)) >= 3
    assert together["usage"]["completion_tokens"] == alone["usage"]["completion_tokens"] == 64
    # The ranks add up in another order, so near-ties may fall otherwise further on.
    start = alone["choices"][0]["message"].get("reasoning", "")[:40]
    assert together["choices"][0]["message"].get("reasoning", "")[:40] == start
