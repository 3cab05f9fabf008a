"""The pen in a real terminal, with real servers that keep drafts; one of them is killed."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
_BOUND_S = 30.0
_ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|\r")
# The terminal becomes the one that Ctrl-C is typed at: only so does it send signals.
_SHIM = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "from server.cli import main; sys.exit(main(sys.argv[1:]))"
)

pytestmark = pytest.mark.timeout(90)


class Terminal:
    """``longhand`` with arguments in a terminal of 24 rows and 90 columns."""

    def __init__(self, *argv: str, **environ: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 90, 0, 0))
        self._written = b""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SHIM, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **environ},
        )
        os.close(slave)

    @property
    def text(self) -> str:
        return _ESCAPES.sub("", self._written.decode(errors="replace"))

    def see(self, words: str) -> None:
        """Waits until they were shown."""
        until = time.monotonic() + _BOUND_S
        while words not in self.text:
            assert self._read(until), f"{words!r} was not shown, but:\n{self.text[-2000:]}"

    def _read(self, until: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, until - time.monotonic()))
        try:
            data = os.read(self._master, 65_536) if ready else b""
        except OSError:
            # Linux says so when the last process at the terminal has ended.
            data = b""
        self._written += data
        return bool(data)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Waits for the command's end; its exit code."""
        until = time.monotonic() + _BOUND_S
        while self._read(until):
            continue
        return self._process.wait(_BOUND_S)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    with ExitStack() as stack:

        def start(*argv: str, **environ: str) -> Terminal:
            started = Terminal(*argv, **environ)
            stack.callback(started.close)
            return started

        yield start


@pytest.fixture
def longhand(process: Any, tmp_path: Path) -> Callable[..., Any]:
    """A server with the drafts of this test; it plays what it is given."""

    def serve(*acts: Any) -> Any:
        script = tmp_path / f"script{len(list(tmp_path.iterdir()))}.json"
        told = [{"say": act} if isinstance(act, str) else {"stall": act} for act in acts]
        script.write_text(json.dumps(told), encoding="utf-8")
        started = process(
            LONGHAND_SCRIPT=str(script),
            LONGHAND_DRAFTS="sqlite",
            LONGHAND_DRAFTS_PATH=str(tmp_path / "drafts.sqlite"),
        )
        started.address = started.url()
        # It bounds reads from the server; from here on every wait has a bound of its own.
        started._watchdog.cancel()
        return started

    return serve


BEGINNING = "<think>\nPlan: roads, mills.\n</think>\n<answer>\n# Roads\n\nThe old roads 春天 lead "
ENDING = "down to the sea. \U0001f331\n\n## Mills\n\nThey turn all day.\n</answer>"
ANSWER = (
    "# Roads\n\nThe old roads 春天 lead down to the sea. \U0001f331\n\n"
    "## Mills\n\nThey turn all day."
)


def test_the_file_is_exact_though_the_server_was_killed_half_way(
    longhand: Any, relay: Any, terminal: Any, tmp_path: Path
) -> None:
    first = longhand(BEGINNING, 60)
    relay.target = first.address
    out = tmp_path / "draft.md"
    pen = terminal("write", "Write of roads.", "--out", str(out), "--url", relay.url)
    pen.see("# Roads")
    pen.see("writing: Roads")
    first.send_signal(signal.SIGKILL)
    pen.see("again in")
    assert out.read_text(encoding="utf-8").startswith("# Roads\n\nThe old roads")
    relay.target = longhand(ENDING).address
    assert pen.end() == 0, pen.text
    assert out.read_text(encoding="utf-8") == ANSWER
    assert "mended" in pen.text
    assert f"in {out}." in pen.text


def test_ctrl_c_asks_a_second_one_leaves_and_the_draft_is_there_when_resumed(
    longhand: Any, terminal: Any, tmp_path: Path
) -> None:
    url = longhand(BEGINNING, 4, ENDING).address
    out = tmp_path / "draft.md"
    pen = terminal("write", "Write of roads.", "--out", str(out), LONGHAND_URL=url)
    pen.see("writing: Roads")
    pen.type("\x03")
    pen.see("[c]ontinue here: ")
    pen.type("\x03")
    assert pen.end() == 130
    assert "the draft goes on in the background." in pen.text
    resume = re.search(r"longhand drafts resume (\S+) --out \S+", pen.text)
    assert resume is not None
    again = terminal("drafts", "resume", resume[1], "--out", str(out), LONGHAND_URL=url)
    assert again.end() == 0
    assert out.read_text(encoding="utf-8") == ANSWER
    listed = terminal("drafts", "list", LONGHAND_URL=url)
    assert listed.end() == 0
    assert re.search(rf"{resume[1]}\s+finished\s+chat", listed.text)


def test_a_cancelled_draft_ends_where_it_is(longhand: Any, terminal: Any, tmp_path: Path) -> None:
    url = longhand(BEGINNING, 60).address
    pen = terminal("write", "Write of roads.", LONGHAND_URL=url)
    pen.see("writing: Roads")
    pen.type("\x03")
    pen.see("[c]ontinue here: ")
    pen.type("n\n")
    assert pen.end() == 4
    assert "the draft is cancelled; " in pen.text
