"""The chat request and its translation to a brief."""

from typing import Any

import pytest
from pydantic import ValidationError

from planner.brief import Brief, Message
from server.errors import BadRequest
from server.wire.chat import ChatRequest, Efforts, to_brief

EFFORTS = Efforts(minimal=1, low=2, medium=3, high=4)
ASK = {"role": "user", "content": "A poem."}


def parsed(*messages: Any, **fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"messages": list(messages or (ASK,)), **fields})


def brief(*messages: Any, **fields: Any) -> Brief:
    return to_brief(parsed(*messages, **fields), EFFORTS)


def test_a_task_is_a_brief_that_thinks() -> None:
    assert brief() == Brief(messages=(Message(role="user", content="A poem."),))


def test_a_conversation_keeps_its_turns_and_leaves_old_reasoning_out() -> None:
    found = brief(
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be "}, {"type": "text",
                                                                        "text": "kind."}]},
        {"role": "assistant", "content": None, "reasoning": "x", "reasoning_content": "y"},
        {"role": "user", "content": "春", "name": "a"},
    )  # fmt: skip
    assert [(m.role, m.content) for m in found.messages] == [
        ("system", "Be brief."),
        ("system", "Be kind."),
        ("assistant", ""),
        ("user", "春"),
    ]


@pytest.mark.parametrize(
    ("fields", "max_tokens"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
    ],
)
def test_the_newer_name_of_the_token_limit_wins(
    fields: dict[str, int], max_tokens: int | None
) -> None:
    assert brief(**fields).max_tokens == max_tokens


@pytest.mark.parametrize(
    ("fields", "thinking", "reasoning_tokens"),
    [
        ({}, True, None),
        ({"reasoning_effort": "none"}, False, None),
        ({"reasoning_effort": "minimal"}, True, 1),
        ({"reasoning_effort": "low"}, True, 2),
        ({"reasoning_effort": "medium"}, True, 3),
        ({"reasoning_effort": "high"}, True, 4),
        ({"reasoning_effort": "xhigh"}, True, None),
        ({"reasoning_effort": "max"}, True, None),
        ({"thinking_token_budget": 9, "reasoning_effort": "low"}, True, 9),
        ({"thinking_token_budget": -1, "reasoning_effort": "low"}, True, 2),
        ({"writing": {"reasoning_tokens": 0}, "thinking_token_budget": 9}, True, 0),
        ({"writing": {}, "thinking_token_budget": 0}, True, 0),
    ],
)
def test_the_closest_wish_for_thinking_wins(
    fields: dict[str, Any], thinking: bool, reasoning_tokens: int | None
) -> None:
    found = brief(**fields)
    assert (found.thinking, found.reasoning_tokens) == (thinking, reasoning_tokens)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ([ASK, {"role": "assistant", "content": "a"}], "messages[1].role"),
        ([{"role": "user", "content": " \n"}], "messages[0].content"),
        ([{"role": "user", "content": None}], "messages[0].content"),
    ],
)
def test_a_conversation_without_a_task_is_refused(messages: list[Any], param: str) -> None:
    body = ChatRequest.model_validate({"messages": messages})
    with pytest.raises(BadRequest) as caught:
        to_brief(body, EFFORTS)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
        ({"messages": [ASK, {"role": "function", "content": "a"}]}, "messages[1].role"),
        ({"messages": [{"role": "assistant", "tool_calls": [1]}]}, "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
        ),
        ({"messages": [{"role": "user", "content": ["a"]}]}, "messages[0].content[0].type"),
    ],
)
def test_what_is_no_text_is_refused_by_its_place(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(**fields)
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "text"}}, {"response_format": {}}, {"modalities": ["text"]},
        {"tool_choice": "auto"}, {"tool_choice": "none"}, {"tools": []},
    ],
)  # fmt: skip
def test_what_asks_for_plain_text_is_taken(fields: dict[str, Any]) -> None:
    assert brief(**fields) == brief()


@pytest.mark.parametrize(
    "data",
    [
        [], {}, {"messages": "a"}, {"messages": ["a"]}, {"messages": [{"role": "boss"}]},
        {"messages": [ASK], "top_logprobs": 21}, {"messages": [ASK], "reasoning_effort": "huge"},
        {"messages": [ASK], "writing": {"reasoning_tokens": -1}},
        {"messages": [ASK], "writing": "x"},
        {"messages": [ASK], "thinking_token_budget": -2},
    ],
)  # fmt: skip
def test_a_body_of_another_shape_is_refused(data: Any) -> None:
    with pytest.raises(ValidationError):
        ChatRequest.model_validate(data)


@pytest.mark.parametrize(("key", "param"), [("wrods", "writing.wrods"), ("a b", "writing")])
def test_an_unknown_option_of_writing_is_refused_by_name(key: str, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(writing={key: 1})
    assert (caught.value.param, caught.value.code) == (param, "unknown_parameter")
    assert repr(key) in caught.value.message
    assert "reasoning_tokens" in caught.value.message


@pytest.mark.parametrize(
    ("fields", "rivals"),
    [
        ({}, None),
        ({"logprobs": False}, None),
        ({"logprobs": False, "top_logprobs": 0}, None),
        ({"logprobs": True}, 0),
        ({"logprobs": True, "top_logprobs": 20}, 20),
    ],
)
def test_rivals_are_reported_as_asked(fields: dict[str, Any], rivals: int | None) -> None:
    assert parsed(**fields).rivals() == rivals


def test_top_logprobs_needs_logprobs() -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(top_logprobs=2).rivals()
    assert caught.value.param == "top_logprobs"


@pytest.mark.parametrize(("value", "shows"), [(None, True), (True, True), (False, False)])
def test_reasoning_is_shown_unless_it_is_declined(value: bool | None, shows: bool) -> None:
    assert parsed(include_reasoning=value).shows_reasoning is shows


def test_half_a_surrogate_pair_in_a_message_is_refused() -> None:
    with pytest.raises((BadRequest, ValidationError)):
        brief({"role": "user", "content": "a\ud83d"})


# The wish for a length.


@pytest.mark.parametrize("words", [1, 2_000, 1_000_000])
def test_a_number_of_words_is_carried_as_it_is(words: int) -> None:
    assert brief(writing={"words": words}).words == words


def test_the_options_of_writing_reach_the_brief() -> None:
    found = brief(writing={"words": [800, 1_000], "length_control": "extend", "loop_guard": False})
    assert (found.words, found.length_control, found.loop_guard) == ((800, 1_000), "extend", False)
    nothing = {"words": None, "length_control": None, "loop_guard": None}
    assert brief(writing=nothing) == brief()


@pytest.mark.parametrize(
    "words",
    [0, -1, 1_000_001, 1.5, True, "2000", [], [5], [1, 2, 3], [2, 1], [0, 1], [1.5, 2], [True, 2],
     [1, 2_000_000], ["1", "2"], {}],
)  # fmt: skip
def test_what_is_no_length_is_refused_in_one_sentence(words: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(writing={"words": words})
    assert caught.value.param == "writing.words"
    assert "[low, high]" in str(caught.value)
