"""What is refused: each with its status, OpenAI's whole envelope, and no work for the engine."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from server.engine.scripted import Refuse, Say, Stall
from server.wire.chat import ChatRequest, to_brief
from server.wire.completions import CompletionRequest
from server.wire.fields import REFUSED

CHAT, RAW = "/v1/chat/completions", "/v1/completions"
USER = [{"role": "user", "content": "Write."}]
PLAY = (Say("<think>a</think><answer>b</answer>"),)


def envelope(message: str, param: str | None, code: str, type_: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def invalid(message: str, param: str | None, code: str = "invalid_value") -> dict[str, Any]:
    return envelope(message, param, code, "invalid_request_error")


# Path, fields beside one good message (or prompt), what the envelope says.
BAD_FIELDS = [
    (CHAT, {"messages": None}, "messages", "Input should be a valid list", ""),
    (CHAT, {"messages": "hello"}, "messages", "Input should be a valid list", ""),
    (CHAT, {"messages": []}, "messages", "at least one message is needed", ""),
    (CHAT, {"messages": ["hello"]}, "messages[0]",
     "Input should be a valid dictionary or object to extract fields from", ""),
    (CHAT, {"messages": [{"role": "user", "content": " \n"}]}, "messages[0].content",
     "the task is empty", ""),
    (CHAT, {"messages": [{"role": "user"}]}, "messages[0].content", "the task is empty", ""),
    (CHAT, {"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role",
     "Input should be 'system', 'developer', 'user' or 'assistant'", ""),
    (CHAT, {"messages": [{"content": "x"}]}, "messages[0].role", "Field required", ""),
    (CHAT, {"messages": [*USER, {"role": "assistant", "content": "x"}]}, "messages[1].role",
     "the last message must be the user's", ""),
    (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages[0].content",
     "Input should be a valid string", ""),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
     "messages[0].content[0].text", "Field required", ""),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
     "messages[0].content[0].type", "only text parts are understood, not 'image_url'",
     "unsupported_parameter"),
    (CHAT, {"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0].type",
     "only text parts are understood, not None", "unsupported_parameter"),
    (CHAT, {"messages": [{"role": "tool", "content": "x"}, *USER]}, "messages[0].role",
     "tool messages are not understood", "unsupported_parameter"),
    (CHAT, {"messages": [{"role": "assistant", "tool_calls": [{}]}, *USER]}, "messages[0].role",
     "tool messages are not understood", "unsupported_parameter"),
    (CHAT, {"tools": [{"type": "function"}]}, "tools",
     "Longhand writes text and calls no tools", "unsupported_parameter"),
    (CHAT, {"tool_choice": "required"}, "tool_choice", "Longhand calls no tools",
     "unsupported_parameter"),
    (CHAT, {"response_format": {"type": "json_object"}}, "response_format",
     "structured output is not offered; only {'type': 'text'}", "unsupported_parameter"),
    (CHAT, {"modalities": ["audio"]}, "modalities", "only ['text']", "unsupported_parameter"),
    (CHAT, {"audio": {"voice": "x"}}, "audio", "Longhand writes text and makes no audio",
     "unsupported_parameter"),
    (CHAT, {"best_of": 2}, "best_of",
     "top-level best_of left the API (vLLM #13361); ask for several with n",
     "unsupported_parameter"),
    (RAW, {"echo": True}, "echo", "the prompt is not repeated in the answer",
     "unsupported_parameter"),
    (RAW, {"use_beam_search": True}, "use_beam_search",
     "beam search is not offered; sampling is what the model was trained for",
     "unsupported_parameter"),
    (RAW, {"suffix": "x"}, "suffix", "the model writes forward only and cannot fill a gap",
     "unsupported_parameter"),
    (CHAT, {"n": 0}, "n", "Input should be greater than or equal to 1", ""),
    (CHAT, {"n": 9}, "n", "9 is over this server's limit of 8", ""),
    (RAW, {"n": 9}, "n", "9 is over this server's limit of 8", ""),
    (CHAT, {"n": "2"}, "n", "Input should be a valid integer", ""),
    (CHAT, {"n": True}, "n", "Input should be a valid integer", ""),
    (CHAT, {"stream": "yes"}, "stream", "Input should be a valid boolean", ""),
    (CHAT, {"stream_options": {"include_usage": 1}}, "stream_options.include_usage",
     "Input should be a valid boolean", ""),
    (CHAT, {"max_tokens": 0}, "max_tokens", "Input should be greater than or equal to 1", ""),
    (RAW, {"max_tokens": -1}, "max_tokens", "Input should be greater than or equal to 1", ""),
    (CHAT, {"max_completion_tokens": 0}, "max_completion_tokens",
     "Input should be greater than or equal to 1", ""),
    (CHAT, {"max_tokens": 1.5}, "max_tokens", "Input should be a valid integer", ""),
    (CHAT, {"temperature": 2.5}, "temperature", "Input should be less than or equal to 2", ""),
    (CHAT, {"temperature": "hot"}, "temperature", "Input should be a valid number", ""),
    (CHAT, {"top_p": 0}, "top_p", "Input should be greater than 0", ""),
    (CHAT, {"presence_penalty": -3}, "presence_penalty",
     "Input should be greater than or equal to -2", ""),
    (CHAT, {"repetition_penalty": 0}, "repetition_penalty", "Input should be greater than 0", ""),
    (CHAT, {"top_k": 2**31}, "top_k", "Input should be less than 2147483648", ""),
    (CHAT, {"min_tokens": 2**31}, "min_tokens", "Input should be less than 2147483648", ""),
    (CHAT, {"priority": 10**30}, "priority", "Input should be less than 2147483648", ""),
    (CHAT, {"seed": 2**63}, "seed", "Input should be less than 9223372036854775808", ""),
    (CHAT, {"stop": list("abcde")}, "stop", "5 strings; at most 4", ""),
    (CHAT, {"stop": ["a", ""]}, "stop", "a stop string must not be empty", ""),
    (RAW, {"stop": ""}, "stop", "a stop string must not be empty", ""),
    (CHAT, {"stop": 5}, "stop", "Input should be a valid string", ""),
    (CHAT, {"logit_bias": {"word": 1}}, "logit_bias", "keys are token ids", ""),
    (CHAT, {"logit_bias": {"5": 101}}, "logit_bias",
     "Input should be less than or equal to 100", ""),
    (CHAT, {"logit_bias": {"1000000": 1}}, "logit_bias",
     "token id 1000000 is outside the vocabulary, 0 to 999999", ""),
    (CHAT, {"stop_token_ids": [-1]}, "stop_token_ids",
     "token id -1 is outside the vocabulary, 0 to 999999", ""),
    (RAW, {"allowed_token_ids": [1_000_000]}, "allowed_token_ids",
     "token id 1000000 is outside the vocabulary, 0 to 999999", ""),
    (RAW, {"prompt": [1_000_000]}, "prompt",
     "token id 1000000 is outside the vocabulary, 0 to 999999", ""),
    (RAW, {"prompt": []}, "prompt", "an empty prompt cannot be carried on", ""),
    (RAW, {"prompt": ["x", ""]}, "prompt", "an empty prompt cannot be carried on", ""),
    (RAW, {"logprobs": 21}, "logprobs", "Input should be less than or equal to 20", ""),
    (CHAT, {"logprobs": 3}, "logprobs", "Input should be a valid boolean", ""),
    (CHAT, {"top_logprobs": 21, "logprobs": True}, "top_logprobs",
     "Input should be less than or equal to 20", ""),
    (CHAT, {"reasoning_effort": "heroic"}, "reasoning_effort",
     "Input should be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'", ""),
    (CHAT, {"writing": {"reasoning_tokens": -1}}, "writing.reasoning_tokens",
     "Input should be greater than or equal to 0", ""),
    (CHAT, {"writing": 3}, "writing",
     "Input should be a valid dictionary or object to extract fields from", ""),
    (CHAT, {"metadata": {"key": 5}}, "metadata.key", "Input should be a valid string", ""),
]  # fmt: skip


@pytest.mark.parametrize(("path", "fields", "param", "reason", "code"), BAD_FIELDS)
async def test_a_bad_field_is_named_before_the_engine_hears_of_it(
    gateway: Any, path: str, fields: Any, param: str, reason: str, code: str
) -> None:
    desk = await gateway(PLAY)
    good = {"messages": USER} if path == CHAT else {"prompt": "Once"}
    response = await desk.client.post(path, json={**good, **fields})
    assert response.status_code == 400
    assert response.json() == invalid(f"{param}: {reason}", param, code or "invalid_value")
    assert response.headers["x-request-id"]
    assert desk.engine.jobs == []
    assert desk.service.desk.admission.running == 0
    assert desk.value("longhand_requests_total", route=path, code="400") == 1


async def test_rivals_without_log_probabilities_are_refused(gateway: Any) -> None:
    desk = await gateway(PLAY)
    response = await desk.chat(top_logprobs=2)
    assert response.status_code == 400
    assert response.json() == invalid("top_logprobs needs logprobs: true", "top_logprobs")
    assert desk.engine.jobs == []


@pytest.mark.parametrize(("key", "param"), [("wrods", "writing.wrods"), ("two words", "writing")])
async def test_an_unknown_writing_option_is_named_beside_those_that_are_known(
    gateway: Any, key: str, param: str
) -> None:
    desk = await gateway(PLAY)
    response = await desk.chat(writing={key: 3000})
    assert response.status_code == 400
    assert response.json() == invalid(
        f"writing: there is no option {key!r}; known are: words, length_control, "
        "loop_guard, reasoning_tokens, best_of, rewards, prune, progress",
        param,
        "unknown_parameter",
    )
    assert desk.engine.jobs == []


@pytest.mark.parametrize(
    ("content", "message", "code"),
    [
        ("{", "the body is not valid JSON: Expecting property name enclosed in double quotes",
         "invalid_json"),
        ('{"messages": [}', "the body is not valid JSON: Expecting value", "invalid_json"),
        ("", "body: Field required", "invalid_value"),
        ("null", "body: Field required", "invalid_value"),
        ("[]", "body: Input should be a valid dictionary or object to extract fields from",
         "invalid_value"),
        (b"\xff\xfe{", ": There was an error parsing the body", "invalid_value"),
        ("[" * 100_000, ": There was an error parsing the body", "invalid_value"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [CHAT, RAW])
async def test_a_body_that_is_no_json_object_is_refused(
    gateway: Any, path: str, content: Any, message: str, code: str
) -> None:
    desk = await gateway(PLAY)
    headers = {"content-type": "application/json"}
    response = await desk.client.post(path, content=content, headers=headers)
    assert response.status_code == 400
    assert response.json() == invalid(message.removeprefix(": "), None, code)
    assert desk.engine.jobs == []


@pytest.mark.parametrize(
    ("path", "body", "param", "status"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content", 400),
        (CHAT, {"messages": USER, "stop": "\ud800"}, "stop", 400),
        (CHAT, {"messages": USER, "bad_words": ["\ud800"]}, "bad_words", 400),
        (CHAT, {"messages": USER, "writing": {"\ud800": 1}}, "writing", 400),
        (CHAT, {"messages": USER, "model": "\ud800"}, "model", 404),
        (RAW, {"prompt": ["x", "\ud800"]}, "prompt", 400),
    ],
)
async def test_half_a_surrogate_pair_is_no_text(
    gateway: Any, path: str, body: Any, param: str, status: int
) -> None:
    desk = await gateway(PLAY)
    headers = {"content-type": "application/json"}
    response = await desk.client.post(path, content=json.dumps(body), headers=headers)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param
    assert desk.engine.jobs == []


ODD: list[Any] = [True, 0, -1, 1.5, 10**30, "", "x", "\ud800", [], [1], ["x"], [None], [[]], [{}]]
ODD += [{}, {"a": 1}, {"1": 1}, {"\ud800": 1}, {"type": []}, [{"role": []}], [{"content": {}}]]


@pytest.mark.parametrize(
    ("path", "fields"), [(CHAT, ChatRequest.model_fields), (RAW, CompletionRequest.model_fields)]
)
async def test_no_value_of_any_field_is_a_fault_of_ours(
    gateway: Any, path: str, fields: Any
) -> None:
    desk = await gateway(PLAY)
    headers = {"content-type": "application/json"}
    good = {"messages": USER} if path == CHAT else {"prompt": "Once"}
    for field in (*fields, *REFUSED, "response_format", "modalities", "tool_choice"):
        for value in ODD:
            content = json.dumps({**good, field: value})
            response = await desk.client.post(path, content=content, headers=headers)
            if response.status_code != 200:
                assert response.status_code in (400, 404), content
                error = response.json()["error"]
                assert set(error) == {"message", "type", "param", "code"}
                assert error["param"].startswith(field), content


@pytest.mark.parametrize("literal", ["Infinity", "NaN"])
@pytest.mark.parametrize("field", ["repetition_penalty", "temperature", "min_p"])
async def test_numbers_that_json_does_not_have_are_refused(
    gateway: Any, field: str, literal: str
) -> None:
    desk = await gateway(PLAY)
    content = json.dumps({"messages": USER})[:-1] + f', "{field}": {literal}}}'
    headers = {"content-type": "application/json"}
    response = await desk.client.post(CHAT, content=content, headers=headers)
    assert response.status_code == 400
    assert response.json() == invalid(f"{field}: Input should be a finite number", field)
    assert desk.engine.jobs == []


@pytest.mark.parametrize("declared", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_a_body_not_declared_as_json_is_415(gateway: Any, declared: str | None) -> None:
    desk = await gateway(PLAY)
    headers = {} if declared is None else {"content-type": declared}
    content = json.dumps({"messages": USER})
    response = await desk.client.post(CHAT, content=content, headers=headers)
    assert response.status_code == 415
    assert response.json() == invalid(
        f"the body must be application/json, not {declared or 'undeclared'!r}",
        None,
        "unsupported_media_type",
    )
    assert desk.engine.jobs == []


async def _five_megabytes() -> AsyncIterator[bytes]:
    for _ in range(5):
        yield b"x" * 1_000_000


@pytest.mark.parametrize("counted", [True, False], ids=["declared", "chunked"])
async def test_a_body_of_five_megabytes_is_413(served: Any, counted: bool) -> None:
    desk = await served(PLAY)
    content = b"x" * 5_000_000 if counted else _five_megabytes()
    headers = {"content-type": "application/json"}
    response = await desk.client.post(CHAT, content=content, headers=headers)
    assert ("content-length" in response.request.headers) is counted
    assert response.status_code == 413
    assert response.json() == invalid(
        "the body is over the limit of 4194304 bytes", None, "body_too_large"
    )
    assert desk.engine.jobs == []
    # The connection, or a new one, still answers.
    assert (await desk.chat()).status_code == 200


@pytest.mark.parametrize("path", [CHAT, RAW])
async def test_a_prompt_over_the_window_is_told_by_how_many_tokens(gateway: Any, path: str) -> None:
    desk = await gateway(PLAY, max_model_len=200)
    task = " word" * 200
    body = {"messages": [{"role": "user", "content": task}]} if path == CHAT else {"prompt": task}
    response = await desk.client.post(path, json=body)
    prompt_tokens = 200
    if path == CHAT:
        text = desk.service.desk.answerer.layout.prompter.render(
            to_brief(ChatRequest(**body), desk.service.defaults.efforts).messages,
            thinking=True,
        ).text
        prompt_tokens = (await desk.engine.tokenize(text)).num_tokens
    assert response.status_code == 400
    assert response.json() == invalid(
        f"the prompt is {prompt_tokens} tokens and the context window 200: "
        f"{prompt_tokens + 1 - 200} tokens too many, one kept for the answer",
        "messages" if path == CHAT else "prompt",
        "context_length_exceeded",
    )
    assert desk.engine.jobs == []
    assert desk.service.desk.admission.running == 0


@pytest.mark.parametrize("path", [CHAT, RAW])
async def test_an_unknown_model_is_404_and_names_the_one_served(gateway: Any, path: str) -> None:
    desk = await gateway(PLAY)
    response = await desk.client.post(
        path, json={"messages": USER, "prompt": "x", "model": "gpt-9"}
    )
    assert response.status_code == 404
    assert response.json() == invalid(
        "model: 'gpt-9' is not served here; this server has 'scripted'", "model", "model_not_found"
    )
    assert desk.engine.jobs == []


async def test_an_unknown_path_is_404_in_the_same_envelope(gateway: Any) -> None:
    desk = await gateway(PLAY)
    response = await desk.client.get("/v2/nothing")
    assert response.status_code == 404
    assert response.json() == invalid("GET /v2/nothing: Not Found", None, "not_found")
    assert desk.value("longhand_requests_total", route="other", code="404") == 1


async def test_a_wrong_method_is_405_and_says_which_is_right(gateway: Any) -> None:
    desk = await gateway(PLAY)
    response = await desk.client.get(CHAT)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json() == invalid(
        "GET /v1/chat/completions: Method Not Allowed", None, "method_not_allowed"
    )


KEYED = {"api_keys": ("sk-right", "sha256:" + "0" * 64)}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "send an API key: 'Authorization: Bearer KEY'"),
        ("Basic sk-right", "send an API key: 'Authorization: Bearer KEY'"),
        ("Bearer", "send an API key: 'Authorization: Bearer KEY'"),
        ("Bearer sk-wrong", "this API key is not known here"),
    ],
)
async def test_without_a_known_key_everything_under_v1_is_401(
    gateway: Any, header: str | None, message: str
) -> None:
    desk = await gateway(PLAY, **KEYED)
    headers = {} if header is None else {"authorization": header}
    for method, path in (("POST", CHAT), ("POST", RAW), ("GET", "/v1/models"), ("GET", "/v1/x")):
        response = await desk.client.request(method, path, headers=headers, content=b"{")
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json() == envelope(message, None, "invalid_api_key", "authentication_error")
    assert desk.engine.jobs == []


async def test_with_the_key_it_is_served_and_the_probes_need_none(gateway: Any) -> None:
    desk = await gateway(PLAY, **KEYED)
    for path in ("/health", "/health/live", "/version", "/metrics", "/docs", "/openapi.json"):
        assert (await desk.client.get(path)).status_code == 200
    desk.client.headers["authorization"] = "bearer sk-right"
    assert (await desk.chat()).status_code == 200


async def test_a_key_over_its_share_is_429_with_advice_while_others_are_served(
    gateway: Any, until: Any
) -> None:
    gate = asyncio.Event()
    slow = (Say("<think>a</think><answer>b"), Stall(gate=gate), Say("</answer>"))
    desk = await gateway(slow, api_keys=("sk-right", "sk-other"), max_drafts_per_key=2)
    desk.client.headers["authorization"] = "Bearer sk-right"
    first = asyncio.create_task(desk.chat(n=2))
    await until(lambda: desk.service.desk.admission.running == 2)
    refused = await desk.chat()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
    assert refused.json() == envelope(
        "this key has 2 drafts under way and may have 2",
        None,
        "rate_limit_exceeded",
        "rate_limit_error",
    )
    desk.client.headers["authorization"] = "Bearer sk-other"
    gate.set()
    assert (await desk.chat()).status_code == 200
    assert (await first).status_code == 200


async def test_more_drafts_than_a_key_may_ever_have_are_403_and_not_worth_coming_again(
    gateway: Any,
) -> None:
    desk = await gateway(PLAY, api_keys=("sk-right",), max_drafts_per_key=2)
    desk.client.headers["authorization"] = "Bearer sk-right"
    refused = await desk.chat(n=3)
    assert refused.status_code == 403
    assert "retry-after" not in refused.headers
    assert refused.json() == invalid(
        "n: 3 drafts are over this key's limit of 2", "n", "key_limit_exceeded"
    )
    assert (await desk.chat(n=2)).status_code == 200


async def test_what_the_engine_refuses_is_the_callers_400(gateway: Any) -> None:
    desk = await gateway((Refuse("min_tokens is over max_tokens"),))
    response = await desk.chat(x=1)
    assert response.status_code == 400
    assert response.json() == invalid("min_tokens is over max_tokens", None)
    assert desk.service.desk.admission.running == 0


UNEXPECTED = "something went wrong here; the server's log has the details under the request id"


class Broken:
    """Stands where a play should and fails as no play does."""

    def __iter__(self) -> Any:
        raise RuntimeError("secret detail")


@pytest.mark.parametrize("n", [1, 2])
async def test_a_fault_of_ours_is_500_without_its_details(
    gateway: Any, caplog: pytest.LogCaptureFixture, n: int
) -> None:
    desk = await gateway(Broken())
    response = await desk.chat(n=n)
    assert response.status_code == 500
    assert response.json() == envelope(UNEXPECTED, None, "internal_error", "server_error")
    assert response.headers["x-should-retry"] == "false"
    told = [record for record in caplog.records if record.getMessage() == "a request failed"]
    assert [record.request_id for record in told] == [response.headers["x-request-id"]]
    assert desk.value("longhand_requests_total", route=CHAT, code="500") == 1
    assert desk.service.desk.admission.running == 0


async def test_a_fault_of_ours_ends_a_stream_with_an_error_and_done(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await gateway(Broken())
    events = await desk.streamed()
    assert events[1:] == [
        envelope(UNEXPECTED, None, "internal_error", "server_error"),
        "[DONE]",
    ]
    told = [record for record in caplog.records if record.getMessage() == "a stream failed"]
    assert "chatcmpl-" + told[0].request_id == events[0]["id"]


async def test_an_http_error_of_no_kind_of_ours_is_a_400(gateway: Any) -> None:
    desk = await gateway(PLAY)

    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    desk.app.add_api_route("/teapot", teapot)
    response = await desk.client.get("/teapot")
    assert response.status_code == 400
    assert response.json() == invalid("short and stout", None)
