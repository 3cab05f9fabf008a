"""Fields that both generating routes take, and those that are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from server.engine.base import Sampling
from server.errors import BadRequest
from server.wire.fields import REFUSED, SharedFields, check_text


def parsed(**fields: Any) -> SharedFields:
    return SharedFields.model_validate(fields)


def test_an_empty_request_wants_one_plain_draft() -> None:
    body = parsed()
    assert (body.wants_stream, body.wants_usage) == (False, False)
    assert (body.stops(), body.drafts(8), body.unknown) == ((), 1, set())
    assert body.sampling(temperature=0.6, top_p=0.95, logprobs=None) == Sampling(
        temperature=0.6, top_p=0.95
    )


def test_what_is_asked_for_is_how_it_is_drawn() -> None:
    body = parsed(
        temperature=0, top_p=0.5, top_k=40, min_p=0.1, presence_penalty=1, frequency_penalty=-1,
        repetition_penalty=1.1, seed=-1, logit_bias={"5": 1, "7": -100}, stop_token_ids=[1],
        allowed_token_ids=[2], bad_words=["x"], min_tokens=3, ignore_eos=True,
    )  # fmt: skip
    assert body.sampling(temperature=0.6, top_p=0.95, logprobs=2) == Sampling(
        temperature=0.0,
        top_p=0.5,
        top_k=40,
        min_p=0.1,
        presence_penalty=1.0,
        frequency_penalty=-1.0,
        repetition_penalty=1.1,
        seed=-1,
        logprobs=2,
        logit_bias=((5, 1.0), (7, -100.0)),
        stop_token_ids=(1,),
        allowed_token_ids=(2,),
        bad_words=("x",),
        min_tokens=3,
        ignore_eos=True,
    )


@pytest.mark.parametrize("top_k", [-1, 0, None])
def test_top_k_is_off_by_any_of_its_names(top_k: int | None) -> None:
    assert parsed(top_k=top_k).sampling(temperature=1, top_p=1, logprobs=None).top_k == 0


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_field_that_cannot_be_honoured_is_refused_by_name(name: str) -> None:
    for value in (True, ["x"], {"a": 1}, "x", 2):
        with pytest.raises(BadRequest) as caught:
            parsed(**{name: value})
        assert caught.value.message == f"{name}: {REFUSED[name]}"
        assert (caught.value.param, caught.value.code) == (name, "unsupported_parameter")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_field_that_asks_for_nothing_is_let_through(name: str) -> None:
    nothing = [None, False] + ([1] if name == "best_of" else ["", "none", []])
    for value in nothing:
        assert parsed(**{name: value}).unknown == set()


def test_an_empty_object_asks_for_a_web_search_and_for_nothing_else() -> None:
    assert parsed(structured_outputs={}, guided_json={}).unknown == set()
    with pytest.raises(BadRequest, match="no web search"):
        parsed(web_search_options={})


def test_fields_nobody_knows_are_accepted_and_named() -> None:
    assert parsed(colour="blue", size=3, tools=None).unknown == {"colour", "size"}


@pytest.mark.parametrize(
    ("stop", "stops"),
    [("a", ("a",)), (["a", "b"], ("a", "b")), ([], ()), (None, ()), (list("abcd"), tuple("abcd"))],
)
def test_stops_are_a_string_or_up_to_four(stop: Any, stops: tuple[str, ...]) -> None:
    assert parsed(stop=stop).stops() == stops


@pytest.mark.parametrize("stop", [list("abcde"), "", ["a", ""]])
def test_five_stops_or_an_empty_one_are_refused(stop: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(stop=stop).stops()
    assert caught.value.param == "stop"


def test_no_more_drafts_are_written_than_the_server_allows() -> None:
    assert parsed(n=8).drafts(8) == 8
    with pytest.raises(BadRequest, match="over this server's limit of 8") as caught:
        parsed(n=9).drafts(8)
    assert caught.value.param == "n"


def test_a_bias_belongs_to_a_token_id() -> None:
    body = parsed(logit_bias={"word": 1})
    with pytest.raises(BadRequest, match="keys are token ids"):
        body.sampling(temperature=1, top_p=1, logprobs=None)


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 0}, {"n": "2"}, {"max_tokens": 0}, {"temperature": 2.1}, {"temperature": "1"},
        {"top_p": 0}, {"stream": "yes"}, {"seed": 2**63}, {"presence_penalty": -3},
        {"logit_bias": {"1": 101}}, {"top_k": -2}, {"min_p": 1.5}, {"repetition_penalty": 0},
        {"stream_options": {"include_usage": 1}}, {"temperature": float("inf")},
    ],
)  # fmt: skip
def test_a_value_out_of_range_or_of_another_type_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parsed(**fields)


def test_usage_in_a_stream_is_asked_for_by_its_option() -> None:
    assert parsed(stream=True, stream_options={"include_usage": True}).wants_usage
    assert not parsed(stream_options={"other": 1}).wants_usage
    assert not parsed(stream_options=None).wants_usage


def test_half_a_surrogate_pair_is_no_text() -> None:
    check_text("春\U0001f600", "prompt")
    with pytest.raises(BadRequest) as caught:
        check_text("a\ud83d", "prompt")
    assert caught.value.param == "prompt"


def test_what_is_no_object_is_left_to_the_types() -> None:
    with pytest.raises(ValidationError):
        SharedFields.model_validate([1])
