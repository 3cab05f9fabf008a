"""What the encoders of all routes share."""

import json

import pytest

from server.errors import BadRequest, EngineDied
from server.events import CarriedOn, Channel, Choice, Ended, Fragment, TokenLogprob, Usage
from server.wire.encode import (
    Folded,
    Head,
    error_object,
    failure,
    frame,
    total,
    usage_object,
)

TOKEN = TokenLogprob(token="a", token_id=1, logprob=-0.5)


def test_a_frame_is_one_event_of_one_line() -> None:
    assert frame(b'{"a":1}') == b'data: {"a":1}\n\n'


def test_a_head_is_what_every_chunk_repeats() -> None:
    assert Head(id="i", model="m", created=5).fields("k") == {
        "id": "i", "object": "k", "created": 5, "model": "m",
    }  # fmt: skip


def test_events_are_put_together_by_channel() -> None:
    folded = Folded()
    assert folded.finish_reason is None
    ended = Ended(finish_reason="length", usage=Usage(), answer_words=2)
    for event in (
        Fragment(channel=Channel.REASONING, text="Pl"),
        Fragment(channel=Channel.REASONING, text="an"),
        CarriedOn(why="no_answer"),
        Fragment(channel=Channel.ANSWER, text="A", logprobs=(TOKEN,)),
        Fragment(channel=Channel.ANSWER, text="b", logprobs=(TOKEN, TOKEN)),
        ended,
    ):
        folded.add(Choice(index=0, event=event))
    assert folded == Folded(
        reasoning=["Pl", "an"], answer=["A", "b"], logprobs=[TOKEN] * 3, ended=ended
    )
    assert folded.finish_reason == "length"


def test_a_prompt_counts_once_and_its_drafts_add_up() -> None:
    drafts = [Usage(prompt_tokens=10, answer_tokens=5), Usage(prompt_tokens=10, answer_tokens=7)]
    both = total(10, drafts)
    assert both == Usage(prompt_tokens=10, answer_tokens=12)
    assert both.prompt_tokens + both.completion_tokens == 22
    assert usage_object(both)["total_tokens"] == 22


def test_no_more_prompt_tokens_are_cached_than_there_are() -> None:
    drafts = [Usage(cached_tokens=8, reasoning_tokens=1), Usage(cached_tokens=8)]
    assert total(10, drafts) == Usage(prompt_tokens=10, cached_tokens=10, reasoning_tokens=1)
    assert total(20, drafts).cached_tokens == 16
    assert total(3, []) == Usage(prompt_tokens=3)


def test_usage_is_told_as_openai_tells_it() -> None:
    usage = Usage(prompt_tokens=10, cached_tokens=4, reasoning_tokens=3, answer_tokens=5)
    assert usage_object(usage) == {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            BadRequest("no", param="n"),
            {"message": "no", "type": "invalid_request_error", "param": "n",
             "code": "invalid_value"},
        ),
        (
            EngineDied("gone"),
            {"message": "gone", "type": "server_error", "param": None, "code": "engine_died"},
        ),
    ],
)  # fmt: skip
def test_an_error_has_openais_envelope_and_ends_a_stream(
    error: BadRequest, told: dict[str, str]
) -> None:
    assert error_object(error) == {"error": told}
    first, done, rest = failure(error).split(b"\n\n")
    assert json.loads(first.removeprefix(b"data: ")) == {"error": told}
    assert (done, rest) == (b"data: [DONE]", b"")
