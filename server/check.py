"""``longhand check``: what would be served, and whether it can be. It must not load a model."""

from collections.abc import Iterator
from dataclasses import dataclass

from server.app import Serving
from server.machine import Machine
from server.memory import GIB, kv_bytes_of_window, kv_bytes_per_token, num_parameters
from server.reception import openness
from server.settings import Settings, masked

# What a CPU process of vLLM takes beside weights and cache (torch and its libraries, measured).
_CPU_OVERHEAD_BYTES = GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Lines to print, and each reason why it cannot work (none: it can)."""

    lines: tuple[str, ...]
    problems: tuple[str, ...]


def examine(settings: Settings, serving: Serving, machine: Machine) -> Report:
    """Compares what is set and what the checkpoint needs with what the machine has."""
    return Report(
        lines=tuple(_describe(settings, serving, machine)),
        problems=tuple(_problems(settings, serving, machine)),
    )


def _describe(settings: Settings, serving: Serving, machine: Machine) -> Iterator[str]:
    yield f"model        {serving.card.model}"
    yield f"engine       {serving.engine_name}"
    yield f"template     {serving.prompter.source}"
    yield f"window       {serving.card.window_tokens:,} tokens"
    if serving.engine_name == "upstream":
        # How the model fits into memory is the affair of these.
        for url in settings.upstream:
            yield f"upstream     {url}"
    else:
        yield (
            f"parallelism  tensor {settings.tensor_parallel_size} x "
            f"pipeline {settings.pipeline_parallel_size}"
        )
    yield f"sampling     temperature {serving.temperature:g}, top_p {serving.top_p:g}"
    if serving.checkpoint is not None:
        shape = serving.checkpoint.shape
        yield f"checkpoint   {serving.checkpoint.location} ({serving.checkpoint.architecture})"
        yield f"parameters   {num_parameters(shape):,}"
        yield f"weights      {_size(serving.checkpoint.weights_bytes)}"
        yield (
            f"KV cache     {_size(kv_bytes_per_token(shape))} a token, "
            f"{_size(kv_bytes_of_window(shape, serving.card.window_tokens))} a full window"
        )
    if serving.checkpoint is not None and serving.engine_name != "upstream":
        yield f"memory       {_size(_needed(settings, serving))} needed, {_there(machine)}"
    yield "settings"
    for name, value in masked(settings).items():
        yield f"  {name} = {value!r}"


def _problems(settings: Settings, serving: Serving, machine: Machine) -> Iterator[str]:
    open_to_all = openness(settings)
    if open_to_all is not None:
        yield open_to_all
    if serving.checkpoint is None:
        return
    if not serving.checkpoint.has_tokenizer:
        yield f"{serving.checkpoint.directory} has no tokenizer.json"
    if serving.engine_name == "upstream":
        return
    shape, ranks = serving.checkpoint.shape, settings.tensor_parallel_size
    if shape.heads % ranks:
        yield f"{shape.heads} attention heads cannot be shared by {ranks} tensor-parallel ranks"
    wanted = ranks * settings.pipeline_parallel_size
    if serving.engine_name == "vllm" and machine.gpu_bytes and wanted > len(machine.gpu_bytes):
        yield f"{wanted} GPUs are asked for and {len(machine.gpu_bytes)} are there"
    needed, there = _needed(settings, serving), _room(settings, serving, machine)
    if needed > there:
        yield f"{_size(needed)} of memory are needed and {_size(there)} are there"


def _on_gpu(serving: Serving, machine: Machine) -> bool:
    return serving.engine_name == "vllm" and bool(machine.gpu_bytes)


def _needed(settings: Settings, serving: Serving) -> int:
    """Weights and at least one full window of KV cache, over all ranks.

    Worked number: LongWriter-Zero-32B in bf16: 61.0 GiB + 8 GiB = 69 GiB.
    """
    assert serving.checkpoint is not None
    window = kv_bytes_of_window(serving.checkpoint.shape, serving.card.window_tokens)
    cache = (
        max(window, settings.cpu_kv_cache_gib * GIB) if serving.engine_name == "vllm" else window
    )
    return serving.checkpoint.weights_bytes + cache


def _room(settings: Settings, serving: Serving, machine: Machine) -> int:
    if _on_gpu(serving, machine):
        ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size
        return int(sum(machine.gpu_bytes[:ranks]) * settings.gpu_memory_utilization)
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size
    return machine.free_bytes - ranks * _CPU_OVERHEAD_BYTES


def _there(machine: Machine) -> str:
    if machine.gpu_bytes:
        gpus = " + ".join(_size(each) for each in machine.gpu_bytes)
        return f"{gpus} on {len(machine.gpu_bytes)} GPU(s)"
    return (
        f"{_size(machine.free_bytes)} free in main memory, no GPU, {machine.processors} processors"
    )


def _size(num_bytes: int) -> str:
    for unit, size in (("GiB", GIB), ("MiB", 1024**2), ("KiB", 1024)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes} bytes"
