"""A draft's record as the fields of a Redis hash. It must not talk to Redis."""

from collections.abc import Mapping
from dataclasses import fields as names
from typing import Any

from server.drafts.packing import plain
from server.drafts.store import Kind, Record, State

# What a listing asks for: all but the request, in this order.
LISTED = tuple(field.name.encode() for field in names(Record) if field.name != "request")


def fields(record: Record, request: bytes) -> list[Any]:
    """Names and values in turn. ``request`` is the compressed one; None becomes ""."""
    values = {field.name: getattr(record, field.name) for field in names(Record)}
    values["request"] = request
    stored = {name: "" if value is None else value for name, value in values.items()}
    return [part for pair in stored.items() for part in pair]


def record(stored: Mapping[bytes, bytes]) -> Record:
    """What ``fields`` was given; without the request, where that was not asked for."""
    text = {name.decode(): value.decode() for name, value in stored.items() if name not in _BYTES}
    return Record(
        id=text["id"],
        owner=text["owner"],
        kind=Kind(text["kind"]),
        state=State(text["state"]),
        created_s=float(text["created_s"]),
        updated_s=float(text["updated_s"]),
        expires_s=float(text["expires_s"]) if text["expires_s"] else None,
        request=plain(stored[b"request"]) if b"request" in stored else b"",
        meta=stored[b"meta"],
        idempotency=text["idempotency"] or None,
        body_hash=text["body_hash"] or None,
        size_bytes=int(text["size_bytes"]),
    )


_BYTES = frozenset((b"request", b"meta"))
