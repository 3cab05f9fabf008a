"""What vLLM is started with: engine arguments, environment, the CPU build's needs. It must not
start anything.

Written against vLLM 0.32 (vllm/engine/arg_utils.py, vllm/envs.py).
"""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from server.engine.base import Card
from server.errors import CannotServe
from server.machine import has_gpu
from server.settings import exported

# By its path: the CPU platform of vLLM 0.32 turns the name "uni" into "mp"
# (vllm/platforms/cpu.py, check_and_update_config), since only "mp" sets the threads' environment
# (vllm/utils/ompmultiprocessing.py). Here ``environment`` sets it.
_ONE_PROCESS = "vllm.v1.executor.uniproc_executor.UniProcExecutor"
_PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size")
_MORE_RANKS = (*_PARALLEL, "prefill_context_parallel_size", "data_parallel_size")
_MEMORY_NODES = Path("/sys/devices/system/node")


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmOptions:
    """What the engine is started with. ``arguments`` are AsyncEngineArgs by name and win over
    the defaults here; ``cpu_kv_cache_gib`` matters on the CPU build alone."""

    card: Card
    location: str
    directory: Path
    revision: str | None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    cpu_kv_cache_gib: int = 1


def engine_arguments(options: VllmOptions) -> dict[str, Any]:
    """What vLLM is started with. Importing vLLM takes seconds, so this is no part of a constructor.

    Raises:
        CannotServe: vLLM is not installed, or an argument is not one of its.
    """
    try:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.platforms import current_platform
    except ImportError as error:
        raise CannotServe(f"vLLM is not installed here ({error}); see README.md") from None
    known = {f.name for f in dataclasses.fields(AsyncEngineArgs)}
    for name in options.arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise CannotServe(f"[vllm] {name!r} is not an engine argument of this vLLM{hint}")
    return {
        "model": options.location,
        "revision": options.revision,
        "served_model_name": options.card.model,
        "max_model_len": options.card.window_tokens,
        "enable_prefix_caching": True,
        "enable_log_requests": False,
        "disable_log_stats": False,
        "trust_remote_code": False,
        **(_cpu_arguments(options) if current_platform.is_cpu() else {}),
        **options.arguments,
    }


def _cpu_arguments(options: VllmOptions) -> dict[str, Any]:
    """Where the CPU build needs other values than vLLM's own; a GPU keeps vLLM's.

    enforce_eager: torch.compile needs a C++ compiler, and 18 s more at the start, for 13 % more
    tokens/s (DECISIONS.md). enable_chunked_prefill: a seeded request whose prompt was cut in two
    kills the engine ("CPU Generator does not use offset", vllm/v1/worker/gpu_model_runner.py 0.32,
    _bookkeeping_sync); without chunks a step must be able to hold a whole window.
    distributed_executor_backend: a second process for the one rank waits for the first in a loop
    that fills a core, and is handed every step through shared memory.
    """
    backend = {"distributed_executor_backend": _ONE_PROCESS} if _is_one_process(options) else {}
    return {
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": options.card.window_tokens,
        **backend,
    }


def _is_one_process(options: VllmOptions) -> bool:
    """Whether the CPU build's scheduler and its one rank share a process.

    Not where threads are to be bound to processors, by the operator or because memory has several
    nodes: only vLLM's "mp" binds them.
    """
    return (
        "distributed_executor_backend" not in options.arguments
        and _product(options, _MORE_RANKS) == 1
        and exported("VLLM_CPU_OMP_THREADS_BIND") in (None, "nobind")
        and len(list(_MEMORY_NODES.glob("node[0-9]*"))) <= 1
    )


def _product(options: VllmOptions, names: tuple[str, ...]) -> int:
    return math.prod(int(options.arguments.get(name, 1)) for name in names)


def environment(options: VllmOptions) -> dict[str, str]:
    """Variables vLLM's own processes read; what the operator has set stays."""
    wanted = {
        # The gateway has threads and an event loop: a forked child would inherit their locks.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_CPU_KVCACHE_SPACE": str(options.cpu_kv_cache_gib),
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CONFIGURE_LOGGING": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if not has_gpu():
        wanted |= _cpu_environment(options)
    ranks = _product(options, _PARALLEL)
    if ranks > 1:
        wanted["VLLM_CPU_OMP_THREADS_BIND"] = _cpu_ranks(ranks)
    return {name: value for name, value in wanted.items() if exported(name) is None}


def _cpu_environment(options: VllmOptions) -> dict[str, str]:
    wanted = {}
    if options.arguments.get("enforce_eager", True):
        # Eager does not cover the sampler's own torch.compile: the first request with
        # log-probabilities stopped every stream for 12 s, and would fail without a compiler.
        wanted["TORCHDYNAMO_DISABLE"] = "1"
    if _is_one_process(options):
        wanted["OMP_NUM_THREADS"] = str(_model_threads())
    return wanted


def _model_threads() -> int:
    """As many as vLLM's "mp" gives one rank: a thread for each core but one, which is left to the
    gateway. 16 processors on 8 cores, all of them ours -> 7."""
    processors = psutil.cpu_count() or 1
    cores = psutil.cpu_count(logical=False) or processors
    return max(1, len(_processors()) * cores // processors - 1)


def _cpu_ranks(ranks: int) -> str:
    """The processors, dealt out to the CPU engine's ranks: two ranks on four cores, "0,2|1,3"."""
    processors = _processors()
    shares = [
        processors[rank::ranks] or [processors[rank % len(processors)]] for rank in range(ranks)
    ]
    return "|".join(",".join(map(str, share)) for share in shares)


def _processors() -> list[int]:
    """Those that this process may run on; macOS does not say."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        return list(process.cpu_affinity())
    return list(range(psutil.cpu_count() or 1))
