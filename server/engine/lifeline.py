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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from server.settings import LIFELINE, export, exported

# How long the kernel may take to bury what was killed, in seconds.
_REAP_S = 5.0
_KILL = partial(signal.raise_signal, signal.SIGKILL)


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


def hold(end: Callable[[], object] = _KILL) -> None:
    """vLLM's plugin entry point: ends this process once the gateway is gone; nothing elsewhere.

    end: what ends a process; the default leaves it no choice.
    """
    line = exported(LIFELINE)
    if line is None:
        return
    gateway, _, name = line.partition(":")
    if int(gateway) != os.getpid():
        threading.Thread(target=_outlive, args=(Path(name), end), daemon=True).start()


def _outlive(path: Path, end: Callable[[], object]) -> None:
    """Waits for the gateway's lock; to have it, or to find its file gone, means it has died."""
    with suppress(FileNotFoundError), path.open("r+", encoding="utf-8") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
    end()


def _sweep(line: str) -> None:
    """Ends every process that was started on ``line``; the engine's own shutdown came before.

    All processes are looked at, not only our children: a worker whose own parent was killed first
    has been handed to init.
    """
    ours = [p for p in psutil.process_iter() if p.pid != os.getpid() and _is_on(p, line)]
    for process in ours:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(ours, timeout=_REAP_S)


def _is_on(process: psutil.Process, line: str) -> bool:
    """Python's resource tracker is left: it frees shared memory when we end, and ends itself."""
    with suppress(psutil.Error):
        if process.environ().get(LIFELINE) == line:
            return not any("resource_tracker" in part for part in process.cmdline())
    return False
