"""What is told of a draft beside its text, as JSON in its record. It must not hold any text.

``model`` is the served model, ``choices`` how many drafts the caller is shown, ``prompt_tokens``
those of the request; ``position``, ``ended`` and ``error`` are there once the draft is over. A
route adds what it needs itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from server.drafts.entries import ended_json, ended_of
from server.drafts.output import Output
from server.errors import Internal, LonghandError
from server.events import Ended


def ending(meta: Mapping[str, Any], output: Output, error: LonghandError | None) -> dict[str, Any]:
    """The report on a draft that has stopped."""
    told = {**meta, "position": output.position, "ended": ended_json(output.ended())}
    return told if error is None else {**told, "error": error_json(error)}


def error_json(error: LonghandError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "param": error.param,
        "code": error.code,
    }


def error_of(meta: Mapping[str, Any]) -> LonghandError | None:
    """The error that a draft failed of, as it was raised then."""
    plain = meta.get("error")
    if plain is None:
        return None
    kinds = {kind.__name__: kind for kind in _kinds(LonghandError)}
    kind = kinds.get(plain["kind"], Internal)
    return kind(plain["message"], param=plain["param"], code=plain["code"])


def endings_of(meta: Mapping[str, Any]) -> dict[int, Ended]:
    """How the choices of a draft ended, by index."""
    return {index: ended_of(plain) for index, plain in meta.get("ended", ())}


def packed(meta: Mapping[str, Any]) -> bytes:
    return orjson.dumps(meta)


def unpacked(meta: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(meta)
    return found


def _kinds(kind: type[LonghandError]) -> Iterator[type[LonghandError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
