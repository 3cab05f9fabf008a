"""What ``POST /v1/chat/completions`` answers, seen from the wire."""

import json
from typing import Any

import pytest

from server.engine.scripted import Say

# Eight tokens: four of reasoning (its tags among them), four of the answer.
PLAY = (Say("\n<think>\nPlan it.\n</think>\n<answer>\nOnce upon.\n</answer>"),)
DIRECT = (Say("Once upon.\n</answer>"),)
ID = {"x-request-id": "letter-7"}


def usage(gateway: Any, *, reasoning: int, completion: int) -> dict[str, Any]:
    prompt = gateway.engine.jobs[0].prompt.num_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def chunk(first: dict[str, Any], index: int, delta: dict[str, Any], **also: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **also}
    return {
        "id": first["id"],
        "object": "chat.completion.chunk",
        "created": first["created"],
        "model": "scripted",
        "choices": [choice],
    }


WRITING = {
    "words": 2,
    "asked": None,
    "source": "none",
    "ratio": None,
    "extensions": 0,
    "sections_brought_on": 0,
    "loops_repaired": 0,
    "thinking_loops_repaired": 0,
    "outlines_asked": 0,
    "format_repairs": 0,
    "format_faults": [],
    "windows": 1,
    "moves": 0,
}


def both(text: str) -> dict[str, str]:
    return {"reasoning": text, "reasoning_content": text}


async def test_a_whole_answer_has_its_reasoning_and_answer_in_their_own_fields(
    gateway: Any,
) -> None:
    desk = await gateway(PLAY)
    desk.client.headers.update(ID)
    response = await desk.chat()
    body = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"] == "letter-7"
    assert isinstance(body["created"], int)
    assert body == {
        "id": "chatcmpl-letter-7",
        "object": "chat.completion",
        "created": body["created"],
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Once upon.",
                    "refusal": None,
                    **both("Plan it."),
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage(desk, reasoning=4, completion=8),
        "writing": WRITING,
    }


async def test_a_stream_sends_one_channel_per_chunk_and_ends_in_done(served: Any) -> None:
    desk = await served(PLAY)
    first, *rest = await desk.streamed()
    assert first == chunk(first, 0, {"role": "assistant", "content": ""})
    assert rest == [
        chunk(first, 0, both("Plan")),
        chunk(first, 0, both(" it.")),
        chunk(first, 0, {"content": "Once"}),
        chunk(first, 0, {"content": " upon."}),
        {**chunk(first, 0, {}, finish_reason="stop"), "writing": WRITING},
        "[DONE]",
    ]


async def test_a_streams_headers_keep_proxies_from_buffering_it(served: Any) -> None:
    desk = await served(PLAY)
    body = {"messages": [{"role": "user", "content": "Write."}], "stream": True}
    response = await desk.client.post("/v1/chat/completions", json=body, headers=ID)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-request-id"] == "letter-7"


@pytest.mark.parametrize("given", ["", "x" * 129, "caf\u00e9", "tab\tbed"])
async def test_a_request_id_that_is_not_sane_is_replaced_by_one_of_ours(
    gateway: Any, given: str
) -> None:
    desk = await gateway(PLAY)
    headers = [(b"x-request-id", given.encode("latin-1"))]
    body = {"messages": [{"role": "user", "content": "Write."}]}
    response = await desk.client.post("/v1/chat/completions", json=body, headers=headers)
    assert len(response.headers["x-request-id"]) == 24
    assert response.json()["id"] == "chatcmpl-" + response.headers["x-request-id"]


async def test_usage_comes_in_a_last_chunk_without_choices_if_asked_for(gateway: Any) -> None:
    desk = await gateway(PLAY)
    events = await desk.streamed(stream_options={"include_usage": True})
    first = events[0]
    assert events[-2:] == [
        {
            "id": first["id"],
            "object": "chat.completion.chunk",
            "created": first["created"],
            "model": "scripted",
            "choices": [],
            "usage": usage(desk, reasoning=4, completion=8),
        },
        "[DONE]",
    ]
    assert not [event for event in events[:-2] if "usage" in event]


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("both", {"reasoning", "reasoning_content"}),
        ("reasoning", {"reasoning"}),
        ("reasoning_content", {"reasoning_content"}),
    ],
)
async def test_the_reasoning_field_has_the_name_that_is_set(
    gateway: Any, field: str, names: set[str]
) -> None:
    desk = await gateway(PLAY, reasoning_field=field)
    message = (await desk.chat()).json()["choices"][0]["message"]
    assert {name for name in message if message[name] == "Plan it."} == names
    events = await desk.streamed()
    deltas = [event["choices"][0]["delta"] for event in events[1:3]]
    assert deltas == [dict.fromkeys(names, "Plan"), dict.fromkeys(names, " it.")]


async def test_reasoning_can_be_left_out_but_is_still_counted(gateway: Any) -> None:
    desk = await gateway(PLAY)
    body = (await desk.chat(include_reasoning=False)).json()
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Once upon.",
        "refusal": None,
    }
    assert body["usage"] == usage(desk, reasoning=4, completion=8)
    events = await desk.streamed(include_reasoning=False)
    deltas = [event["choices"][0]["delta"] for event in events[:-1]]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "Once"},
        {"content": " upon."},
        {},
    ]


async def test_an_answer_without_reasoning_has_no_reasoning_field(gateway: Any) -> None:
    desk = await gateway(DIRECT)
    body = (await desk.chat(reasoning_effort="none")).json()
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Once upon.",
        "refusal": None,
    }
    job = desk.engine.jobs[0]
    assert job.written.text == " <answer>\n"
    assert "<think>" not in job.prompt.text


async def test_n_drafts_share_one_prompt_and_each_has_its_own_index_and_seed(gateway: Any) -> None:
    desk = await gateway(PLAY, (Say("<think>No.</think><answer>Never.</answer>", together=True),))
    body = (await desk.chat(n=2, seed=7)).json()
    texts = [(c["index"], c["message"]["content"]) for c in body["choices"]]
    assert texts == [(0, "Once upon."), (1, "Never.")]
    assert body["usage"]["prompt_tokens"] == desk.engine.jobs[0].prompt.num_tokens
    assert body["usage"]["completion_tokens"] == 8 + 1
    assert [job.sampling.seed for job in desk.engine.jobs] == [7, 8]
    assert [job.id for job in desk.engine.jobs] == [f"{body['id']}-0", f"{body['id']}-1"]


async def test_the_largest_seed_wraps_around_within_64_bits(gateway: Any) -> None:
    desk = await gateway(PLAY)
    await desk.chat(n=2, seed=2**63 - 1)
    assert [job.sampling.seed for job in desk.engine.jobs] == [2**63 - 1, -(2**63)]


async def test_a_stream_of_n_drafts_tells_them_apart_by_index(gateway: Any) -> None:
    desk = await gateway(PLAY)
    events = await desk.streamed(n=2)
    assert events.pop() == "[DONE]"
    for index in (0, 1):
        mine = [e for e in events if e["choices"][0]["index"] == index]
        text = "".join(e["choices"][0]["delta"].get("content", "") for e in mine)
        assert text == "Once upon."
        assert mine[0] == chunk(events[0], index, {"role": "assistant", "content": ""})
        end = chunk(events[0], index, {}, finish_reason="stop")
        assert mine[-1] == {**end, "writing": WRITING}


def logprob(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": 0.0, "bytes": list(token.encode())}


async def test_log_probabilities_are_those_of_the_answers_tokens(gateway: Any) -> None:
    desk = await gateway(PLAY)
    body = (await desk.chat(logprobs=True, top_logprobs=1)).json()
    assert body["choices"][0]["logprobs"] == {
        "content": [
            {**logprob(token), "top_logprobs": [logprob(token)]} for token in ("\nOnce", " upon.")
        ],
        "refusal": None,
    }


async def test_log_probabilities_without_rivals_come_with_the_chunk_of_their_text(
    gateway: Any,
) -> None:
    desk = await gateway(PLAY)
    events = await desk.streamed(logprobs=True)
    told = [
        (event["choices"][0]["delta"]["content"], event["choices"][0]["logprobs"])
        for event in events[:-1]
        if event["choices"][0]["logprobs"]
    ]
    assert told == [
        ("Once", {"content": [{**logprob("\nOnce"), "top_logprobs": []}], "refusal": None}),
        (" upon.", {"content": [{**logprob(" upon."), "top_logprobs": []}], "refusal": None}),
    ]


@pytest.mark.parametrize("stop", ["upon", ["never", "upon"]])
async def test_a_stop_string_cuts_the_answer_and_frees_the_engine(gateway: Any, stop: Any) -> None:
    desk = await gateway(PLAY)
    body = (await desk.chat(stop=stop)).json()
    choice = body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Once ", "stop")
    assert desk.engine.open_streams == 0


async def test_a_stop_string_in_the_reasoning_does_not_stop_it(gateway: Any) -> None:
    desk = await gateway(PLAY)
    choice = (await desk.chat(stop="Plan")).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Once upon.", "stop")


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_max_tokens_bounds_reasoning_and_answer_together(gateway: Any, field: str) -> None:
    desk = await gateway((Say("<think>a b c</think><answer> d e f g h i j k</answer>"),))
    body = (await desk.chat(**{field: 6})).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] <= 6
    assert desk.engine.jobs[0].max_tokens == 6


async def test_max_completion_tokens_wins_over_the_older_name(gateway: Any) -> None:
    desk = await gateway(PLAY)
    await desk.chat(max_completion_tokens=30, max_tokens=40)
    assert desk.engine.jobs[0].max_tokens == 30


async def test_sampling_fields_reach_the_engine_under_their_own_names(gateway: Any) -> None:
    desk = await gateway(PLAY)
    given = {
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 40,
        "min_p": 0.1,
        "presence_penalty": 0.25,
        "frequency_penalty": -0.25,
        "repetition_penalty": 1.5,
        "seed": 11,
        "min_tokens": 3,
        "ignore_eos": True,
        "bad_words": ["moist"],
        "stop_token_ids": [5],
        "allowed_token_ids": [5, 6],
    }
    response = await desk.chat(**given, logit_bias={"12": -100}, priority=-1)
    assert response.status_code == 200
    job = desk.engine.jobs[0]
    assert {name: getattr(job.sampling, name) for name in given} == {
        **given,
        "bad_words": ("moist",),
        "stop_token_ids": (5,),
        "allowed_token_ids": (5, 6),
    }
    assert job.sampling.logit_bias == ((12, -100),)
    assert job.priority == -1


async def test_what_a_request_leaves_out_is_as_the_server_is_set(gateway: Any) -> None:
    desk = await gateway(PLAY, temperature=0.8, top_p=0.7)
    await desk.chat()
    sampling = desk.engine.jobs[0].sampling
    assert (sampling.temperature, sampling.top_p) == (0.8, 0.7)


async def test_the_conversation_before_goes_into_the_prompt_without_its_reasoning(
    gateway: Any,
) -> None:
    desk = await gateway(PLAY)
    await desk.chat(
        messages=[
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "Write "}, {"text": "one.", "type": "text"}],
            },
            {"role": "assistant", "content": "One.", "reasoning": "secret plan"},
            {"role": "developer", "content": "No rhymes."},
            {"role": "user", "content": "Now two.", "name": "ada"},
        ]
    )
    prompt = desk.engine.jobs[0].prompt.text
    assert prompt.endswith(
        "<|user|>: Be brief.\n\nWrite one. <|assistant|>: <answer>\nOne.\n</answer> "
        "<|user|>: No rhymes.\n\nNow two. <|assistant|>:"
    )
    assert "secret plan" not in prompt


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        ({"reasoning_effort": "minimal"}, 2),
        ({"reasoning_effort": "low"}, 3),
        ({"reasoning_effort": "medium"}, 4),
        ({"reasoning_effort": "high"}, 5),
        ({"thinking_token_budget": 6, "reasoning_effort": "low"}, 6),
        ({"writing": {"reasoning_tokens": 7}, "thinking_token_budget": 6}, 7),
    ],
)
async def test_thinking_over_its_budget_is_ended_and_the_answer_begun(
    gateway: Any, asked: dict[str, Any], tokens: int
) -> None:
    desk = await gateway(
        (Say("<think> a b c d e f g h i j k l m n"),),
        (Say("Once upon.</answer>"),),
        reasoning_tokens_minimal=2,
        reasoning_tokens_low=3,
        reasoning_tokens_medium=4,
        reasoning_tokens_high=5,
    )
    body = (await desk.chat(**asked)).json()
    assert body["choices"][0]["message"]["content"] == "Once upon."
    assert body["usage"]["completion_tokens_details"] == {"reasoning_tokens": tokens}
    assert desk.engine.jobs[1].written.text.endswith("\n</think>\n<answer>\n")


async def test_a_stream_that_is_carried_on_shows_no_seam(gateway: Any) -> None:
    desk = await gateway((Say("<think> a b c d e f"),), (Say("Once upon.</answer>"),))
    events = await desk.streamed(writing={"reasoning_tokens": 3})
    assert [event["choices"][0]["delta"] for event in events[1:-1]] == [
        both("a"),
        both(" b"),
        {"content": "Once"},
        {"content": " upon."},
        {},
    ]


@pytest.mark.parametrize("effort", ["xhigh", "max"])
async def test_the_highest_efforts_have_no_bound_of_their_own(gateway: Any, effort: str) -> None:
    desk = await gateway(PLAY)
    assert (await desk.chat(reasoning_effort=effort)).status_code == 200


async def test_fields_nobody_knows_are_accepted_and_counted_without_their_names(
    gateway: Any,
) -> None:
    desk = await gateway(PLAY)
    await desk.chat(my_secret="x", service_tier="auto", model="scripted")
    assert desk.value("longhand_unknown_fields_total", field="other") == 1
    assert desk.value("longhand_unknown_fields_total", field="service_tier") == 1


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": []},
        {"tool_choice": "none"},
        {"response_format": {"type": "text"}},
        {"modalities": ["text"]},
        {"store": False},
        {"best_of": 1},
        {"suffix": ""},
        {"user": "u1", "metadata": {"k": "v"}},
        {"n": None, "stop": None, "max_tokens": None, "stream": None},
    ],
)
async def test_fields_that_ask_for_nothing_are_accepted(gateway: Any, asked: Any) -> None:
    desk = await gateway(PLAY)
    assert (await desk.chat(**asked)).status_code == 200


async def test_a_stream_and_a_whole_answer_say_the_same(gateway: Any) -> None:
    desk = await gateway(PLAY)
    whole = (await desk.chat()).json()["choices"][0]
    events = (await desk.streamed())[:-1]
    deltas = [event["choices"][0]["delta"] for event in events]
    for name in ("content", "reasoning", "reasoning_content"):
        assert "".join(delta.get(name, "") for delta in deltas) == whole["message"][name]
    assert events[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]


async def test_a_text_in_any_script_survives_the_wire(served: Any) -> None:
    text = 'Ünïcode\x85 春天 \U0001f4da "quoted" \\ back\u2028slash'
    desk = await served((Say(f"<think>好</think><answer>{text}</answer>", together=True),))
    events = (await desk.streamed())[:-1]
    sent = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert sent == text
    assert json.loads((await desk.chat()).content)["choices"][0]["message"]["content"] == text
