"""The events of a response, checked against OpenAI's types and told again from every number."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest

from server.errors import BadRequest, EngineDied, RateLimited
from server.events import (
    Candidate,
    CarriedOn,
    Channel,
    Choice,
    Ended,
    Event,
    Fate,
    Fragment,
    Progress,
    TokenLogprob,
    Usage,
)  # fmt: skip
from server.wire.encode import Folded, Head
from server.wire.encode_responses import (
    Drawn,
    ResponseHead,
    Standing,
    failure_of,
    head_fields,
)  # fmt: skip
from server.wire.response_encoder import ResponsesEncoder
from server.wire.response_sequence import Telling
from server.wire.responses import ResponsesRequest

HEAD = Head(id="resp_5f", model="m", created=5)
USAGE = Usage(prompt_tokens=10, cached_tokens=4, reasoning_tokens=3, answer_tokens=5)
TOKEN = TokenLogprob(
    token="春", token_id=1, logprob=-0.5, top=(TokenLogprob(token="b", token_id=2, logprob=-1.5),)
)
THOUGHT, SAID = Channel.REASONING, Channel.ANSWER
PLAIN = ((THOUGHT, "Plan"), (THOUGHT, " it at length."), (SAID, "Once"), (SAID, " upon\u2028 a"))
PROGRESS = Progress(
    candidates=(
        Candidate(index=0, fate=Fate.WRITING, words=3, reasoning_tokens=1, answer_tokens=4),
    )
)
ENDS = {
    "completed": Standing(status="completed", completed_at=9, usage=USAGE, writing={"words": 2}),
    "incomplete": Standing(status="incomplete", usage=USAGE, writing={"words": 2}),
    "cancelled": Standing(status="cancelled"),
    "failed": Standing(status="failed", failure=failure_of(EngineDied("out of paper"))),
}


def head(**fields: Any) -> ResponseHead:
    request = ResponsesRequest.model_validate({"input": "Write.", **fields})
    return ResponseHead(
        id=HEAD.id, fields=head_fields(request, HEAD, Drawn(temperature=0.6, top_p=0.95))
    )


def fragments(said: Sequence[tuple[Channel, str]]) -> list[Fragment]:
    return [Fragment(channel=channel, text=text) for channel, text in said]


def told(
    said: Sequence[Fragment], end: str, *, starting_after: int = -1, **fields: Any
) -> list[bytes]:
    telling = Telling(head(**fields), starting_after=starting_after)
    frames = [telling.opening(), *map(telling.fragment, said), telling.end(ENDS[end])]
    return [frame + b"\n\n" for frame in b"".join(frames).split(b"\n\n")[:-1]]


def shape(events: Sequence[dict[str, Any]]) -> list[str]:
    """The types of events, those of the same type in a row once."""
    kinds = [event["type"].removeprefix("response.") for event in events]
    return kinds[:1] + [after for before, after in pairwise(kinds) if before != after]


def item(text: str) -> list[str]:
    return [
        "output_item.added", "content_part.added", f"{text}.delta", f"{text}.done",
        "content_part.done", "output_item.done",
    ]  # fmt: skip


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("end", ENDS)
def test_a_response_is_told_by_openais_events_in_their_order(
    conforming: Any, parsed_frames: Any, end: str, background: bool
) -> None:
    events = parsed_frames(b"".join(told(fragments(PLAIN), end, background=background)))
    conforming(events)
    last = "incomplete" if end == "cancelled" else end
    assert shape(events) == [
        "created", *(["queued"] if background else []), "in_progress",
        *item("reasoning_text"), *item("output_text"), last,
    ]  # fmt: skip
    response = events[-1]["response"]
    assert response["status"] == end
    assert [each["status"] for each in response["output"]] == [
        "completed", "completed" if end == "completed" else "incomplete",
    ]  # fmt: skip
    assert [each["content"][0]["text"] for each in response["output"]] == [
        "Plan it at length.", "Once upon\u2028 a",
    ]  # fmt: skip
    assert events[0]["response"]["status"] == ("queued" if background else "in_progress")


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ((), []),
        (((THOUGHT, "Plan."),), ["reasoning"]),
        (((SAID, "Once."),), ["message"]),
        (((SAID, "Well,"), (THOUGHT, "Plan."), (SAID, "\n\nonce.")),
         ["message", "reasoning", "message"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ENDS)
def test_whatever_order_a_model_writes_in_becomes_items(
    conforming: Any, parsed_frames: Any, end: str, said: Any, kinds: list[str]
) -> None:
    events = parsed_frames(b"".join(told(fragments(said), end)))
    *_, last = conforming(events)
    if end == "completed" and "message" not in kinds:
        kinds = [*kinds, "message"]
    assert [each.type for each in last.response.output] == kinds
    assert len({each.id for each in last.response.output}) == len(kinds)
    assert last.response.output_text == "".join(text for channel, text in said if channel is SAID)


@pytest.mark.parametrize("end", ENDS)
def test_a_reader_who_starts_after_any_number_gets_exactly_the_rest(end: str) -> None:
    said = ((SAID, "Well,"), *PLAIN)
    frames = told(fragments(said), end, background=True)
    for number in range(len(frames) + 3):
        assert (
            told(fragments(said), end, background=True, starting_after=number)
            == (frames[number + 1 :])
        )


def test_text_in_other_pieces_gives_the_same_frames_under_the_same_numbers() -> None:
    text = "Once upon a midsummer night, 从前有一座山山里有一座庙. The end"
    frames = told(fragments([(THOUGHT, "Plan"), (SAID, text)]), "completed")
    for at in range(1, len(text)):
        pieces = [(THOUGHT, "Pl"), (THOUGHT, "an"), (SAID, text[:at]), (SAID, text[at:])]
        assert told(fragments(pieces), "completed") == frames


def test_log_probabilities_come_with_the_deltas_they_belong_to(
    conforming: Any, parsed_frames: Any
) -> None:
    said = [
        Fragment(channel=SAID, text="On"),
        Fragment(channel=SAID, text="ce 春", logprobs=(TOKEN, TOKEN)),
        Fragment(channel=SAID, text="!"),
    ]
    events = parsed_frames(b"".join(told(said, "completed")))
    conforming(events)
    deltas = [event for event in events if event["type"].endswith(".delta")]
    short = {"token": "春", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1.5}]}
    assert [(d["delta"], d["logprobs"]) for d in deltas] == [
        ("On", []), ("ce 春", [short, short]), ("!", []),
    ]  # fmt: skip
    [done] = [event for event in events if event["type"] == "response.output_text.done"]
    assert done["logprobs"] == [short, short]
    [message] = events[-1]["response"]["output"]
    assert message["content"][0]["logprobs"][0] == {
        "token": "春", "logprob": -0.5, "bytes": [230, 152, 165],
        "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": [98]}],
    }  # fmt: skip


def test_signs_of_life_repeat_what_was_told_and_count_nothing(
    conforming: Any, parsed_frames: Any
) -> None:
    by = ResponsesEncoder(head(background=True), lambda: 9)
    frames = [
        by.heartbeat(),
        by.heartbeat(),
        by.opening(),
        by.chunk(Choice(index=0, event=PROGRESS)),
        by.chunk(Choice(index=0, event=PROGRESS)),
        by.chunk(Choice(index=0, event=CarriedOn(why="no_answer"))),
        by.heartbeat(),
        by.chunk(Choice(index=0, event=Fragment(channel=SAID, text="Once"))),
        by.heartbeat(),
        by.chunk(Choice(index=0, event=ENDED)),
        by.closing(USAGE),
    ]
    events = parsed_frames(b"".join(frames))
    conforming(events)
    assert [(event["type"], event["sequence_number"]) for event in events[:6]] == [
        ("response.created", 0), ("response.queued", 1), ("response.queued", 1),
        ("response.in_progress", 2), ("response.in_progress", 2), ("response.in_progress", 2),
    ]  # fmt: skip
    assert events[4]["response"]["writing"]["progress"][0]["words"] == 3
    resumed = ResponsesEncoder(head(background=True), lambda: 9, starting_after=2)
    assert resumed.heartbeat() == resumed.heartbeat() == b""


def test_a_response_in_the_background_is_queued_until_it_is_started(parsed_frames: Any) -> None:
    telling = Telling(head(background=True))
    assert [event["type"] for event in parsed_frames(telling.opening())] == [
        "response.created", "response.queued",
    ]  # fmt: skip
    assert [event["type"] for event in parsed_frames(telling.started())] == ["response.in_progress"]
    assert telling.started() == telling.opening() == b""


ENDED = Ended(finish_reason="stop", usage=USAGE, answer_words=2)


def test_the_encoder_ends_a_stream_and_says_the_same_in_one_body(
    conforming: Any, parsed_frames: Any, conforming_response: Any
) -> None:
    events: list[Event] = [*fragments(PLAIN), ENDED]
    stream, folded = ResponsesEncoder(head(), lambda: 9), Folded()
    frames = [stream.opening()]
    for event in events:
        frames.append(stream.chunk(Choice(index=0, event=event)))
        folded.add(Choice(index=0, event=event))
    frames.append(stream.closing(USAGE))
    *_, last = conforming(parsed_frames(b"".join(frames)))
    body = orjson.loads(ResponsesEncoder(head(), lambda: 9).whole([folded], USAGE))
    assert conforming_response(body) == last.response
    assert (body["status"], body["completed_at"], body["writing"]["words"]) == ("completed", 9, 2)
    assert body["usage"] == {
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 8, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 18,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "status", "details", "kinds"),
    [
        ("stop", "completed", None, ["message"]),
        ("length", "incomplete", {"reason": "max_output_tokens"}, []),
    ],
)
def test_a_whole_answer_without_text(
    conforming_response: Any, reason: Any, status: str, details: Any, kinds: list[str]
) -> None:
    folded = Folded(ended=Ended(finish_reason=reason, usage=USAGE, answer_words=0))
    body = orjson.loads(ResponsesEncoder(head(), lambda: 9).whole([folded], USAGE))
    conforming_response(body)
    assert (body["status"], body["incomplete_details"]) == (status, details)
    assert [each["type"] for each in body["output"]] == kinds


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineDied("out of paper"), "server_error"),
        (RateLimited("enough"), "rate_limit_exceeded"),
        (BadRequest("too long", param="input"), "invalid_prompt"),
    ],
)
def test_a_stream_whose_draft_fails_says_so_in_a_response(
    conforming: Any, parsed_frames: Any, error: Any, code: str
) -> None:
    by = ResponsesEncoder(head(), lambda: 9)
    frames = by.opening() + by.chunk(Choice(index=0, event=Fragment(channel=SAID, text="On")))
    *_, last = conforming(parsed_frames(frames + by.failed(error)))
    assert last.type == "response.failed"
    assert (last.response.error.code, last.response.error.message) == (code, error.message)
    assert (last.response.error.param, last.response.error.type) == (error.param, error.type)


def test_an_error_event_bears_the_number_of_the_event_before_it(parsed_frames: Any) -> None:
    telling = Telling(head())
    frames = telling.opening() + telling.error(EngineDied("gone"))
    events = parsed_frames(frames)
    assert events[-1] == {
        "type": "error", "code": "engine_died", "message": "gone", "param": None,
        "sequence_number": 1,
    }  # fmt: skip
    [alone] = parsed_frames(Telling(head(), starting_after=7).error(EngineDied("gone")))
    assert alone["sequence_number"] == 7
