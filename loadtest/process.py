"""A server as a process of its own: started, waited for, measured from outside, ended."""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

_POLL_S = 0.1
_START_S = 300.0
_STOP_S = 30.0
MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers. ``ready_s`` is the time from its start to its first healthy answer."""

    name: str
    url: str
    ready_s: float
    process: psutil.Process

    def front_end_cpu_s(self) -> float:
        """CPU time of the server's main process so far; the engine's processes not counted."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory_mib(self) -> tuple[float, float]:
        """Memory of the front end and of the whole tree, proportional share of shared pages."""
        front = _pss_bytes(self.process)
        tree = front + sum(_pss_bytes(child) for child in self.process.children(recursive=True))
        return front / MIB, tree / MIB


def _pss_bytes(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


@contextmanager
def server(
    name: str,
    arguments: Sequence[str],
    *,
    port: int,
    health: str = "/health",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Runs ``python -m arguments`` until left; its output goes to standard error.

    Raises:
        RuntimeError: it ended, or did not answer within five minutes.
    """
    url = f"http://127.0.0.1:{port}"
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=sys.stderr,
        # No file of drafts: a second server beside this one would have to wait for it.
        env={**psutil.Process().environ(), "LONGHAND_DRAFTS": "memory", **(environment or {})},
    )
    try:
        _wait(process, url + health, name)
        yield Running(
            name=name,
            url=url,
            ready_s=time.monotonic() - started,
            process=psutil.Process(process.pid),
        )
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, name: str) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with exit code {process.returncode}")
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(_POLL_S)
    raise RuntimeError(f"{name} did not answer at {url} within {_START_S:.0f} s")
