"""What goes wrong between us and a server, as errors. It must not talk to one."""

from collections.abc import Mapping
from typing import Any

import orjson

from server.errors import BadRequest, EngineDied, EngineUnavailable, LonghandError

# The request itself is wrong: no server of this kind would take it.
_REFUSED = frozenset({400, 413, 422})
# It has no room now. vLLM's --max-num-queued-reqs is a 503.
_BUSY = frozenset({429, 503})
# Clients ignore more (README.md, ``retry_after_s``).
_LONGEST_RETRY_S = 60
_LONGEST_REASON_CHARS = 300


# What an error's ``code`` says of a server, for metrics: it has no room, the connection went, it
# kept silent, it said that it failed, it said something wrong, it serves another model.
BUSY, LOST, STALLED = "upstream_busy", "connection_lost", "stalled"
FAILED, BAD, WRONG_MODEL = "server_error", "bad_stream", "wrong_model"


class Broken(Exception):
    """The server cannot go on with this stream, or never began; another one may.

    status: of its HTTP answer, where that is what was wrong.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = BAD,
        retry_after_s: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_s = retry_after_s
        self.status = status

    def as_error(self, *, writing: bool) -> EngineUnavailable:
        """``writing``: whether it had already written something."""
        kind = EngineDied if writing else EngineUnavailable
        return kind(f"the upstream server {self}", code=self.code, retry_after_s=self.retry_after_s)


class WentOn(Broken):
    """There is text behind the end of the text: which of the two is right, nobody knows."""


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Broken | LonghandError:
    """What an answer that is no success means."""
    try:
        told = orjson.loads(body)
    except ValueError:
        told = None
    if status in _REFUSED and told is not None:
        return _bad_request(told)
    return Broken(
        _why(status, told),
        code=BUSY if status in _BUSY else FAILED,
        retry_after_s=_advised_s(headers.get("retry-after")),
        status=status,
    )


def reported(told: Mapping[str, Any], *, writing: bool) -> Broken | LonghandError:
    """What an error means that came in place of a piece."""
    error = told.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if not writing and code in _REFUSED:
        return _bad_request(told)
    return Broken(f"reported an error: {_message(told)}", code=FAILED)


def _why(status: int, told: Any) -> str:
    if status in (401, 403):
        return f"does not accept our key (HTTP {status}); see upstream_key"
    said = "" if told is None else f": {_message(told)}"
    return f"answered HTTP {status}{said}"


def _bad_request(told: Any) -> BadRequest:
    error = told.get("error", told) if isinstance(told, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    return BadRequest(_message(told), param=param if isinstance(param, str) else None)


def _message(told: Any) -> str:
    """The words of an error: OpenAI's envelope, SGLang's flat one, Ollama's string, FastAPI's."""
    error = told.get("error", told) if isinstance(told, dict) else told
    if isinstance(error, dict):
        error = error.get("message", error.get("detail"))
    if not isinstance(error, str) or not error.strip():
        return "no reason given"
    return error.strip().splitlines()[0][:_LONGEST_REASON_CHARS]


def _advised_s(header: str | None) -> int | None:
    """Seconds; the form with a date is for times that no caller would wait."""
    if header is None or not header.strip().isdecimal():
        return None
    return min(int(header), _LONGEST_RETRY_S)
