"""The health check of the images, run as they run it."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[2] / "docker/probe.py"


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 503)
        self.end_headers()
        self.wfile.write(b'{"reason": "the model is loading"}')

    def log_message(self, *_: object) -> None:
        """Not to standard error."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def probe(address: str, path: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, PROBE, address, path],
        env={"http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=15,
    )
    return done.returncode, done.stdout


def test_it_is_well_with_an_answer_of_200_whatever_the_proxy(address: str) -> None:
    assert probe(address, "/health/live") == (0, '200 {"reason": "the model is loading"}\n')


def test_it_says_why_a_server_is_not_ready(address: str) -> None:
    assert probe(address, "/health/ready") == (1, '503 {"reason": "the model is loading"}\n')


def test_nobody_there_is_not_well(address: str) -> None:
    code, said = probe("127.0.0.1:1", "/health/live")
    assert code == 1
    assert said.startswith("127.0.0.1:1/health/live: ")
