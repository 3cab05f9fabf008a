"""What this machine has: memory, GPUs. It must not load a model library to find out."""

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass

import psutil

_ASK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Bytes of memory free, processors, and each GPU's bytes of memory."""

    free_bytes: int
    processors: int
    gpu_bytes: tuple[int, ...]


def look() -> Machine:
    """This machine, now; a GPU whose driver does not answer counts as none."""
    return Machine(
        free_bytes=psutil.virtual_memory().available,
        processors=psutil.cpu_count() or 1,
        gpu_bytes=_gpus(shutil.which("nvidia-smi")),
    )


def has(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU with its driver."""
    return bool(_gpus(shutil.which("nvidia-smi")))


def _gpus(program: str | None) -> tuple[int, ...]:
    if program is None:
        return ()
    try:
        asked = subprocess.run(
            [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(int(line) * 1024**2 for line in asked.stdout.split() if line.isdigit())
