"""Ties the processes an engine starts to the life of the gateway. It must not import an engine.

The gateway holds a POSIX lock on a file for as long as it lives; the kernel takes the lock away
however the process ends, SIGKILL included. Every process that vLLM starts loads ``hold`` as a
plugin (``vllm.general_plugins``), where a thread waits for that lock. Who gets it has outlived the
gateway and ends. A lock of ``fcntl.lockf`` belongs to the process, so children made by fork do not
keep it alive (fcntl(2), "Advisory record locking").
"""

import fcntl
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import psutil

from server.settings import LIFELINE, export, exported

# How long the engine's processes get to end by themselves, in seconds.
_GRACE_S = 5.0


@contextmanager
def lifeline() -> Iterator[None]:
    """While this is open the engine's processes live; on leaving it none is left."""
    descriptor, name = tempfile.mkstemp(prefix="longhand-", suffix=".life")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        export({LIFELINE: f"{os.getpid()}:{name}"})
        try:
            yield
        finally:
            _sweep(f"{os.getpid()}:{name}")
            export({LIFELINE: None})
            Path(name).unlink(missing_ok=True)


def hold() -> None:
    """vLLM's plugin entry point: ends this process once the gateway is gone; nothing elsewhere."""
    line = exported(LIFELINE)
    if line is None:
        return
    gateway, _, name = line.partition(":")
    if int(gateway) != os.getpid():
        threading.Thread(target=_outlive, args=(Path(name),), daemon=True).start()


def _outlive(path: Path) -> NoReturn:
    """Waits for the gateway's lock; to have it, or to find its file gone, means it has died."""
    with suppress(FileNotFoundError), path.open("r+", encoding="utf-8") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # unreachable: nothing survives SIGKILL


def _sweep(line: str) -> None:
    """Ends every process below this one that was started on ``line``."""
    ours = [p for p in psutil.Process().children(recursive=True) if _is_on(p, line)]
    for process in ours:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(ours, timeout=_GRACE_S)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _is_on(process: psutil.Process, line: str) -> bool:
    with suppress(psutil.Error):
        return process.environ().get(LIFELINE) == line
    return False
