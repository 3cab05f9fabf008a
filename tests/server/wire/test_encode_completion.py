"""Events to text completions and their chunks."""

import json
from typing import Any

from server.events import CarriedOn, Channel, Choice, Ended, Fragment, TokenLogprob, Usage
from server.wire.encode import DONE, Folded, Head, Style
from server.wire.encode_completion import CompletionEncoder, completion_logprobs

HEAD = Head(id="cmpl-1", model="m", created=5)
SHARED = {"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "m"}
USAGE = Usage(prompt_tokens=10, answer_tokens=5)
RIVAL = TokenLogprob(token="x", token_id=2, logprob=-1.5)
FIRST = TokenLogprob(token="ab", token_id=1, logprob=-0.5, top=(RIVAL,))
SECOND = TokenLogprob(token="春", token_id=3, logprob=-0.25)


def encoder(**style: Any) -> CompletionEncoder:
    return CompletionEncoder(HEAD, Style(**style))


def one(frame: bytes) -> Any:
    assert frame.endswith(b"\n\n")
    return json.loads(frame.removeprefix(b"data: "))


def chunk(index: int, text: str, *, reason: str | None = None, logprobs: Any = None) -> Any:
    choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
    return {**SHARED, "choices": [choice]}


def fragment(index: int, text: str, *logprobs: TokenLogprob) -> Choice:
    event = Fragment(channel=Channel.ANSWER, text=text, logprobs=logprobs)
    return Choice(index=index, event=event)


def test_a_completion_opens_with_nothing_and_beats_with_an_empty_text() -> None:
    assert encoder().opening() == b""
    assert one(encoder().heartbeat()) == chunk(0, "")


def test_text_and_end_are_chunks() -> None:
    assert one(encoder().chunk(fragment(1, 'a "b"\n'))) == chunk(1, 'a "b"\n')
    ended = Ended(finish_reason="length", usage=USAGE, answer_words=1)
    assert one(encoder().chunk(Choice(index=1, event=ended))) == chunk(1, "", reason="length")
    assert encoder().chunk(Choice(index=0, event=CarriedOn(why="no_answer"))) == b""


def test_offsets_go_on_from_chunk_to_chunk_for_each_choice() -> None:
    by = encoder(show_logprobs=True)
    offsets = [
        one(by.chunk(choice))["choices"][0]["logprobs"]["text_offset"]
        for choice in (
            fragment(0, "ab春", FIRST, SECOND),
            fragment(1, "春", SECOND),
            fragment(0, "ab", FIRST),
            fragment(1, "ab", FIRST),
        )
    ]
    assert offsets == [[0, 2], [0], [3], [1]]


def test_log_probabilities_are_told_as_openai_tells_them() -> None:
    assert completion_logprobs([FIRST, SECOND], 4) == {
        "tokens": ["ab", "春"],
        "token_logprobs": [-0.5, -0.25],
        "top_logprobs": [{"x": -1.5}, {}],
        "text_offset": [4, 6],
    }


def test_log_probabilities_that_are_not_asked_for_are_not_told() -> None:
    assert one(encoder().chunk(fragment(0, "ab", FIRST))) == chunk(0, "ab")


def test_a_completion_closes_with_usage_only_if_asked() -> None:
    assert encoder().closing(USAGE) == DONE
    last, done, rest = encoder(show_usage=True).closing(USAGE).split(b"\n\n")
    assert one(last + b"\n\n")["usage"]["total_tokens"] == 15
    assert one(last + b"\n\n")["choices"] == []
    assert (done, rest) == (b"data: [DONE]", b"")


def test_a_whole_completion_has_every_choice() -> None:
    ended = Ended(finish_reason="stop", usage=USAGE, answer_words=1)
    folded = [Folded(answer=["a", "b"], logprobs=[FIRST], ended=ended), Folded()]
    whole = json.loads(encoder(show_logprobs=True).whole(folded, USAGE))
    assert {**whole, "usage": None} == {
        **SHARED,
        "choices": [
            {
                "index": 0,
                "text": "ab",
                "logprobs": completion_logprobs([FIRST], 0),
                "finish_reason": "stop",
            },
            {
                "index": 1,
                "text": "",
                "logprobs": completion_logprobs([], 0),
                "finish_reason": None,
            },
        ],
        "usage": None,
    }
    assert whole["usage"]["completion_tokens"] == 5
    assert json.loads(encoder().whole(folded, USAGE))["choices"][0]["logprobs"] is None
