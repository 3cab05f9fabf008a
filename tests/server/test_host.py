"""The process around the application: says when it is ready, drains, ends with the right code."""

import asyncio
import io
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.engine.scripted import Die, Say, ScriptedEngine, Stall
from server.errors import CannotServe
from server.host import run

BEGIN, REST = Say("<think>a</think><answer> Once"), Say(" upon.</answer>")


def answer_of(events: list[Any]) -> str:
    return "".join(
        event["choices"][0]["delta"].get("content") or "" for event in events if "choices" in event
    )


async def begun(events: Any) -> list[Any]:
    """The events up to the first text of the answer."""
    first = []
    async for event in events:
        first.append(event)
        if event["choices"][0]["delta"].get("content"):
            break
    return first


async def test_it_says_once_where_it_listens(served: Any) -> None:
    desk = await served((BEGIN, REST))
    assert desk.host.out.getvalue() == f"ready at {desk.host.url}\n"
    assert desk.host.url.startswith("http://127.0.0.1:")


async def test_it_says_so_only_once_though_the_engine_restarts(served: Any, until: Any) -> None:
    desk = await served(
        build=lambda: ScriptedEngine(plays=((BEGIN, Die()),)), on_engine_death="restart"
    )
    engine = desk.service.engine
    for _ in range(2):
        assert (await desk.chat()).status_code == 503
        await until(engine.ready.is_set)
    assert desk.host.out.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")]
)
async def test_the_address_it_shows_is_one_that_answers(served: Any, host: str, shown: str) -> None:
    if ":" in host and not _has_ipv6():
        pytest.skip("no IPv6 on this machine")
    desk = await served((BEGIN, REST), host=host, allow_anonymous=True)
    assert desk.host.url.startswith(f"http://{shown}:")
    assert (await desk.chat()).status_code == 200


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("drafts", ["memory", "off"])
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_a_live_stream_finish_and_takes_nothing_new(
    served: Any, until: Any, fail_after: Any, sig: signal.Signals, drafts: str
) -> None:
    gate = asyncio.Event()
    desk = await served((BEGIN, Stall(gate=gate), REST), shutdown_grace_s=60, drafts=drafts)
    async with desk.stream() as events:
        first = await begun(events)
        desk.host.handle_exit(sig, None)
        await until(lambda: desk.service.desk.admission.closed)
        refused = await desk.chat()
        assert refused.status_code == 503
        assert refused.json()["error"]["message"] == "the server is shutting down"
        gate.set()
        rest = [event async for event in events]
    assert rest[-1] == "[DONE]"
    assert answer_of([*first, *rest]) == "Once upon."
    async with fail_after(5):
        await desk.serving
    assert desk.host.exit_code == 0
    assert desk.service.engine.reason == "the server is shutting down"


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once_with_an_error_for_live_streams(
    served: Any, until: Any, fail_after: Any, sig: signal.Signals
) -> None:
    desk = await served((BEGIN, Stall(gate=asyncio.Event())), shutdown_grace_s=60)
    async with desk.stream() as events:
        await begun(events)
        desk.host.handle_exit(sig, None)
        await until(lambda: desk.service.desk.admission.closed)
        desk.host.handle_exit(sig, None)
        async with fail_after(5):
            rest = [event async for event in events]
            await desk.serving
    assert [event["error"]["code"] for event in rest[:-1]] == ["server_shutdown"]
    assert rest[-1] == "[DONE]"
    assert desk.host.exit_code == 0


async def test_a_stream_that_outlasts_the_grace_ends_with_an_error(
    served: Any, fail_after: Any
) -> None:
    desk = await served((BEGIN, Stall(gate=asyncio.Event())), shutdown_grace_s=0.01)
    async with desk.stream() as events:
        await begun(events)
        desk.host.handle_exit(signal.SIGTERM, None)
        async with fail_after(5):
            rest = [event async for event in events]
            await desk.serving
    assert [event["error"]["code"] for event in rest[:-1]] == ["server_shutdown"]


async def test_an_engine_that_dies_ends_the_process_with_its_code(
    served: Any, fail_after: Any
) -> None:
    desk = await served((BEGIN, Die("out of paper")), shutdown_grace_s=60)
    events = await desk.streamed()
    assert events[-2]["error"]["code"] == "engine_died"
    async with fail_after(5):
        await desk.serving
    assert desk.host.exit_code == 3


async def test_an_engine_that_cannot_start_ends_the_process_with_its_code(
    served: Any, fail_after: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def build() -> Any:
        raise CannotServe("there is no tokenizer")

    desk = await served(build=build, ready=False)
    async with fail_after(5):
        await desk.serving
    assert desk.host.exit_code == 3
    assert desk.host.out.getvalue() == ""
    assert "no engine: the engine could not be started: there is no tokenizer" in caplog.messages


class Closed(io.StringIO):
    """Standard output whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


async def test_standard_output_that_was_closed_does_not_blind_it_to_the_engines_death(
    served: Any, until: Any, fail_after: Any
) -> None:
    starting = asyncio.Event()
    engine = ScriptedEngine(plays=((BEGIN, Die()),), starting=starting)
    desk = await served(build=lambda: engine, ready=False)
    desk.host._out = Closed()
    starting.set()
    await until(desk.service.engine.ready.is_set)
    await desk.chat()
    async with fail_after(5):
        await desk.serving
    assert desk.host.exit_code == 3


async def test_a_signal_while_the_model_loads_ends_it_at_once(served: Any, fail_after: Any) -> None:
    engine = ScriptedEngine(starting=asyncio.Event())
    desk = await served(build=lambda: engine, ready=False, shutdown_grace_s=60)
    desk.host.handle_exit(signal.SIGTERM, None)
    async with fail_after(5):
        await desk.serving
    assert desk.host.exit_code == 0


class Ends:
    """Stands where a host should, and ends as uvicorn can."""

    def __init__(self, error: BaseException | None) -> None:
        self.exit_code = 0
        self.error = error

    def run(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(("error", "code"), [(None, 0), (SystemExit(3), 1)])
def test_a_server_that_cannot_listen_has_a_code_of_its_own(error: Any, code: int) -> None:
    host: Any = Ends(error)
    assert run(host) == code


# From here on: real processes, as an operator starts them.


def _script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "script.json"
    path.write_text(text, encoding="utf-8")
    return path


def _opened(url: str) -> Any:
    body = {"messages": [{"role": "user", "content": "Write."}], "stream": True}
    return httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=10)


def test_a_process_says_it_is_ready_and_drains_a_stream_at_sigterm(
    process: Callable[..., Any], tmp_path: Path
) -> None:
    script = (
        '[{"say": "<think>a</think><answer> Once"}, {"stall": 0.5}, {"say": " upon.</answer>"}]'
    )
    longhand = process(LONGHAND_SCRIPT=str(_script(tmp_path, script)))
    line = longhand.ready()
    assert line.startswith("Longhand serves scripted on scripted at http://127.0.0.1:")
    assert "curl -N http://127.0.0.1:" in line
    url = line.split(" at ")[1].split(" ")[0]
    with _opened(url) as response:
        lines = response.iter_lines()
        assert any('"content":"Once"' in line for line in lines)
        longhand.send_signal(signal.SIGTERM)
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert any('"content":" upon."' in line for line in rest)
    out, err, code = longhand.end()
    assert (out, code) == ("", 0)
    assert "Traceback" not in err


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_at_once_at_the_second_signal(
    process: Callable[..., Any], tmp_path: Path, sig: signal.Signals
) -> None:
    script = '[{"say": "<think>a</think><answer> Once"}, {"stall": 600}]'
    longhand = process(LONGHAND_SCRIPT=str(_script(tmp_path, script)))
    url = longhand.url()
    with _opened(url) as response:
        lines = response.iter_lines()
        assert any('"content":"Once"' in line for line in lines)
        longhand.send_signal(sig)
        # The first one was obeyed when the server says that it takes nothing on.
        while httpx.get(f"{url}/health/ready", timeout=10).status_code == 200:
            continue
        longhand.send_signal(sig)
        rest = [line for line in lines if line]
    assert '"code":"server_shutdown"' in rest[-2]
    assert rest[-1] == "data: [DONE]"
    _, err, code = longhand.end()
    assert code == 0
    assert "Traceback" not in err


def test_a_process_whose_engine_dies_exits_with_3(
    process: Callable[..., Any], tmp_path: Path
) -> None:
    script = '[{"say": "<think>a"}, {"die": "out of paper"}]'
    longhand = process(LONGHAND_SCRIPT=str(_script(tmp_path, script)))
    url = longhand.url()
    with _opened(url) as response:
        assert "out of paper" in response.read().decode()
    out, err, code = longhand.end()
    assert (out, code) == ("", 3)
    assert "no engine: out of paper" in err
