"""The remote judge against a real vLLM, and against the same checkpoint in this process."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rewards.base import Draft
from rewards.quality.endpoint import Caller, Endpoint
from rewards.quality.reading import Reading
from rewards.quality.remote import RemoteClassifier

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
_READY = "Application startup complete"
DRAFTS = [
    Draft(prompt="Write.", answer="The keeper wrote a letter."),
    Draft(prompt="Write.", answer="A good stew begins with patience, and it is left alone. " * 12),
    Draft(prompt="写一封信。", answer="一封长信 about the ships."),
]


@pytest.fixture(scope="module")
def folder(checkpoint: Callable[..., Path]) -> Path:
    return checkpoint("SequenceClassification", chat=True)


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """Where vLLM serves the folder as a classifier."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--runner", "pooling", "--convert", "classify", "--dtype", "float32"]
    flags += ["--max-model-len", "2048", "--enforce-eager", "--served-model-name", "rm"]
    flags += ["--host", "127.0.0.1", "--port", str(port)]
    started = subprocess.Popen(
        # Not `vllm serve`: the CPU package has no metadata by the name that it asks for.
        [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", folder, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "TORCHDYNAMO_DISABLE": "1"},
    )
    lines: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert started.stdout is not None
        for line in started.stdout:
            lines.append(line)
            if _READY in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(400)
        assert _READY in "".join(lines), "".join(lines[-40:])
        yield f"http://127.0.0.1:{port}"
    finally:
        started.terminate()
        started.wait(60)
        reader.join(10)
        assert started.stdout is not None
        started.stdout.close()


@pytest.mark.parametrize(
    "reading",
    [
        Reading(window_tokens=2_000),
        Reading(window_tokens=128, prompt_tokens=8),
        Reading(window_tokens=128, prompt_tokens=8, rule="head_tail"),
        Reading(template=None, window_tokens=2_000),
        Reading(template=None, window_tokens=192, prompt_tokens=8),
    ],
    ids=["whole", "windows", "ends", "chat", "chat-windows"],
)
async def test_vllm_gives_the_raw_logits_that_transformers_gives(
    folder: Path, url: str, reading: Reading
) -> None:
    from rewards.quality.classifier import open_classifier

    here = open_classifier(folder, reading=reading)
    caller = Caller(Endpoint(url=url, timeout_s=60))
    there = RemoteClassifier(caller, model="rm", reading=reading, count=here.network.count)
    one, other = await here.score(DRAFTS), await there.score(DRAFTS)
    await caller.aclose()
    assert [score.failed for score in other] == [False] * len(DRAFTS), other
    assert [s.value for s in other] == pytest.approx([s.value for s in one], abs=2e-3)
    assert [s.parts["windows"] for s in other] == [s.parts["windows"] for s in one]
    assert len({round(s.value or 0.0, 2) for s in one}) == len(DRAFTS)


async def test_a_text_over_the_servers_window_fails_and_is_no_zero(url: str) -> None:
    caller = Caller(Endpoint(url=url, timeout_s=60))
    remote = RemoteClassifier(
        caller, model="rm", reading=Reading(window_tokens=16_000), count=lambda text: 1
    )
    (score,) = await remote.score([Draft(prompt="Write.", answer="word " * 3_000)])
    await caller.aclose()
    assert (score.value, score.failed) == (None, True)
    assert "HTTP 400" in score.why
