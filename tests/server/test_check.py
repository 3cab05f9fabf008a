"""What ``longhand check`` reports of a checkpoint and of a machine, and what it finds wrong."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.app import Serving, choose
from server.check import examine
from server.machine import Machine
from server.settings import Settings

GIB = 1024**3
BIG = Machine(free_bytes=8 * GIB, processors=4, gpu_bytes=())
# 1 layer, 4 heads of 8, vocabulary 64, tied: small enough to work out by hand.
CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "num_hidden_layers": 1,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    directory = tmp_path / "letters"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (directory / "tokenizer.json").write_text("{}", encoding="utf-8")
    return directory


def chosen(checkpoint: Path, **given: Any) -> tuple[Settings, Serving]:
    settings = Settings(**{"model": str(checkpoint), "engine": "transformers", **given})
    return settings, choose(settings)


def as_vllm(settings: Settings, serving: Serving) -> tuple[Settings, Serving]:
    """The same on vLLM, which is not needed to work out what it needs."""
    return settings, replace(serving, engine_name="vllm")


def test_a_checkpoint_is_described_line_by_line(checkpoint: Path) -> None:
    settings, serving = chosen(checkpoint)
    report = examine(settings, serving, BIG)
    # Parameters: attention 32*64 + 64 + 32*32, MLP 3*32*64, norms 64 + 32, embeddings 64*32.
    parameters = 32 * 64 + 64 + 32 * 32 + 3 * 32 * 64 + 64 + 32 + 64 * 32
    assert report.problems == ()
    assert list(report.lines[: report.lines.index("settings")]) == [
        "model        letters",
        "engine       transformers",
        "template     Longhand's own template (the checkpoint has none)",
        "window       4,096 tokens",
        "parallelism  tensor 1 x pipeline 1",
        "sampling     temperature 0.6, top_p 0.95",
        f"checkpoint   {checkpoint} (Qwen2ForCausalLM)",
        f"parameters   {parameters:,}",
        f"weights      {parameters * 2 / 1024:.1f} KiB",
        "KV cache     64 bytes a token, 256.0 KiB a full window",
        f"memory       {parameters * 2 / 1024 + 256:.1f} KiB needed, 8.0 GiB free in main memory, "
        "no GPU, 4 processors",
    ]


def test_every_setting_is_shown_and_keys_only_as_asterisks(checkpoint: Path) -> None:
    passed_on = {"hf_token": "hf-secret", "max_num_batched_tokens": 512}
    settings, serving = chosen(checkpoint, api_keys=("sk-secret",), port=9, vllm=passed_on)
    lines = examine(settings, serving, BIG).lines
    shown = [line.split(" = ")[0].strip() for line in lines[lines.index("settings") + 1 :]]
    assert shown == list(Settings.model_fields)
    assert "  port = 9" in lines
    assert "  api_keys = ['**********']" in lines
    assert "  vllm = {'hf_token': '**********', 'max_num_batched_tokens': 512}" in lines
    assert "secret" not in "\n".join(lines)


def test_a_script_needs_no_checkpoint_and_has_no_problems() -> None:
    settings = Settings(engine="scripted")
    none = Machine(free_bytes=0, processors=1, gpu_bytes=())
    report = examine(settings, choose(settings), none)
    assert report.problems == ()
    assert list(report.lines[:6]) == [
        "model        scripted",
        "engine       scripted",
        "template     Longhand's own template (the checkpoint has none)",
        "window       32,768 tokens",
        "parallelism  tensor 1 x pipeline 1",
        "sampling     temperature 0.6, top_p 0.95",
    ]
    assert report.lines[6] == "settings"


def test_a_missing_tokenizer_is_a_problem(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").unlink()
    settings, serving = chosen(checkpoint)
    assert examine(settings, serving, BIG).problems == (f"{checkpoint} has no tokenizer.json",)


def test_heads_that_the_ranks_cannot_share_are_a_problem(checkpoint: Path) -> None:
    settings, serving = chosen(checkpoint, tensor_parallel_size=3)
    assert examine(settings, serving, BIG).problems == (
        "4 attention heads cannot be shared by 3 tensor-parallel ranks",
    )


def test_too_little_main_memory_is_a_problem_and_vllm_takes_its_cache_and_a_gib_per_rank(
    checkpoint: Path,
) -> None:
    settings, serving = as_vllm(*chosen(checkpoint, tensor_parallel_size=2, cpu_kv_cache_gib=4))
    enough = Machine(free_bytes=6 * GIB + 1024**2, processors=1, gpu_bytes=())
    assert examine(settings, serving, enough).problems == ()
    short = replace(enough, free_bytes=5 * GIB)
    assert examine(settings, serving, short).problems == (
        "4.0 GiB of memory are needed and 3.0 GiB are there",
    )


def test_fewer_gpus_than_ranks_are_a_problem(checkpoint: Path) -> None:
    settings, serving = as_vllm(
        *chosen(checkpoint, tensor_parallel_size=2, pipeline_parallel_size=2)
    )
    gpus = Machine(free_bytes=0, processors=1, gpu_bytes=(80 * GIB, 80 * GIB))
    report = examine(settings, serving, gpus)
    assert report.problems == ("4 GPUs are asked for and 2 are there",)
    assert any(line.endswith("needed, 80.0 GiB + 80.0 GiB on 2 GPU(s)") for line in report.lines)


def test_gpu_memory_counts_by_the_share_that_vllm_may_take_of_the_ranks_it_uses(
    checkpoint: Path,
) -> None:
    settings, serving = as_vllm(*chosen(checkpoint, gpu_memory_utilization=0.5))
    tight = Machine(free_bytes=0, processors=1, gpu_bytes=(1024**2 // 2, 80 * GIB))
    needed = "1.0 GiB of memory are needed and 256.0 KiB are there"
    problems = examine(settings, serving, tight).problems
    assert len(problems) == 1
    assert problems[0].endswith("256.0 KiB are there") or problems == (needed,)


def test_a_gpu_does_not_help_an_engine_that_does_not_use_it(checkpoint: Path) -> None:
    settings, serving = chosen(checkpoint)
    machine = Machine(free_bytes=GIB, processors=1, gpu_bytes=(80 * GIB,))
    (problem,) = examine(settings, serving, machine).problems
    assert problem.endswith("of memory are needed and 0 bytes are there")


def test_auto_is_reported_as_what_it_chose(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    settings, serving = chosen(checkpoint, engine="auto")
    assert examine(settings, serving, BIG).lines[1] == "engine       transformers"
