"""What servers of several makes say, read."""

import json
from typing import Any

import pytest

from server.pen.events import (
    Candidate,
    Channel,
    Delta,
    Ended,
    Fault,
    Garbled,
    Standings,
    of_chat,
    of_draft,
)


def chat(**chunk: Any) -> list[Any]:
    return list(of_chat(json.dumps(chunk)))


def choice(**delta: Any) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": delta, "finish_reason": None}]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_read_by_either_name_and_once_by_both(name: str) -> None:
    thought = Delta(channel=Channel.REASONING, text="Hm.")
    assert chat(choices=choice(**{name: "Hm."})) == [thought]
    assert chat(choices=choice(reasoning="Hm.", reasoning_content="Hm.")) == [thought]


def test_a_chunk_with_both_channels_ends_at_its_position() -> None:
    assert chat(choices=choice(reasoning="Hm.", content="Once"), writing={"position": 9}) == [
        Delta(channel=Channel.REASONING, text="Hm.", position=5),
        Delta(channel=Channel.ANSWER, text="Once", position=9),
    ]


def test_a_last_chunk_with_text_gives_the_text_first() -> None:
    told = [{"index": 0, "delta": {"content": "end."}, "finish_reason": "stop"}]
    report = {"words": 7, "position": 40}
    assert chat(choices=told, writing=report) == [
        Delta(channel=Channel.ANSWER, text="end.", position=40),
        Ended(state="finished", finish_reason="stop", report=report),
    ]


def test_a_chunk_without_text_tells_its_position_if_it_has_one() -> None:
    assert chat(choices=choice(role="assistant", content="")) == []
    assert chat(choices=choice(content=""), writing={"position": 3}) == [
        Delta(channel=Channel.ANSWER, text="", position=3)
    ]


def test_the_end_of_another_choice_is_not_the_drafts() -> None:
    told = [{"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}]
    assert chat(choices=told) == [Delta(channel=Channel.ANSWER, text="x", index=1)]


@pytest.mark.parametrize("data", ["[DONE]", " [DONE]\n"])
def test_done_is_an_end_too(data: str) -> None:
    assert list(of_chat(data)) == [Ended(state="finished")]


@pytest.mark.parametrize("chunk", [{}, {"choices": []}, {"choices": None}, {"choices": ["x", {}]}])
def test_chunks_that_say_nothing_are_nothing(chunk: dict[str, Any]) -> None:
    assert chat(**chunk) == []


def test_candidates_are_told_of() -> None:
    told = [
        {"candidate": 0, "state": "writing", "words": 12, "score": None},
        {"candidate": 1, "state": "finished", "words": 90, "score": 0.5},
        "nonsense",
    ]
    standings = Standings(
        candidates=(
            Candidate(index=0, state="writing", words=12, score=None),
            Candidate(index=1, state="finished", words=90, score=0.5),
            Candidate(index=0, state="", words=0, score=None),
        )
    )
    assert chat(choices=choice(content=""), writing={"progress": told}) == [standings]
    assert list(of_draft("progress", json.dumps({"progress": told}))) == [standings]


def test_progress_without_candidates_is_empty() -> None:
    assert list(of_draft("progress", "{}")) == [Standings(candidates=())]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"error": {"message": "out of paper", "code": 500}}, "out of paper"),
        ({"error": "Unauthorized"}, "Unauthorized"),
        ({"error": {}}, "the server gave no reason"),
        ({"error": None}, "the server gave no reason"),
    ],
)
def test_an_error_is_read_in_every_shape(told: dict[str, Any], message: str) -> None:
    assert chat(**told) == [Fault(message=message)]
    assert list(of_draft("error", json.dumps(told))) == [Fault(message=message)]


def test_an_error_without_its_envelope_is_read_too() -> None:
    assert list(of_draft("error", '{"message": "gone"}')) == [Fault(message="gone")]


@pytest.mark.parametrize("channel", ["reasoning", "answer"])
def test_a_delta_of_a_draft_has_its_channel_and_position(channel: str) -> None:
    told = {"index": 2, "channel": channel, "text": "春", "position": 7}
    assert list(of_draft("delta", json.dumps(told))) == [
        Delta(channel=Channel(channel), text="春", position=7, index=2)
    ]


def test_the_end_of_a_draft_has_its_state_and_report() -> None:
    told = {"state": "cancelled", "finish_reason": None, "writing": {"words": 3}, "usage": None}
    assert list(of_draft("end", json.dumps(told))) == [
        Ended(state="cancelled", finish_reason=None, report={"words": 3})
    ]
    told = {"state": "finished", "finish_reason": "length", "writing": None}
    assert list(of_draft("end", json.dumps(told))) == [
        Ended(state="finished", finish_reason="length")
    ]


def test_events_of_other_kinds_say_nothing() -> None:
    assert list(of_draft("carried_on", '{"why": "loop"}')) == []
    assert list(of_draft("", "{}")) == []


@pytest.mark.parametrize("data", ["", "{", "[]", "3", '"x"', "null"])
def test_what_is_no_json_object_is_garbled(data: str) -> None:
    with pytest.raises(Garbled):
        list(of_chat(data))
    with pytest.raises(Garbled):
        list(of_draft("delta", data))
