"""What the machine has; nvidia-smi is played by a shell script."""

from pathlib import Path

import pytest

from server import machine


def with_nvidia_smi(monkeypatch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    program = directory / "nvidia-smi"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")


def test_memory_and_processors_are_those_of_this_machine() -> None:
    found = machine.look()
    assert found.free_bytes > 1024**2
    assert found.processors >= 1


def test_a_machine_without_a_driver_has_no_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.look().gpu_bytes == ()
    assert not machine.has_gpu()


@pytest.mark.parametrize(
    ("script", "gpu_bytes"),
    [
        ("#!/bin/sh\nprintf '81559\\n24576\\n'\n", (81_559 * 1024**2, 24_576 * 1024**2)),
        ("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n", ()),
        ("#!/nowhere/at/all\n", ()),
    ],
)
def test_gpus_are_those_that_the_driver_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, gpu_bytes: tuple[int, ...]
) -> None:
    with_nvidia_smi(monkeypatch, tmp_path, script)
    assert machine.look().gpu_bytes == gpu_bytes
    assert machine.has_gpu() is bool(gpu_bytes)


def test_a_package_is_found_without_importing_it() -> None:
    assert machine.has("json")
    assert not machine.has("no_such_package_at_all")
