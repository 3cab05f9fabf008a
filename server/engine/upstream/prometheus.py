"""How busy a server is, read from what its ``/metrics`` says. No I/O.

Names: vLLM 0.32 (vllm/v1/metrics/loggers.py), SGLang 0.5 (srt/metrics/collector.py), llama.cpp
(tools/server/README.md).
"""

from collections.abc import Iterable, Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from server.engine.upstream.replica import Load

_RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing")
_WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred")
_USAGE = ("vllm:kv_cache_usage_perc", "sglang:token_usage", "llamacpp:kv_cache_usage_ratio")
_CAPACITY = "sglang:max_total_num_tokens"
_CACHE_CONFIG = "vllm:cache_config_info"
_WANTED = (*_RUNNING, *_WAITING, *_USAGE, _CAPACITY, _CACHE_CONFIG)


def load_of(text: str) -> Load:
    """The load in Prometheus' text form; of several engines in one server the sum, and the mean
    of their usage.

    Worked number: two engines of 100 blocks of 16 tokens, 0.2 and 0.4 used: capacity 3,200, 0.3.

    Raises:
        ValueError: it is no such text.
    """
    samples = list(_samples(text))
    usage = _values(samples, _USAGE)
    running, waiting = _values(samples, _RUNNING), _values(samples, _WAITING)
    return Load(
        kv_usage=sum(usage) / len(usage) if usage else None,
        running=int(sum(running)) if running else None,
        waiting=int(sum(waiting)) if waiting else None,
        kv_capacity_tokens=_capacity_tokens(samples),
    )


def _samples(text: str) -> Iterator[Sample]:
    """Only the lines that matter: most of them are histograms, and parsing all takes 20 ms."""
    lines = "".join(f"{line}\n" for line in text.splitlines() if line.startswith(_WANTED))
    for family in text_string_to_metric_families(lines):
        yield from family.samples


def _values(samples: Iterable[Sample], names: Iterable[str]) -> list[float]:
    return [sample.value for sample in samples if sample.name in names]


def _capacity_tokens(samples: Iterable[Sample]) -> int | None:
    blocks = [
        int(sample.labels["num_gpu_blocks"]) * int(sample.labels["block_size"])
        for sample in samples
        if sample.name == _CACHE_CONFIG
        # "None" until the cache is laid out.
        and sample.labels.get("num_gpu_blocks", "").isdecimal()
        and sample.labels.get("block_size", "").isdecimal()
    ]
    told = _values(samples, (_CAPACITY,))
    return sum(blocks) if blocks else int(sum(told)) if told else None
