"""Sets up log lines, as JSON or text. No line may hold a prompt or an answer."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

# What every record has, and what uvicorn and vLLM add to each of theirs and ours.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "color_message",
    "vllm_process_name",
}


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and what ``extra`` gave."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """For people: time, level, message, then ``name=value`` for what ``extra`` gave."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f" {name}={value}" for name, value in _extra(record).items())
        return super().format(record) + extra


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def set_up(level: str, form: str) -> None:
    """Sends this process's log to standard error; standard output stays free for answers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # One line a request is ours to write, with tokens and times; uvicorn's would double it.
    logging.getLogger("uvicorn.access").disabled = True
    for noisy in ("httpx", "httpcore", "filelock", "sse_starlette"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
