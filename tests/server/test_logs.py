"""Log lines, as JSON or text."""

import json
import logging
import sys

import pytest

from server.logs import JsonLines, TextLines, set_up


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """What set_up changes is put back."""
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "disabled", False)
    for name in ("httpx", "httpcore", "filelock", "sse_starlette"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)


def record(**extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "server.x", "levelname": "INFO", "levelno": 20, "msg": "春 %s", "args": ("a",)}
    )
    made.created = 0.5
    made.__dict__.update(extra)
    return made


def test_a_json_line_has_time_level_logger_message_and_extra() -> None:
    line = JsonLines().format(record(seconds=1.5, path=sys, color_message="x"))
    assert "\n" not in line
    assert "春" in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.500+00:00",
        "level": "info",
        "logger": "server.x",
        "message": "春 a",
        "seconds": 1.5,
        "path": str(sys),
    }


def test_a_json_line_holds_the_traceback_of_an_exception() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        line = JsonLines().format(record(exc_info=sys.exc_info()))
    assert json.loads(line)["exception"].endswith("ValueError: wrong")


def test_a_text_line_is_for_people() -> None:
    line = TextLines().format(record(seconds=1.5, vllm_process_name="x"))
    assert line.endswith(" INFO    server.x: 春 a seconds=1.5")


@pytest.mark.parametrize(("form", "start"), [("json", "{"), ("text", "2")])
def test_the_log_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str], form: str, start: str
) -> None:
    set_up("info", form)
    logging.getLogger("server.x").info("said")
    logging.getLogger("server.x").debug("not said")
    logging.getLogger("uvicorn.access").info("not said")
    logging.getLogger("httpx").info("not said")
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = shown.err.splitlines()
    assert line.startswith(start)
    assert "said" in line
