"""Response objects beside their events: what was asked for, the ids of items, pages of input."""

from typing import Any

import pytest

from server.wire.encode import Head
from server.wire.encode_responses import (
    Drawn,
    Page,
    ResponseHead,
    Standing,
    deleted_object,
    head_fields,
    items_page,
    response_object,
)  # fmt: skip
from server.wire.response_input import Turn
from server.wire.response_output import Output, owner_of
from server.wire.responses import ResponsesRequest

HEAD = Head(id="resp_5f", model="m", created=5)
TURNS = [Turn(role="user", text=str(at), id=f"in_{at}") for at in range(5)]


def told(**fields: Any) -> dict[str, Any]:
    request = ResponsesRequest.model_validate({"input": "Write.", **fields})
    fields = head_fields(request, HEAD, Drawn(temperature=0.6, top_p=0.95))
    head = ResponseHead(id=HEAD.id, fields=fields)
    return response_object(head, Standing(status="in_progress"), Output(head.key))


def test_a_response_repeats_what_was_asked_for(conforming_response: Any) -> None:
    asked = {
        "instructions": "Be brief.", "max_output_tokens": 9, "metadata": {"k": "v"},
        "previous_response_id": "resp_4", "prompt_cache_key": "c", "safety_identifier": "s",
        "truncation": "auto", "user": "u", "background": True, "tool_choice": "none",
    }  # fmt: skip
    found = told(**asked, reasoning={"effort": "low", "summary": "auto"}, service_tier="flex")
    conforming_response(found)
    assert {name: found[name] for name in asked} == asked
    assert found["reasoning"] == {"effort": "low", "summary": None}
    assert (found["service_tier"], found["store"]) == ("default", True)


def test_a_response_has_defaults_where_nothing_was_asked_for(conforming_response: Any) -> None:
    found = told(store=False)
    conforming_response(found)
    assert not {"user", "usage", "writing"} & set(found)
    assert (found["background"], found["store"], found["tool_choice"]) == (False, False, "auto")
    assert (found["temperature"], found["top_p"], found["metadata"]) == (0.6, 0.95, {})


@pytest.mark.parametrize(
    ("item_id", "key"),
    [
        ("msg_5f_1", "5f"), ("rs_5f_0", "5f"), ("msg_a_b_2", "a_b"),
        ("in_5f_0", "5f"), ("msg_1", None), ("msg_5f_x", None), ("x_5f_0", None), ("", None),
        ("msg__0", None),
    ],
)  # fmt: skip
def test_an_items_id_tells_its_response(item_id: str, key: str | None) -> None:
    assert owner_of(item_id) == key


@pytest.mark.parametrize(
    ("page", "ids", "more"),
    [
        (Page(), [4, 3, 2, 1, 0], False),
        (Page(limit=2), [4, 3], True),
        (Page(limit=2, after="in_3"), [2, 1], True),
        (Page(limit=2, after="in_1"), [0], False),
        (Page(descending=False, limit=3), [0, 1, 2], True),
        (Page(descending=False, after="in_4"), [], False),
        (Page(after="in_9"), [], False),
    ],
)
def test_input_items_come_in_pages(page: Page, ids: list[int], more: bool) -> None:
    found = items_page(TURNS, page)
    names = [f"in_{at}" for at in ids]
    assert [item["id"] for item in found["data"]] == names
    assert (found["first_id"], found["last_id"]) == ((names[0], names[-1]) if ids else ("", ""))
    assert (found["object"], found["has_more"]) == ("list", more)


def test_a_deleted_response_is_told_by_its_id() -> None:
    assert deleted_object("resp_5f") == {"id": "resp_5f", "object": "response", "deleted": True}
