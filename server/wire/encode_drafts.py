"""Kept drafts to JSON and to the events of ``/v1/drafts``. No async, no HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from planner.length import Asked
from server.drafts.output import Output, Told
from server.drafts.reading import Over
from server.drafts.report import endings_of, error_of, unpacked
from server.drafts.store import Record, State
from server.errors import LonghandError
from server.events import CarriedOn, Channel, Ended, Fragment, Progress
from server.wire.encode import error_object, one_line, total, usage_object
from server.wire.encode_writing import progress_object, writing_object


def draft_object(record: Record, *, output: Output | None, position: int | None) -> dict[str, Any]:
    """A draft; with its text so far where ``output`` is given. ``position``: how far it is, where
    its record does not say."""
    meta = unpacked(record.meta)
    ended = endings_of(meta)
    error = error_of(meta)
    told = {
        "id": record.id,
        "object": "draft",
        "kind": record.kind.value,
        "state": record.state.value,
        "created": int(record.created_s),
        "updated": int(record.updated_s),
        "model": meta.get("model"),
        "asked": _asked(meta),
        "position": meta.get("position", position) if output is None else output.position,
    }
    if output is not None:
        told |= _texts(output, meta.get("choices", 1))
    return {**told, **_report(meta, ended), "error": error and error_object(error)["error"]}


def _asked(meta: Mapping[str, Any]) -> list[int] | None:
    """The length in words that the draft is written for, lowest and highest; None: any."""
    if meta.get("asked") is None:
        return None
    asked = Asked(**meta["asked"]).range
    return None if asked is None else list(asked)


def _texts(output: Output, num_choices: int) -> dict[str, Any]:
    if num_choices == 1:
        return _text(output, 0)
    return {"choices": [{"index": at, **_text(output, at)} for at in range(num_choices)]}


def _text(output: Output, index: int) -> dict[str, str]:
    texts = output.texts(index)
    return {"reasoning": texts[Channel.REASONING], "answer": texts[Channel.ANSWER]}


def _report(meta: Mapping[str, Any], ended: Mapping[int, Ended]) -> dict[str, Any]:
    """Report and usage; of several choices a list of reports."""
    reports = [
        {"finish_reason": one.finish_reason, **writing_object(one)} for one in ended.values()
    ]
    usage = total(meta.get("prompt_tokens", 0), [one.usage for one in ended.values()])
    single = meta.get("choices", 1) == 1
    return {
        "writing": (reports[0] if reports else None) if single else reports,
        "usage": usage_object(usage) if ended else None,
    }


def list_object(drafts: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page of drafts, newest first."""
    return {"object": "list", "data": drafts, "has_more": has_more}


def told_frame(told: Told) -> bytes:
    """One event of a draft; its id is the position behind it, so that a browser that reconnects
    goes on there (WHATWG HTML, section 9.2.6)."""
    event, index = told.choice.event, told.choice.index
    match event:
        case Fragment(channel=channel, text=text):
            body = {"index": index, "channel": channel, "text": text, "position": told.position}
            return _frame("delta", body, told.position)
        case CarriedOn(why=why):
            body = {"index": index, "why": why, "position": told.position}
            return _frame("carried_on", body, told.position)
        case Progress() as progress:
            return _frame("progress", progress_object(progress))
        case _:
            return b""


def over_frame(over: Over) -> bytes:
    """The last event of a draft: how it ended, or its error."""
    if over.error is not None and over.state is not State.CANCELLED:
        return error_frame(over.error)
    ended = over.ended
    reasons = [one.finish_reason for one in ended.values()]
    body = {
        "state": over.state.value,
        "position": over.meta.get("position"),
        "finish_reason": reasons[0] if len(reasons) == 1 else None,
        **_report(over.meta, ended),
    }
    return _frame("end", body)


def error_frame(error: LonghandError) -> bytes:
    """How the events end where they cannot go on."""
    return _frame("error", error_object(error))


def _frame(name: str, body: Mapping[str, Any], position: int | None = None) -> bytes:
    head = b"" if position is None else b"id: %d\n" % position
    data = one_line(orjson.dumps(body))
    return head + b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
