"""The request of the Responses API and its translation to a brief."""

from typing import Any

import pytest
from pydantic import ValidationError

from planner.brief import Brief, Message
from server.contest import BestOf
from server.errors import BadRequest
from server.wire.chat import Candidates, Efforts
from server.wire.response_input import Reference, Turn, item_object, named, read_input
from server.wire.responses import ResponsesRequest, num_leading, shortened

EFFORTS = Efforts(minimal=1, low=2, medium=3, high=4)
DEFAULTS = Candidates(
    drafts=1, max_drafts=4, weights={}, rewards=("length",), progress_s=1.0, heartbeat_s=9.0
)
USER = {"role": "user", "content": "A poem."}


def parsed(given: Any = "A poem.", **fields: Any) -> ResponsesRequest:
    return ResponsesRequest.model_validate({"input": given, **fields})


def turns(given: Any) -> tuple[Turn, ...]:
    found = read_input(parsed(given).input)
    assert all(isinstance(each, Turn) for each in found)
    return tuple(each for each in found if isinstance(each, Turn))


def brief(given: Any = "A poem.", **fields: Any) -> Brief:
    return parsed(given, **fields).brief(turns(given), EFFORTS)


def said(found: Brief) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in found.messages]


def test_a_text_is_the_users_and_instructions_stand_before_it() -> None:
    assert brief() == Brief(messages=(Message(role="user", content="A poem."),))
    assert said(brief(instructions="Be brief.")) == [("system", "Be brief."), ("user", "A poem.")]


def test_items_are_turns_and_old_reasoning_is_left_out() -> None:
    given = [
        {"type": "message", "role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "A "},
                                     {"type": "input_text", "text": "poem."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": []},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "Rose.", "annotations": []}]},
        {"role": "user", "content": "Another."},
    ]  # fmt: skip
    assert said(brief(given)) == [
        ("system", "Be brief."), ("user", "A poem."), ("assistant", "Rose."), ("user", "Another."),
    ]  # fmt: skip
    assert [turn.id for turn in turns(given)] == ["", "", "msg_1", ""]


def test_items_that_are_kept_are_read_back_as_they_were() -> None:
    kept = named(turns([USER, {"role": "assistant", "content": "Rose.", "id": "msg_9"}]), "in_5f")
    assert [turn.id for turn in kept] == ["in_5f_0", "msg_9"]
    assert turns([item_object(turn) for turn in kept]) == kept


@pytest.mark.parametrize(
    "item",
    [{"id": "msg_1"}, {"type": "item_reference", "id": "msg_1"}, {"type": None, "id": "msg_1"}],
)
def test_a_message_may_be_told_by_its_id(item: dict[str, Any]) -> None:
    assert read_input([item]) == (Reference(id="msg_1", where="input[0]"),)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ([], "input"),
        ("", "input"),
        (" \n", "input"),
        (["x"], "input[0]"),
        ([USER, {"role": "tool", "content": "x"}], "input[1].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": [{"type": "input_image"}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": ["x"]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        ([{"type": "function_call_output", "call_id": "1"}], "input[0].type"),
        ([{}], "input[0].type"),
        ([USER, {"role": "assistant", "content": "x"}], "input"),
        ("\ud800", "input"),
        ([{"role": "user", "content": "\ud800"}], "input[0].content"),
        ([{"type": "reasoning", "summary": []}], "input"),
    ],
)
def test_input_that_cannot_be_answered_is_refused_by_its_place(given: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        brief(given)
    assert caught.value.param == param


def test_input_is_a_text_or_a_list() -> None:
    with pytest.raises(ValidationError):
        parsed({"role": "user"})
    with pytest.raises(BadRequest, match="a text, or a list"):
        read_input({"role": "user"})


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("tools", [{"type": "function", "name": "f"}], "tools"),
        ("tool_choice", "required", "tool_choice"),
        ("tool_choice", {"type": "file_search"}, "tool_choice"),
        ("modalities", ["audio"], "modalities"),
        ("conversation", "conv_1", "conversation"),
        ("prompt", {"id": "pmpt_1"}, "prompt"),
        ("context_management", [{"type": "compaction"}], "context_management"),
        ("moderation", {"model": "m"}, "moderation"),
        ("messages", [USER], "messages"),
        ("n", 2, "n"),
        ("n", True, "n"),
        ("best_of", 3, "best_of"),
        ("max_tokens", 9, "max_tokens"),
        ("reasoning_effort", "low", "reasoning_effort"),
        ("response_format", {"type": "text"}, "response_format"),
        ("logprobs", True, "logprobs"),
        ("text", {"format": {"type": "json_object"}}, "text.format"),
        ("text", {"verbosity": "low"}, "text.verbosity"),
        ("text", "plain", "text"),
        ("reasoning", {"summary": "detailed"}, "reasoning.summary"),
        ("stream_options", {"include_obfuscation": True}, "stream_options.include_obfuscation"),
        ("metadata", {str(key): "" for key in range(17)}, "metadata"),
        ("metadata", {"k" * 65: ""}, "metadata"),
        ("metadata", {"k": "v" * 513}, "metadata"),
        ("metadata", {"k": "\ud800"}, "metadata"),
    ],
)
def test_fields_that_cannot_be_honoured_are_refused_by_name(
    name: str, value: Any, param: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(**{name: value})
    assert caught.value.param == param


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "max_tool_calls": 3},
        {"tool_choice": "none", "modalities": ["text"], "n": 1, "conversation": None},
        {"text": {"format": {"type": "text"}, "verbosity": "medium"}, "service_tier": "flex"},
        {"text": {}, "reasoning": {"summary": "auto"}, "truncation": "disabled"},
        {"include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "store": True},
        {"stream_options": {"include_obfuscation": False}, "prompt_cache_retention": "24h"},
        {"metadata": {"k" * 64: "v" * 512}, "user": "u", "safety_identifier": "s"},
        {"metadata": None},
    ],
)
def test_fields_that_ask_for_nothing_more_are_taken_and_not_counted(fields: Any) -> None:
    assert parsed(**fields).unknown == set()


def test_fields_that_nobody_knows_are_taken_and_counted() -> None:
    assert parsed(flavour="sweet", colour=3).unknown == {"flavour", "colour"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", {"k": 1}), ("metadata", ["k"]), ("truncation", "middle"),
        ("max_output_tokens", 0), ("top_logprobs", 21), ("previous_response_id", ""),
        ("reasoning", {"effort": "huge"}), ("reasoning", 3), ("stream_options", 3),
    ],
)  # fmt: skip
def test_values_of_the_wrong_kind_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        parsed(**{field: value})
    assert caught.value.errors()[0]["loc"][0] == field


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(ValidationError):
        ResponsesRequest.model_validate(["x"])


@pytest.mark.parametrize(
    ("fields", "keeps"),
    [({}, True), ({"store": None}, True), ({"store": True}, True), ({"store": False}, False),
     ({"background": True}, True)],
)  # fmt: skip
def test_a_response_is_kept_unless_the_caller_says_no(fields: Any, keeps: bool) -> None:
    assert parsed(**fields).keeps is keeps


def test_what_is_written_in_the_background_must_be_kept() -> None:
    with pytest.raises(BadRequest, match="needs store"):
        _ = parsed(background=True, store=False).keeps


@pytest.mark.parametrize(
    ("fields", "thinking", "reasoning_tokens"),
    [
        ({}, True, None),
        ({"reasoning": {"effort": "none"}}, False, None),
        ({"reasoning": {"effort": "low"}}, True, 2),
        ({"reasoning": {"effort": "max"}}, True, None),
        ({"reasoning": {"effort": "low"}, "writing": {"reasoning_tokens": 9}}, True, 9),
    ],
)
def test_effort_bounds_the_thinking(
    fields: Any, thinking: bool, reasoning_tokens: int | None
) -> None:
    found = brief(**fields)
    assert (found.thinking, found.reasoning_tokens) == (thinking, reasoning_tokens)


def test_length_and_policies_are_asked_for_as_in_a_chat() -> None:
    found = brief(max_output_tokens=7, writing={"words": [10, 20], "loop_guard": False,
                                                "length_control": "pace"})  # fmt: skip
    assert (found.max_tokens, found.words) == (7, (10, 20))
    assert (found.loop_guard, found.length_control) == (False, "pace")
    assert parsed().candidates(DEFAULTS) is None
    assert parsed(writing={"best_of": 3, "prune": False}).candidates(DEFAULTS) == BestOf(
        drafts=3, weights={}, prune=False, progress_s=9.0
    )
    with pytest.raises(BadRequest, match=r"writing\.best_of"):
        parsed(writing={"best_of": 5}).candidates(DEFAULTS)


def test_log_probabilities_are_asked_for_by_include() -> None:
    include = ["message.output_text.logprobs"]
    assert parsed().rivals() is None
    assert parsed(top_logprobs=0, include=[]).rivals() is None
    assert parsed(include=include).rivals() == 0
    assert parsed(include=include, top_logprobs=3).rivals() == 3
    with pytest.raises(BadRequest) as caught:
        parsed(top_logprobs=3).rivals()
    assert caught.value.param == "top_logprobs"


def test_half_a_surrogate_pair_in_the_instructions_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        brief(instructions="\ud800")
    assert caught.value.param == "instructions"


def test_a_brief_is_shortened_from_its_oldest_turn_on() -> None:
    given = [USER, {"role": "assistant", "content": "Rose."}, {"role": "user", "content": "More."}]
    long = brief(given, instructions="Be brief.")
    assert num_leading(long) == 1
    assert said(shortened(long, 0)) == said(long)
    assert said(shortened(long, 2)) == [("system", "Be brief."), ("user", "More.")]
    assert num_leading(Brief(messages=(Message(role="system", content="x"),))) == 1
