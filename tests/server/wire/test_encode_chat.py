"""Events to chat completions and their chunks."""

import json
from typing import Any

import pytest

from server.events import CarriedOn, Channel, Choice, Ended, Event, Fragment, TokenLogprob, Usage
from server.wire.encode import DONE, Folded, Head, Style
from server.wire.encode_chat import ChatEncoder, chat_logprobs
from server.wire.encode_writing import writing_object

HEAD = Head(id="chatcmpl-1", model='m "x"', created=5)
SHARED = {"id": "chatcmpl-1", "created": 5, "model": 'm "x"'}
USAGE = Usage(prompt_tokens=10, reasoning_tokens=3, answer_tokens=5)
RIVAL = TokenLogprob(token="春", token_id=2, logprob=-1.5)
TOKEN = TokenLogprob(token="a", token_id=1, logprob=-0.5, top=(RIVAL,))
TOLD = {
    "content": [
        {
            "token": "a",
            "logprob": -0.5,
            "bytes": [97],
            "top_logprobs": [{"token": "春", "logprob": -1.5, "bytes": [230, 152, 165]}],
        }
    ],
    "refusal": None,
}


def encoder(n: int = 2, **style: Any) -> ChatEncoder:
    return ChatEncoder(HEAD, Style(**style), n=n)


def sent(frames: bytes) -> list[Any]:
    assert frames.endswith(b"\n\n")
    events = [part.removeprefix(b"data: ") for part in frames.split(b"\n\n")[:-1]]
    return [event if event == b"[DONE]" else json.loads(event) for event in events]


def chunk(index: int, delta: Any, *, reason: str | None = None, logprobs: Any = None) -> Any:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
    return {**SHARED, "object": "chat.completion.chunk", "choices": [choice]}


def told(by: ChatEncoder, event: Event, index: int = 1) -> Any:
    [one] = sent(by.chunk(Choice(index=index, event=event)))
    return one


def test_a_stream_opens_with_the_role_of_every_choice() -> None:
    first = {"role": "assistant", "content": ""}
    assert sent(encoder().opening()) == [chunk(0, first), chunk(1, first)]


def test_a_heartbeat_is_a_chunk_without_text() -> None:
    assert sent(encoder().heartbeat()) == [chunk(0, {"content": ""})]


@pytest.mark.parametrize("text", ["Once", 'a "quote"\n', "春天\u2028", "</script>", "\x00\x7f"])
def test_answer_text_is_content(text: str) -> None:
    event = Fragment(channel=Channel.ANSWER, text=text)
    assert told(encoder(), event) == chunk(1, {"content": text})


def test_answer_text_comes_with_its_log_probabilities() -> None:
    event = Fragment(channel=Channel.ANSWER, text="a", logprobs=(TOKEN,))
    assert told(encoder(), event) == chunk(1, {"content": "a"}, logprobs=TOLD)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("both", ["reasoning", "reasoning_content"]),
        ("reasoning", ["reasoning"]),
        ("reasoning_content", ["reasoning_content"]),
    ],
)
def test_reasoning_goes_out_under_the_names_that_are_set(field: Any, names: list[str]) -> None:
    by = encoder(reasoning_field=field)
    event = Fragment(channel=Channel.REASONING, text='Plan "a"')
    assert told(by, event) == chunk(1, dict.fromkeys(names, 'Plan "a"'))
    whole = json.loads(by.whole([Folded(reasoning=["Pl", "an"], answer=["A"])], USAGE))
    message = whole["choices"][0]["message"]
    assert {name: message[name] for name in message if name.startswith("reasoning")} == (
        dict.fromkeys(names, "Plan")
    )


def test_reasoning_that_is_not_wanted_is_not_sent() -> None:
    by = encoder(show_reasoning=False)
    assert by.chunk(Choice(index=0, event=Fragment(channel=Channel.REASONING, text="P"))) == b""
    assert b'reasoning"' not in by.whole([Folded(reasoning=["P"], answer=["A"])], USAGE)


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_an_end_is_a_chunk_with_its_reason(reason: Any) -> None:
    event = Ended(finish_reason=reason, usage=USAGE, answer_words=1)
    frame = told(encoder(), event)
    assert frame.pop("writing") == writing_object(event)
    assert frame == chunk(1, {}, reason=reason)


def test_carrying_on_is_not_told() -> None:
    assert encoder().chunk(Choice(index=0, event=CarriedOn(why="no_answer"))) == b""


def test_a_stream_closes_with_usage_only_if_asked() -> None:
    assert encoder().closing(USAGE) == DONE
    last, done = sent(encoder(show_usage=True).closing(USAGE))
    assert (last["choices"], last["usage"]["completion_tokens"], done) == ([], 8, b"[DONE]")
    assert last["object"] == "chat.completion.chunk"


def test_a_whole_answer_has_every_choice() -> None:
    ended = Ended(finish_reason="stop", usage=USAGE, answer_words=1)
    folded = [Folded(answer=["On", "ce"], ended=ended, logprobs=[TOKEN]), Folded()]
    whole = json.loads(encoder(show_logprobs=True).whole(folded, USAGE))
    assert whole == {
        **SHARED,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Once", "refusal": None},
                "logprobs": TOLD,
                "finish_reason": "stop",
                "writing": writing_object(ended),
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": "", "refusal": None},
                "logprobs": {"content": [], "refusal": None},
                "finish_reason": None,
                "writing": None,
            },
        ],
        "usage": whole["usage"],
    }
    assert json.loads(encoder().whole(folded, USAGE))["choices"][0]["logprobs"] is None


def test_the_report_on_a_single_draft_lies_beside_its_choices() -> None:
    ended = Ended(finish_reason="stop", usage=USAGE, answer_words=1)
    whole = json.loads(encoder().whole([Folded(answer=["Once"], ended=ended)], USAGE))
    assert whole["writing"] == writing_object(ended)
    assert "writing" not in whole["choices"][0]


def test_half_a_character_is_told_as_bytes_that_stand_for_it() -> None:
    [one] = chat_logprobs([TokenLogprob(token="\ufffd", token_id=1, logprob=0.0)])["content"]
    assert one["bytes"] == [239, 191, 189]
