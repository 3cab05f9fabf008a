"""OpenAI's own package, unchanged, against a running server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import openai
import pytest

from server.engine.scripted import Die, Say

PLAY = (Say("\n<think>\nPlan it.\n</think>\n<answer>\nOnce upon.\n</answer>"),)
MESSAGES: Any = [{"role": "user", "content": "Write a line."}]


@pytest.fixture
async def connect(served: Any) -> AsyncIterator[Callable[..., Awaitable[openai.AsyncOpenAI]]]:
    clients: list[openai.AsyncOpenAI] = []

    async def start(*plays: Any, key: str = "none", **settings: Any) -> openai.AsyncOpenAI:
        desk = await served(*plays, **settings)
        clients.append(
            openai.AsyncOpenAI(base_url=f"{desk.host.url}/v1", api_key=key, max_retries=0)
        )
        return clients[-1]

    yield start
    for client in clients:
        await client.close()


async def test_create_gives_answer_reasoning_and_usage(connect: Any) -> None:
    client = await connect(PLAY)
    answer = await client.chat.completions.create(model="scripted", messages=MESSAGES)
    message = answer.choices[0].message
    assert (message.role, message.content) == ("assistant", "Once upon.")
    assert (message.reasoning, message.reasoning_content) == ("Plan it.", "Plan it.")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens_details.reasoning_tokens == 4
    assert answer._request_id == answer.id.removeprefix("chatcmpl-")


async def test_create_with_stream_gives_chunks_and_usage(connect: Any) -> None:
    client = await connect(PLAY)
    stream = await client.chat.completions.create(
        model="scripted", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Once upon."
    assert "".join(getattr(delta, "reasoning", "") for delta in deltas) == "Plan it."
    assert chunks[-1].usage.completion_tokens == 8


async def test_the_stream_helper_puts_the_answer_together(connect: Any) -> None:
    client = await connect(PLAY)
    async with client.chat.completions.stream(
        model="scripted", messages=MESSAGES, logprobs=True, top_logprobs=1
    ) as stream:
        deltas = [event.delta async for event in stream if event.type == "content.delta"]
        final = await stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content == "Once upon."
    assert final.choices[0].finish_reason == "stop"
    assert [t.token for t in final.choices[0].logprobs.content] == ["\nOnce", " upon."]


async def test_completions_and_models_work_too(connect: Any) -> None:
    client = await connect((Say(" upon a time."),))
    whole = await client.completions.create(model="scripted", prompt="Once", logprobs=1)
    assert whole.choices[0].text == " upon a time."
    assert whole.choices[0].logprobs.text_offset == [0, 5, 7]
    stream = await client.completions.create(model="scripted", prompt="Once", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == " upon a time."
    assert [model.id async for model in client.models.list()] == ["scripted"]
    assert (await client.models.retrieve("scripted")).owned_by == "longhand"


@pytest.mark.parametrize(
    ("asked", "kind", "code"),
    [
        ({"n": 99}, openai.BadRequestError, "invalid_value"),
        ({"model": "gpt-9"}, openai.NotFoundError, "model_not_found"),
    ],
)
async def test_refusals_raise_the_packages_own_exceptions(
    connect: Any, asked: dict[str, Any], kind: type[openai.APIStatusError], code: str
) -> None:
    client = await connect(PLAY)
    with pytest.raises(kind) as caught:
        await client.chat.completions.create(**{"model": "scripted", "messages": MESSAGES, **asked})
    assert (caught.value.code, caught.value.param) == (code, next(iter(asked)))
    assert caught.value.request_id


async def test_a_wrong_key_raises_authentication_error(connect: Any) -> None:
    client = await connect(PLAY, key="wrong", api_keys=("right",))
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()


async def test_a_dead_engine_raises_internal_server_error(connect: Any) -> None:
    client = await connect((Die(),), on_engine_death="restart")
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model="scripted", messages=MESSAGES)
    assert (caught.value.status_code, caught.value.code) == (503, "engine_died")


async def test_an_engine_that_dies_in_mid_stream_raises_api_error(connect: Any) -> None:
    client = await connect((Say("<think>a</think><answer> Once"), Die("out of paper")))
    stream = await client.chat.completions.create(model="scripted", messages=MESSAGES, stream=True)
    told = ""
    with pytest.raises(openai.APIError, match="out of paper"):
        async for chunk in stream:
            told += chunk.choices[0].delta.content or ""
    assert told == "Once"


async def test_keep_alive_comments_do_not_disturb_the_package(connect: Any) -> None:
    client = await connect(PLAY, keep_alive_s=0.0001)
    stream = await client.chat.completions.create(model="scripted", messages=MESSAGES, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "Once upon."


async def test_the_synchronous_client_works_as_well(connect: Any) -> None:
    address = str((await connect(PLAY)).base_url)

    def ask() -> str:
        with openai.OpenAI(base_url=address, api_key="none") as client:
            stream = client.chat.completions.create(
                model="scripted", messages=MESSAGES, stream=True
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert await asyncio.to_thread(ask) == "Once upon."
