"""The ``input`` of ``POST /v1/responses``: items to turns of a conversation, and turns to the items
that are kept and listed. No engine, no I/O.

Only text is understood. Earlier reasoning may come back and is left out: the model plans each turn
afresh.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from server.errors import BadRequest
from server.wire.fields import check_text

ItemRole = Literal["system", "developer", "user", "assistant"]

_ROLES: tuple[ItemRole, ...] = ("system", "developer", "user", "assistant")
_PARTS = ("input_text", "output_text", "text")
_TOOLS = "Longhand calls no tools and reads no images, files or sounds; only messages of text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of the input. ``id``: the item's name, "" until it has one."""

    role: ItemRole
    text: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A message that is told by the id under which it was given out."""

    id: str
    where: str


def read_input(given: Any) -> tuple[Turn | Reference, ...]:
    """What was sent as ``input``, in order.

    Raises:
        BadRequest: it holds nothing, or something that is no text; the field is named.
    """
    if isinstance(given, str):
        return (Turn(role="user", text=_checked(given, "input")),)
    if not isinstance(given, list):
        raise BadRequest("input: a text, or a list of items", param="input")
    found = [_read_item(item, f"input[{at}]") for at, item in enumerate(given)]
    return tuple(item for item in found if item is not None)


def check_task(turns: Sequence[Turn], where: str = "input") -> None:
    """Whether there is something to answer.

    Raises:
        BadRequest: no message, a last one that is not the user's, or a blank one.
    """
    if not turns:
        raise BadRequest(f"{where}: at least one message is needed", param=where)
    if turns[-1].role != "user":
        raise BadRequest(f"{where}: the last message must be the user's", param=where)
    if not turns[-1].text.strip():
        raise BadRequest(f"{where}: the task is empty", param=where)


def named(turns: Sequence[Turn], prefix: str) -> tuple[Turn, ...]:
    """Every turn with an id: its own, or ``{prefix}_{its place}``."""
    return tuple(
        Turn(role=turn.role, text=turn.text, id=turn.id or f"{prefix}_{at}")
        for at, turn in enumerate(turns)
    )


def item_object(turn: Turn) -> dict[str, Any]:
    """The turn as the API lists it; ``read_input`` reads it back."""
    part: dict[str, Any] = {"type": "input_text", "text": turn.text}
    if turn.role == "assistant":
        part = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
    return {
        "id": turn.id,
        "type": "message",
        "role": turn.role,
        "status": "completed",
        "content": [part],
    }


def _read_item(item: Any, where: str) -> Turn | Reference | None:
    if not isinstance(item, dict):
        raise BadRequest(f"{where}: an object with a role and a content", param=where)
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    if kind == "message":
        return _read_message(item, where)
    if kind == "reasoning":
        return None
    if kind == "item_reference" and isinstance(item.get("id"), str):
        return Reference(id=item["id"], where=where)
    raise BadRequest(
        f"{where}.type: items of type {kind!r} are not understood; {_TOOLS}",
        param=f"{where}.type",
        code="unsupported_parameter",
    )


def _read_message(item: dict[str, Any], where: str) -> Turn:
    role, given_id = item.get("role"), item.get("id")
    if role not in _ROLES:
        raise BadRequest(f"{where}.role: one of {', '.join(_ROLES)}", param=f"{where}.role")
    return Turn(
        role=role,
        text=_read_content(item.get("content"), f"{where}.content"),
        id=given_id if isinstance(given_id, str) else "",
    )


def _read_content(content: Any, where: str) -> str:
    if isinstance(content, str):
        return _checked(content, where)
    if not isinstance(content, list):
        raise BadRequest(f"{where}: a text, or a list of parts", param=where)
    return "".join(_read_part(part, f"{where}[{at}]") for at, part in enumerate(content))


def _read_part(part: Any, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in _PARTS:
        raise BadRequest(
            f"{where}.type: parts of type {kind!r} are not understood; {_TOOLS}",
            param=f"{where}.type",
            code="unsupported_parameter",
        )
    if not isinstance(part.get("text"), str):
        raise BadRequest(f"{where}.text: a text", param=f"{where}.text")
    return _checked(part["text"], f"{where}.text")


def _checked(text: str, where: str) -> str:
    check_text(text, where)
    return text
