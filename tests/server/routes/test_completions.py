"""What ``POST /v1/completions`` answers: raw text, no template, no channels."""

from typing import Any

import pytest

from server.engine.scripted import Die, Say

PLAY = (Say(" upon a <think> time."),)


def choice(index: int, text: str, reason: str | None, logprobs: Any = None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}


async def test_a_whole_completion_is_the_raw_text(gateway: Any) -> None:
    desk = await gateway(PLAY)
    response = await desk.complete()
    body = response.json()
    assert body == {
        "id": "cmpl-" + response.headers["x-request-id"],
        "object": "text_completion",
        "created": body["created"],
        "model": "scripted",
        "choices": [choice(0, " upon a <think> time.", "stop")],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 4,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
    assert desk.engine.jobs[0].prompt.text == "Once"
    assert desk.engine.jobs[0].max_tokens == 16


async def test_a_streamed_completion_ends_in_its_reason_its_usage_and_done(served: Any) -> None:
    desk = await served(PLAY)
    path = "/v1/completions"
    events = await desk.streamed(path, stream_options={"include_usage": True})
    head = {key: events[0][key] for key in ("id", "object", "created", "model")}
    assert head["object"] == "text_completion"
    assert events[:-2] == [
        {**head, "choices": [choice(0, text, reason)]}
        for text, reason in [
            (" upon", None),
            (" a", None),
            (" <think>", None),
            (" time.", None),
            ("", "stop"),
        ]
    ]
    assert events[-2]["choices"] == []
    assert events[-2]["usage"]["total_tokens"] == 5
    assert events[-1] == "[DONE]"
    assert "usage" not in (await desk.streamed(path))[-2]


async def test_log_probabilities_have_the_offset_of_each_token_in_the_text(gateway: Any) -> None:
    desk = await gateway(PLAY)
    body = (await desk.complete(logprobs=1)).json()
    tokens = [" upon", " a", " <think>", " time."]
    assert body["choices"][0]["logprobs"] == {
        "tokens": tokens,
        "token_logprobs": [0.0] * 4,
        "top_logprobs": [{token: 0.0} for token in tokens],
        "text_offset": [0, 5, 7, 15],
    }
    events = await desk.streamed("/v1/completions", logprobs=0)
    assert [event["choices"][0]["logprobs"] for event in events[:4]] == [
        {"tokens": [t], "token_logprobs": [0.0], "top_logprobs": [{}], "text_offset": [at]}
        for t, at in zip(tokens, [0, 5, 7, 15], strict=True)
    ]


async def test_token_ids_are_carried_on_as_they_are(gateway: Any) -> None:
    desk = await gateway(PLAY)
    body = (await desk.complete(prompt=[3, 1, 2])).json()
    assert body["usage"]["prompt_tokens"] == 3
    assert desk.engine.jobs[0].prompt.token_ids == (3, 1, 2)


@pytest.mark.parametrize("prompt", [["Once", "Twice upon"], [[1], [2, 3]]])
async def test_several_prompts_each_get_n_drafts_and_count_once(gateway: Any, prompt: Any) -> None:
    desk = await gateway(PLAY)
    body = (await desk.complete(prompt=prompt, n=2)).json()
    assert [c["index"] for c in body["choices"]] == [0, 1, 2, 3]
    assert body["usage"]["prompt_tokens"] == 3
    assert body["usage"]["completion_tokens"] == 4 * 4
    suffixes = [job.id.removeprefix(body["id"]) for job in desk.engine.jobs]
    assert suffixes == ["-p0-0", "-p0-1", "-p1-0", "-p1-1"]


async def test_stop_strings_and_max_tokens_end_a_completion(gateway: Any) -> None:
    desk = await gateway(PLAY)
    stopped = (await desk.complete(stop=" a")).json()["choices"][0]
    assert stopped == choice(0, " upon", "stop")
    cut = (await desk.complete(max_tokens=2)).json()["choices"][0]
    assert cut == choice(0, " upon a", "length")


async def test_more_drafts_than_the_server_can_ever_write_at_once_are_refused(gateway: Any) -> None:
    desk = await gateway(PLAY, max_running=3)
    response = await desk.complete(prompt=["a", "b"], n=2)
    assert response.status_code == 400
    assert response.json() == {
        "error": {
            "message": "prompt: 4 drafts at once are over this server's limit of 3",
            "type": "invalid_request_error",
            "param": "prompt",
            "code": "invalid_value",
        }
    }
    assert desk.engine.jobs == []


async def test_a_completion_that_fails_ends_its_stream_with_an_error(gateway: Any) -> None:
    desk = await gateway((Say(" upon"), Die("out of paper")))
    *_, failed, done = await desk.streamed("/v1/completions")
    assert failed["error"]["code"].startswith("engine_")
    assert done == "[DONE]"
