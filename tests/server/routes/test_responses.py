"""The Responses API, by HTTP and by OpenAI's own package."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from server.drafts.memory import MemoryStore
from server.engine.scripted import Die, Refuse, Say, Stall
from server.errors import StoreUnavailable

PLAY = (Say("\n<think>\nPlan it.\n</think>\n<answer>\nOnce upon a time.\n</answer>"),)
PATH = "/v1/responses"


async def create(desk: Any, given: Any = "Write a line.", **fields: Any) -> Any:
    return await desk.client.post(PATH, json={"input": given, **fields})


async def events_of(response: Any) -> list[dict[str, Any]]:
    """The events of a streamed answer, as they were sent."""
    assert response.status_code == 200, response.text
    lines = response.text.split("\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


@pytest.fixture
async def connect(served: Any) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Starts a host and gives OpenAI's client of it: ``client, desk = await connect(play)``."""
    clients: list[openai.AsyncOpenAI] = []

    async def start(*plays: Any, **settings: Any) -> tuple[openai.AsyncOpenAI, Any]:
        desk = await served(*plays, **settings)
        clients.append(
            openai.AsyncOpenAI(base_url=f"{desk.host.url}/v1", api_key="none", max_retries=0)
        )
        return clients[-1], desk

    yield start
    for client in clients:
        await client.close()


async def test_a_response_that_is_not_kept_comes_in_one_body(
    gateway: Any, conforming_response: Any
) -> None:
    desk = await gateway(PLAY)
    answer = await create(desk, store=False, metadata={"k": "v"}, model="scripted")
    body = answer.json()
    found = conforming_response(body)
    assert found.output_text == "Once upon a time."
    assert [item.type for item in found.output] == ["reasoning", "message"]
    assert found.output[0].content[0].text == "Plan it."
    assert (found.status, found.store, found.metadata) == ("completed", False, {"k": "v"})
    assert found.usage.output_tokens_details.reasoning_tokens == 4
    assert body["writing"]["words"] == 4
    assert answer.headers["x-request-id"] == found.id.removeprefix("resp_")
    assert found.output[1].id == f"msg_{found.id.removeprefix('resp_')}_1"
    assert desk.service.desk.admission.running == 0


async def test_a_response_that_is_not_kept_is_streamed_by_openais_events(
    gateway: Any, conforming: Any
) -> None:
    desk = await gateway(PLAY)
    answer = await create(desk, store=False, stream=True)
    events = conforming(await events_of(answer))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events[-1].response.output_text == "Once upon a time."
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == (
        "Once upon a time."
    )
    assert "[DONE]" not in answer.text


async def test_a_draft_that_is_cut_by_the_token_limit_is_incomplete(
    gateway: Any, conforming: Any
) -> None:
    desk = await gateway(PLAY)
    answer = await create(desk, store=False, stream=True, max_output_tokens=6)
    last = conforming(await events_of(answer))[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.response.max_output_tokens == 6


async def test_a_stream_whose_engine_dies_ends_with_a_failed_response(
    gateway: Any, conforming: Any
) -> None:
    desk = await gateway((Say("<think>a</think><answer> Once"), Die("out of paper")))
    answer = await create(desk, store=False, stream=True)
    last = conforming(await events_of(answer))[-1]
    assert (last.type, last.response.error.code) == ("response.failed", "server_error")
    assert "out of paper" in last.response.error.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"given": ""}, "input"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"model": "gpt-9"}, "model"),
        ({"writing": {"best_of": 99}}, "writing.best_of"),
        ({"background": True, "store": False}, "background"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
    ],
)
async def test_a_request_that_is_wrong_is_refused_by_its_field(
    gateway: Any, fields: dict[str, Any], param: str
) -> None:
    desk = await gateway(PLAY)
    answer = await create(desk, **{"store": False, **fields})
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param


LONG = [{"role": "user", "content": "Once " * 40}, {"role": "assistant", "content": "Yes " * 40}]
TURNS = [{"role": "developer", "content": "Be kind."}, *LONG, *LONG,
         {"role": "user", "content": "Go on."}]  # fmt: skip


async def test_what_does_not_fit_the_window_is_refused_or_shortened_as_asked(gateway: Any) -> None:
    desk = await gateway(PLAY, max_model_len=400)
    refused = await create(desk, [*TURNS, *LONG, *TURNS], store=False)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input")
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    answer = await create(desk, [*TURNS, *LONG, *TURNS], store=False, truncation="auto")
    assert answer.json()["status"] == "completed"
    prompt = desk.engine.jobs[-1].prompt.text
    assert "Be kind." in prompt
    assert "Go on." in prompt
    assert 0 < prompt.count("Once Once") < 6 * 39
    alone = await create(desk, "word " * 500, store=False, truncation="auto")
    assert alone.json()["error"]["code"] == "context_length_exceeded"


async def test_the_package_reads_a_response_that_is_not_kept(connect: Any) -> None:
    client, _ = await connect(PLAY)
    answer = await client.responses.create(model="scripted", input="Write a line.", store=False)
    assert answer.output_text == "Once upon a time."
    async with client.responses.stream(
        model="scripted", input="Write a line.", store=False
    ) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert final.output_text == "Once upon a time."


async def test_signs_of_life_in_the_queue_do_not_disturb_the_package(
    connect: Any, until: Any
) -> None:
    gate = asyncio.Event()
    client, desk = await connect(
        (Stall(gate=gate), *PLAY), max_running=1, heartbeat_s=0.001, keep_alive_s=0.001
    )
    first = asyncio.create_task(client.responses.create(input="Write.", store=False))
    await until(lambda: desk.engine.open_streams == 1)
    stream = await client.responses.create(input="Write.", store=False, stream=True)
    kinds = []
    async for event in stream:
        kinds.append(event.type)
        if kinds.count("response.in_progress") == 3:
            gate.set()
    assert kinds[-1] == "response.completed"
    assert (await first).status == "completed"


# Kept ones.


def frames_of(response: Any) -> list[str]:
    """The frames of a streamed answer, comments left out."""
    assert response.status_code == 200, response.text
    frames = response.text.split("\n\n")[:-1]
    return [frame for frame in frames if not frame.startswith(":")]


async def follow(desk: Any, name: str, **query: Any) -> Any:
    return await desk.client.get(f"{PATH}/{name}", params={"stream": True, **query})


async def test_a_response_is_kept_unless_told_otherwise(
    gateway: Any, conforming_response: Any
) -> None:
    desk = await gateway(PLAY)
    body = (await create(desk, instructions="Be brief.", user="u")).json()
    found = conforming_response(body)
    assert (found.status, found.store, found.output_text) == (
        "completed", True, "Once upon a time.",
    )  # fmt: skip
    again = await desk.client.get(f"{PATH}/{found.id}")
    assert again.json() == body
    assert again.headers["longhand-draft-id"] == f"draft_{found.id.removeprefix('resp_')}"
    gone = await desk.client.delete(f"{PATH}/{found.id}")
    assert gone.json() == {"id": found.id, "object": "response", "deleted": True}
    missing = await desk.client.get(f"{PATH}/{found.id}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "response_not_found")


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("include", [[], ["message.output_text.logprobs"]])
async def test_every_reader_gets_the_same_frames_behind_whatever_number(
    gateway: Any, conforming: Any, background: bool, include: list[str]
) -> None:
    desk = await gateway(PLAY)
    answer = await create(desk, stream=True, background=background, include=include)
    frames, events = frames_of(answer), await events_of(answer)
    conforming(events)
    name = events[0]["response"]["id"]
    assert frames_of(await follow(desk, name)) == frames
    for number in range(len(frames) + 2):
        rest = await follow(desk, name, starting_after=number)
        assert frames_of(rest) == frames[number + 1 :]
    body = (await desk.client.get(f"{PATH}/{name}")).json()
    assert body == events[-1]["response"]


async def test_the_package_polls_a_response_in_the_background(connect: Any, until: Any) -> None:
    gate = asyncio.Event()
    client, desk = await connect((PLAY[0], Stall(gate=gate)), max_running=1, heartbeat_s=0.001)
    busy = await client.responses.create(input="Write.", background=True)
    await until(lambda: desk.engine.open_streams == 1)
    waiting = await client.responses.create(input="Write.", background=True, metadata={"k": "v"})
    assert (waiting.status, waiting.background, waiting.output) == ("queued", True, [])
    follower = await client.responses.retrieve(waiting.id, stream=True)
    kinds = []
    async for event in follower:
        kinds.append(event.type)
        if kinds.count("response.queued") == 3:
            assert (await client.responses.retrieve(busy.id)).status == "in_progress"
            gate.set()
    assert kinds[-1] == "response.completed"
    done = await client.responses.retrieve(waiting.id)
    assert (done.status, done.output_text, done.metadata) == (
        "completed", "Once upon a time.", {"k": "v"},
    )  # fmt: skip


async def test_a_cancelled_response_ends_every_reader_and_can_be_cancelled_again(
    connect: Any, until: Any, conforming_response: Any
) -> None:
    client, desk = await connect(
        (Say("<think>a</think><answer> Once upon"), Stall(gate=asyncio.Event()))
    )
    running = await client.responses.create(input="Write.", background=True)
    readers = [
        asyncio.create_task(follow(desk, running.id)),
        asyncio.create_task(follow(desk, running.id, starting_after=2)),
    ]
    whole = asyncio.create_task(client.responses.create(input="Write.", extra_headers=KEY))
    await until(lambda: desk.engine.open_streams == 2)
    name = (await desk.client.get("/v1/drafts")).json()["data"][0]["id"]
    await client.responses.cancel(name.replace("draft_", "resp_"))
    assert (await whole).status == "cancelled"
    first = await client.responses.cancel(running.id)
    second = await client.responses.cancel(running.id)
    assert first == second
    assert (first.status, first.output_text) == ("cancelled", "Once upon")
    assert [item.status for item in first.output] == ["completed", "incomplete"]
    for reader in readers:
        last = (await events_of(await reader))[-1]
        assert (last["type"], last["response"]["status"]) == ("response.incomplete", "cancelled")
        conforming_response(last["response"])
    assert desk.engine.open_streams == 0
    assert frames_of(await follow(desk, running.id))[-1].startswith("event: response.incomplete")


KEY = {"idempotency-key": "one"}


async def test_a_failed_response_ends_every_reader(gateway: Any, conforming: Any) -> None:
    desk = await gateway((Say("<think>a</think><answer> Once"), Refuse("no such job")))
    answer = await create(desk, stream=True)
    events = await events_of(answer)
    last = conforming(events)[-1]
    assert (last.type, last.response.error.code) == ("response.failed", "invalid_prompt")
    name = last.response.id
    assert frames_of(await follow(desk, name)) == frames_of(answer)
    whole = (await create(desk)).json()
    assert (whole["status"], whole["error"]["message"]) == ("failed", "no such job")


async def test_a_conversation_goes_on_from_the_response_before(connect: Any) -> None:
    client, desk = await connect(PLAY)
    first = await client.responses.create(input="Write.", instructions="Be brief.")
    second = await client.responses.create(
        input="More.", previous_response_id=first.id, instructions="Be kind."
    )
    assert second.previous_response_id == first.id
    prompt = desk.engine.jobs[-1].prompt.text
    assert "Be brief." not in prompt
    order = [prompt.index(said) for said in ("Be kind.", "Write.", "Once upon a time.", "More.")]
    assert order == sorted(order)
    await client.responses.delete(first.id)
    third = await client.responses.create(
        input=[{"type": "item_reference", "id": second.output[0].id},
               {"role": "user", "content": "Still more."}],
        previous_response_id=second.id,
    )  # fmt: skip
    items = [item async for item in client.responses.input_items.list(third.id, limit=2)]
    texts = [item.content[0].text for item in items]
    assert texts == [
        "Still more.", "Once upon a time.", "More.", "Once upon a time.", "Write.",
    ]  # fmt: skip
    assert items[1].id == second.output[-1].id
    ascending = await client.responses.input_items.list(third.id, order="asc", after=items[-1].id)
    assert ascending.data[0].id == items[-2].id


async def test_an_item_is_told_by_its_id_instead_of_its_text(connect: Any) -> None:
    client, desk = await connect(PLAY)
    first = await client.responses.create(input="Write.")
    asked = await client.responses.input_items.list(first.id)
    await client.responses.create(
        input=[{"type": "item_reference", "id": asked.data[0].id},
               *({"type": "item_reference", "id": item.id} for item in first.output),
               {"role": "user", "content": "More."}],
        store=False,
    )  # fmt: skip
    prompt = desk.engine.jobs[-1].prompt.text
    order = [prompt.index(said) for said in ("Write.", "Once upon a time.", "More.")]
    assert order == sorted(order)
    assert "Plan it." not in prompt


@pytest.mark.parametrize("item_id", ["msg_1", "msg_ffff_0", "msg_{key}_9"])
async def test_an_item_that_is_not_there_is_refused(gateway: Any, item_id: str) -> None:
    desk = await gateway(PLAY)
    key = (await create(desk)).json()["id"].removeprefix("resp_")
    reference = {"type": "item_reference", "id": item_id.format(key=key)}
    answer = await create(desk, [reference, {"role": "user", "content": "More."}])
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input[0].id")


async def test_a_response_that_cannot_be_gone_on_from_is_refused(gateway: Any, until: Any) -> None:
    desk = await gateway((Stall(gate=asyncio.Event()),))
    missing = await create(desk, previous_response_id="resp_none")
    assert missing.json()["error"]["code"] == "previous_response_not_found"
    name = (await create(desk, background=True)).json()["id"]
    running = await create(desk, previous_response_id=name)
    assert "still being written" in running.json()["error"]["message"]
    await desk.client.post(f"{PATH}/{name}/cancel")
    silent = await create(desk, previous_response_id=name)
    assert "no answer" in silent.json()["error"]["message"]
    assert silent.json()["error"]["param"] == "previous_response_id"


@pytest.mark.parametrize("path", ["", "/input_items"])
async def test_a_key_sees_its_own_responses_only(gateway: Any, path: str) -> None:
    desk = await gateway(PLAY, api_keys=("mine", "yours"))
    mine, yours = ({"authorization": f"Bearer {key}"} for key in ("mine", "yours"))
    answer = await desk.client.post(PATH, json={"input": "Write."}, headers=mine)
    where = f"{PATH}/{answer.json()['id']}{path}"
    assert (await desk.client.get(where, headers=mine)).status_code == 200
    assert (await desk.client.get(where, headers=yours)).status_code == 404


async def test_a_draft_of_another_kind_is_no_response(gateway: Any) -> None:
    desk = await gateway(PLAY)
    chat = await desk.chat(store=True)
    draft = chat.headers["longhand-draft-id"]
    for name in (draft, draft.replace("draft_", "resp_"), draft.removeprefix("draft_")):
        assert (await desk.client.get(f"{PATH}/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"stream": True, "starting_after": -1}, "starting_after"),
        ({"include_obfuscation": True}, "include_obfuscation"),
    ],
)
async def test_a_query_that_cannot_be_honoured_is_refused(
    gateway: Any, query: Any, param: str
) -> None:
    desk = await gateway(PLAY)
    name = (await create(desk)).json()["id"]
    answer = await desk.client.get(f"{PATH}/{name}", params=query)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_server_that_keeps_no_drafts_answers_who_does_not_ask_for_it(gateway: Any) -> None:
    desk = await gateway(PLAY, drafts="off")
    body = (await create(desk)).json()
    assert (body["status"], body["store"]) == ("completed", False)
    for fields, param in (
        ({"store": True}, "store"),
        ({"background": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"given": [{"type": "item_reference", "id": "msg_1_0"}]}, "input[0].id"),
    ):
        answer = await create(desk, **fields)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    missing = await desk.client.get(f"{PATH}/{body['id']}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "drafts_off")


async def test_the_packages_helper_goes_on_where_it_was(connect: Any) -> None:
    client, _ = await connect(PLAY)
    async with client.responses.stream(
        model="scripted", input="Write a line.", background=True
    ) as stream:
        events = [event async for event in stream]
    name = events[0].response.id
    for at in (0, 3, len(events) // 2, len(events) - 2):
        number = events[at].sequence_number
        async with client.responses.stream(response_id=name, starting_after=number) as stream:
            rest = [event async for event in stream]
        assert rest == events[at + 1 :]


async def test_the_same_request_under_one_key_is_one_response(gateway: Any) -> None:
    desk = await gateway(PLAY)
    first = await desk.client.post(PATH, json={"input": "Write."}, headers=KEY)
    again = await desk.client.post(PATH, json={"input": "Write."}, headers=KEY)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = await desk.client.post(PATH, json={"input": "Write more."}, headers=KEY)
    assert other.status_code == 422
    assert len(desk.engine.jobs) == 1


def half() -> Any:
    """A play that never ends."""
    return (Say("<think>a</think><answer> Once upon"), Stall(gate=asyncio.Event()))


async def said_so_far(lines: Any, text: str) -> list[dict[str, Any]]:
    """Reads on until an answer is so far."""
    found = []
    async for line in lines:
        if line.startswith("data: "):
            found.append(json.loads(line.removeprefix("data: ")))
            deltas = [e["delta"] for e in found if e["type"] == "response.output_text.delta"]
            if "".join(deltas) == text:
                return found
    raise AssertionError(found)


async def test_a_restart_in_the_middle_is_no_gap_and_no_repeat(
    served: Any, conforming: Any, tmp_path: Path
) -> None:
    kept = {"drafts": "sqlite", "drafts_path": tmp_path / "drafts.sqlite"}
    desk = await served(half(), shutdown_grace_s=0.01, **kept)
    asked = {"input": "Write.", "stream": True, "reasoning": {"effort": "low"}}
    async with desk.client.stream("POST", PATH, json=asked) as stream:
        lines = stream.aiter_lines()
        before = await said_so_far(lines, "Once")
        desk.host.should_exit = True
        rest = [line async for line in lines if line.startswith("data: ")]
    await desk.serving
    [interrupted] = [json.loads(line.removeprefix("data: ")) for line in rest]
    number = before[-1]["sequence_number"]
    assert (interrupted["type"], interrupted["code"]) == ("error", "draft_interrupted")
    assert interrupted["sequence_number"] == number
    after = await served((Say(" a time.</answer>"),), **kept)
    name = before[0]["response"]["id"]
    events = [*before, *await events_of(await follow(after, name, starting_after=number))]
    last = conforming(events)[-1]
    assert last.response.output_text == "Once upon a time."
    assert await events_of(await follow(after, name)) == events


async def test_a_response_that_is_only_marked_as_interrupted_has_failed(
    served: Any, conforming: Any, tmp_path: Path
) -> None:
    kept = {"drafts": "sqlite", "drafts_path": tmp_path / "drafts.sqlite"}
    desk = await served(half(), shutdown_grace_s=0.01, **kept)
    name = (await create(desk, background=True)).json()["id"]
    async with desk.client.stream("GET", f"{PATH}/{name}", params={"stream": True}) as stream:
        await said_so_far(stream.aiter_lines(), "Once")
        desk.host.should_exit = True
    await desk.serving
    after = await served(PLAY, drafts_recover="mark", **kept)
    body = (await after.client.get(f"{PATH}/{name}")).json()
    assert (body["status"], body["error"] and body["error"]["code"]) == ("failed", "server_error")
    assert body["output"][-1]["content"][0]["text"] == "Once upon"
    last = conforming(await events_of(await follow(after, name)))[-1]
    assert last.response.to_dict() == body


async def test_an_engine_that_dies_for_good_leaves_the_response_to_be_carried_on(
    gateway: Any,
) -> None:
    desk = await gateway((Say("<think>a</think><answer> Once"), Die("out of paper")))
    *_, last = await events_of(await create(desk, stream=True))
    assert (last["type"], last["code"][:7]) == ("error", "engine_")
    draft = (await desk.client.get("/v1/drafts")).json()["data"][0]["id"]
    body = (await desk.client.get(f"{PATH}/{draft.replace('draft_', 'resp_')}")).json()
    assert (body["status"], body["output"][-1]["status"]) == ("in_progress", "in_progress")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_response_goes_on_when_its_client_goes_and_is_there_for_its_retry(
    served: Any, until: Any, stream: bool
) -> None:
    gate = asyncio.Event()
    desk = await served((Say("<answer> Once"), Stall(gate=gate), Say(" upon.</answer>")))
    asking = asyncio.create_task(create(desk, stream=stream))
    await until(lambda: desk.engine.open_streams == 1)
    asking.cancel()
    await until(lambda: desk.value("longhand_disconnects_total", stage="kept") == 1)
    assert desk.engine.open_streams == 1
    gate.set()
    again = await desk.client.post(
        PATH,
        json={"input": "Write a line.", "stream": stream},
        headers={"x-stainless-retry-count": "1"},
    )
    assert "Once upon." in again.text
    assert again.headers["idempotent-replayed"] == "true"
    assert len(desk.engine.jobs) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(StoreUnavailable("away"), "store_unavailable"), (RuntimeError("odd"), "internal_error")],
)
async def test_a_reader_whose_store_goes_is_told_so(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    async def broken(draft_id: str) -> None:
        raise error

    desk = await gateway(PLAY)
    monkeypatch.setattr(desk.service.shelf.scribe.store, "get", broken)
    *_, last = await events_of(await create(desk, stream=True))
    assert (last["type"], last["code"]) == ("error", code)


async def test_the_best_of_several_is_shown_and_how_they_get_on_is_told(
    served: Any, conforming: Any
) -> None:
    gate = asyncio.Event()
    play = (Say("<think>a</think><answer> Once"), Stall(gate=gate), Say(" upon.</answer>"))
    desk = await served(play, progress_s=0.01)
    asked = {"input": "Write.", "stream": True, "writing": {"best_of": 2, "progress": True}}
    events = []
    async with desk.client.stream("POST", PATH, json=asked) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
                if events[-1].get("response", {}).get("writing"):
                    gate.set()
    last = conforming(events)[-1]
    assert last.response.output_text == "Once upon."
    assert last.response.writing["best_of"] == 2
    replayed = await events_of(await follow(desk, last.response.id))
    assert replayed == [
        e for e in events if "progress" not in str(e.get("response", {}).get("writing"))
    ]


async def test_another_gateway_over_the_same_store_tells_the_same(
    served: Any, conforming: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate = MemoryStore(), asyncio.Event()
    monkeypatch.setattr("server.shelving._store", lambda settings: store)
    play = (Say("<think>a</think><answer> Once upon"), Stall(gate=gate), Say(" a time.</answer>"))
    writes, reads = await served(play), await served(play)
    asked = {"input": "Write.", "stream": True}
    async with writes.client.stream("POST", PATH, json=asked) as stream:
        lines = stream.aiter_lines()
        events = await said_so_far(lines, "Once")
        name = events[0]["response"]["id"]
        behind = asyncio.create_task(follow(reads, name, starting_after=3))
        elsewhere = reads.client.stream("GET", f"{PATH}/{name}", params={"stream": True})
        async with elsewhere as follower:
            assert await said_so_far(follower.aiter_lines(), "Once") == events
        gate.set()
        events += [json.loads(line[6:]) async for line in lines if line.startswith("data: ")]
    assert conforming(events)[-1].response.output_text == "Once upon a time."
    assert await events_of(await behind) == events[4:]
    assert await events_of(await follow(reads, name)) == events
    assert not reads.engine.jobs
