"""What vLLM is started with on a machine without a GPU; vLLM itself is asked only for the names."""

from pathlib import Path
from typing import Any

import psutil
import pytest

from server.engine import vllm_options
from server.engine.base import Card
from server.engine.vllm_options import VllmOptions, engine_arguments, environment
from server.errors import CannotServe

BACKEND = "distributed_executor_backend"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Eight processors on four cores, one memory node, no GPU, nothing set by an operator."""
    for name in ("OMP_NUM_THREADS", "VLLM_CPU_OMP_THREADS_BIND", "TORCHDYNAMO_DISABLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(vllm_options, "has_gpu", lambda: False)
    monkeypatch.setattr(vllm_options, "_MEMORY_NODES", tmp_path)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 8 if logical else 4)
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: list(range(8)), raising=False)
    (tmp_path / "node0").mkdir()
    (tmp_path / "online").touch()
    return tmp_path


def options(**arguments: Any) -> VllmOptions:
    card = Card(model="letters", window_tokens=64, vocabulary_tokens=32)
    return VllmOptions(
        card=card, location="here", directory=Path("here"), revision=None, arguments=arguments
    )


def threads(**arguments: Any) -> str | None:
    """The model's threads; None where vLLM's own "mp" deals them out."""
    return environment(options(**arguments)).get("OMP_NUM_THREADS")


def test_one_rank_gets_a_thread_for_each_core_but_one() -> None:
    assert threads() == "3"


@pytest.mark.parametrize(("ours", "expected"), [([5, 7], "1"), ([1], "1"), (range(6), "2")])
def test_only_processors_that_are_ours_are_counted(
    monkeypatch: pytest.MonkeyPatch, ours: Any, expected: str
) -> None:
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: list(ours), raising=False)
    assert threads() == expected


def test_where_nobody_says_which_are_ours_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil.Process, "cpu_affinity")
    assert threads() == "3"
    assert environment(options(tensor_parallel_size=2))["VLLM_CPU_OMP_THREADS_BIND"] == (
        "0,2,4,6|1,3,5,7"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"tensor_parallel_size": 2},
        {"pipeline_parallel_size": 2},
        {"prefill_context_parallel_size": 2},
        {"data_parallel_size": 2},
        {BACKEND: "mp"},
        {BACKEND: "uni"},
    ],
)
def test_several_ranks_and_an_operators_own_backend_keep_vllms_processes(arguments: Any) -> None:
    assert threads(**arguments) is None


def test_bound_threads_keep_vllms_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0-3")
    assert threads() is None
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    assert threads() == "3"


def test_several_memory_nodes_keep_vllms_processes(machine: Path) -> None:
    (machine / "node1").mkdir()
    assert threads() is None


def test_a_machine_that_names_no_memory_nodes_has_one(machine: Path) -> None:
    (machine / "node0").rmdir()
    assert threads() == "3"


def test_threads_that_the_operator_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert threads() is None


def test_a_gpu_keeps_vllms_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_options, "has_gpu", lambda: True)
    assert threads() is None


@pytest.mark.engine
@pytest.mark.timeout(120)
def test_one_rank_on_the_cpu_build_has_no_process_of_its_own_unless_the_operator_says_so() -> None:
    platforms = pytest.importorskip("vllm.platforms")
    if not platforms.current_platform.is_cpu():
        pytest.skip("this vLLM is no CPU build")
    assert engine_arguments(options())[BACKEND].endswith(".UniProcExecutor")
    assert engine_arguments(options(**{BACKEND: "mp"}))[BACKEND] == "mp"
    assert BACKEND not in engine_arguments(options(tensor_parallel_size=2))
    with pytest.raises(CannotServe, match="did you mean 'tensor_parallel_size'"):
        engine_arguments(options(tensor_paralel_size=2))
