"""Processes of the engine end with the gateway, however it ends. Real processes."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from server.engine.lifeline import hold, lifeline
from server.settings import LIFELINE

BOUND_S = 10.0

CHILD = """
import signal, sys, threading
from server.engine.lifeline import hold
signal.signal(signal.SIGTERM, signal.SIG_IGN)
hold()
print("held", flush=True)
threading.Event().wait()
"""
GATEWAY = f"""
import json, subprocess, sys, threading
from server.engine.lifeline import hold, lifeline
with lifeline():
    hold()
    child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    print(json.dumps(child.pid), flush=True)
    sys.stdin.readline()
"""


@contextmanager
def python(program: str) -> Iterator["subprocess.Popen[str]"]:
    """A Python process, ended at the end in any case."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def is_gone(child: psutil.Process) -> bool:
    gone, _ = psutil.wait_procs([child], timeout=BOUND_S)
    return bool(gone) or child.status() == psutil.STATUS_ZOMBIE


def child_of(gateway: "subprocess.Popen[str]") -> psutil.Process:
    assert gateway.stdout is not None
    return psutil.Process(json.loads(gateway.stdout.readline()))


def test_a_process_does_not_outlive_a_gateway_that_was_killed() -> None:
    with python(GATEWAY) as gateway:
        child = child_of(gateway)
        assert child.is_running()
        gateway.send_signal(signal.SIGKILL)
        assert is_gone(child)


def test_leaving_the_lifeline_ends_a_process_that_ignores_signals() -> None:
    with python(GATEWAY) as gateway:
        child = child_of(gateway)
        gateway.communicate("leave\n", timeout=BOUND_S)
        assert gateway.returncode == 0
        assert is_gone(child)


def test_the_lifeline_is_told_to_children_while_it_is_open() -> None:
    with lifeline():
        line = os.environ[LIFELINE]
        gateway, _, name = line.partition(":")
        assert int(gateway) == os.getpid()
        assert Path(name).is_file()
    assert LIFELINE not in os.environ
    assert not Path(name).exists()


def test_leaving_ends_what_was_started_on_this_line_and_nothing_else() -> None:
    sleeper = "import sys; print(flush=True); sys.stdin.readline()"
    with python(sleeper) as other:
        with ExitStack() as stack:
            with lifeline():
                ours = stack.enter_context(python(sleeper))
                tracker = stack.enter_context(python(f"{sleeper}  # resource_tracker"))
                for process in (other, ours, tracker):
                    assert process.stdout is not None
                    process.stdout.readline()
                with another_lifeline():
                    pass
                assert ours.poll() is None
            assert ours.poll() is not None
            # multiprocessing's tracker has shared memory to free and ends by itself.
            assert tracker.poll() is None
        assert other.poll() is None


@contextmanager
def another_lifeline() -> Iterator[None]:
    """Another gateway's line in the same process tree; it leaves ours alone."""
    before = os.environ[LIFELINE]
    with lifeline():
        yield
    os.environ[LIFELINE] = before


def test_without_a_lifeline_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIFELINE, raising=False)
    before = threading.active_count()
    hold()
    assert threading.active_count() == before


def test_the_gateway_does_not_wait_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIFELINE, f"{os.getpid()}:/nowhere")
    before = threading.active_count()
    hold()
    assert threading.active_count() == before


def test_a_lifeline_whose_file_is_gone_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(LIFELINE, f"1:{tmp_path / 'gone.life'}")
    ended = threading.Event()
    hold(ended.set)
    assert ended.wait(BOUND_S)


def test_a_process_is_ended_once_the_lock_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.life"
    path.touch()
    locker = (
        f"import fcntl, sys; file = open({str(path)!r}, 'r+'); fcntl.lockf(file, fcntl.LOCK_EX);"
        "print(flush=True); sys.stdin.readline()"
    )
    monkeypatch.setenv(LIFELINE, f"1:{path}")
    ended = threading.Event()
    with python(locker) as gateway:
        assert gateway.stdout is not None
        gateway.stdout.readline()
        hold(ended.set)
        assert not ended.wait(0.05)
        gateway.kill()
        assert ended.wait(BOUND_S)
