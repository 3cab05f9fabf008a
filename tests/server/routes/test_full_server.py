"""A server that is full: who is taken next, who is refused, and what is told meanwhile."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from server.engine.scripted import Say, ScriptedEngine, Stall

CHAT, RAW, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
THINK, REST = Say("<think> Plan it.</think><answer> Once"), Say(" upon.</answer>")


def order_of(engine: ScriptedEngine) -> list[str]:
    """Which callers' drafts were begun, by what they asked for."""
    texts = [job.prompt.text for job in engine.jobs]
    return ["greedy" if "greedy" in text else "modest" for text in texts]


def asks(desk: Any, caller: str, **fields: Any) -> asyncio.Task[Any]:
    body = {"prompt": f"I am {caller}.", "max_tokens": 50, **fields}
    headers = {"authorization": f"Bearer key-of-{caller}"}
    return asyncio.create_task(desk.client.post(RAW, json=body, headers=headers))


async def test_a_greedy_caller_and_a_modest_one_take_turns(gateway: Any, until: Any) -> None:
    gate = asyncio.Event()
    desk = await gateway(
        (Stall(gate=gate), REST),
        max_running=1,
        max_queued=100,
        api_keys=("key-of-greedy", "key-of-modest"),
    )
    admission = desk.service.desk.admission
    asked = []
    for num, caller in enumerate(["greedy"] * 9 + ["modest"] * 2):
        asked.append(asks(desk, caller))
        await until(lambda num=num: admission.running + admission.queued == num + 1)
    gate.set()
    assert [(await one).status_code for one in asked] == [200] * 11
    begun = order_of(desk.engine)
    assert begun[0] == "greedy"
    assert sorted(begun[1:5]) == ["greedy", "greedy", "modest", "modest"]
    assert begun[1:3] != ["greedy", "greedy"]


async def test_one_key_cannot_fill_the_queue(gateway: Any, until: Any) -> None:
    gate = asyncio.Event()
    desk = await gateway(
        (Stall(gate=gate), REST),
        max_running=1,
        max_queued=4,
        api_keys=("key-of-greedy", "key-of-modest"),
    )
    admission = desk.service.desk.admission
    asked = [asks(desk, "greedy") for _ in range(3)]
    await until(lambda: admission.queued == 2)
    refused = await asks(desk, "greedy")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
    assert "kept for other keys" in refused.json()["error"]["message"]
    assert desk.value("longhand_admission_refusals_total", reason="caller_share") == 1
    asked.append(asks(desk, "modest"))
    await until(lambda: admission.queued == 3)
    gate.set()
    assert [(await one).status_code for one in asked] == [200] * 4


async def test_a_lower_priority_is_written_first(gateway: Any, until: Any) -> None:
    gate = asyncio.Event()
    desk = await gateway((Stall(gate=gate), REST), max_running=1)
    admission = desk.service.desk.admission
    asked = []
    for num, priority in enumerate((0, 5, 0, -5)):
        asked.append(asks(desk, f"{num}", priority=priority))
        await until(lambda num=num: admission.running + admission.queued == num + 1)
    gate.set()
    assert [(await one).status_code for one in asked] == [200] * 4
    assert [job.prompt.text[5] for job in desk.engine.jobs] == ["0", "3", "2", "1"]


@pytest.mark.parametrize("from_card", [True, False])
async def test_drafts_that_the_cache_does_not_hold_wait(
    gateway: Any, until: Any, from_card: bool
) -> None:
    gate = asyncio.Event()
    engine = ScriptedEngine(plays=((Stall(gate=gate), REST),))
    given: dict[str, Any] = {"kv_tokens": 130}
    if from_card:
        engine.card, given = replace(engine.card, kv_tokens=130), {}
    desk = await gateway(build=lambda: engine, **given)
    admission = desk.service.desk.admission
    # Three tokens of prompt and fifty to write.
    asked = [asks(desk, "ann") for _ in range(3)]
    await until(lambda: admission.queued == 1)
    assert admission.running == 2
    assert desk.value("longhand_kv_tokens_capacity") == 130
    assert desk.value("longhand_kv_tokens_reserved") == 106
    assert desk.value("longhand_queue_tokens") == 53
    assert desk.value("longhand_queue_position_count") == 1
    gate.set()
    assert [(await one).status_code for one in asked] == [200] * 3
    assert desk.value("longhand_kv_tokens_reserved") == 0
    assert desk.value("longhand_drain_tokens_per_second") > 0


async def test_a_draft_that_runs_past_what_was_expected_takes_more_room(
    gateway: Any, until: Any
) -> None:
    gate = asyncio.Event()
    desk = await gateway((Say(" word" * 4_100), Stall(gate=gate)), kv_tokens=100_000)
    admission = desk.service.desk.admission
    asked = asks(desk, "ann", max_tokens=20_000)
    await until(lambda: admission.ledger.reserved_tokens > 4_003)
    assert admission.ledger.reserved_tokens == 3 + 4_001 + 1_000
    gate.set()
    assert (await asked).status_code == 200
    assert admission.ledger.reserved_tokens == 0
    # The next request is expected to take as much as this one did, in part.
    assert admission.lengths.mean_tokens == (4_000 + 4_100) / 2


@pytest.mark.parametrize("fields", [{"n": 3}, {"writing": {"best_of": 3, "prune": False}}])
async def test_each_draft_of_a_request_gives_its_part_back_as_it_ends(
    served: Any, until: Any, fields: Any
) -> None:
    gate = asyncio.Event()
    whole = (THINK, REST)
    desk = await served(whole, whole, (THINK, Stall(gate=gate), REST), max_running=3)
    admission = desk.service.desk.admission
    asked = asyncio.create_task(desk.chat(max_tokens=1_000, **fields))
    await until(lambda: admission.running == 1)
    prompt_tokens = desk.engine.jobs[0].prompt.num_tokens
    assert admission.ledger.reserved_tokens == prompt_tokens + 1_000
    gate.set()
    assert (await asked).status_code == 200
    await until(lambda: not admission.running)
    assert admission.ledger.reserved_tokens == 0


async def test_who_is_refused_is_told_when_to_come_by_what_was_measured(
    gateway: Any, until: Any
) -> None:
    gate = asyncio.Event()
    first_gate = asyncio.Event()
    desk = await gateway(
        (Stall(gate=first_gate), REST), (Stall(gate=gate), REST), max_running=1, max_queued=1
    )
    admission, now_s = desk.service.desk.admission, [1_000.0]
    admission.clock = lambda: now_s[0]
    first = asks(desk, "ann")
    await until(lambda: admission.running == 1)
    now_s[0] += 20.0
    first_gate.set()
    assert (await first).status_code == 200
    asked = [asks(desk, "ann") for _ in range(2)]
    await until(lambda: admission.queued == 1)
    refused = await asks(desk, "ann")
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "overloaded"
    # 53 tokens in twenty seconds, and 53 are ahead; before that was measured it would be 10.
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("20", "true")
    assert desk.value("longhand_admission_refusals_total", reason="queue_full") == 1
    gate.set()
    assert [(await one).status_code for one in asked] == [200] * 2


async def test_a_server_that_shuts_down_refuses_and_counts_it(gateway: Any) -> None:
    desk = await gateway((REST,))
    desk.service.desk.admission.close()
    refused = await asks(desk, "ann")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert desk.value("longhand_admission_refusals_total", reason="closing") == 1


BODIES = {
    CHAT: {},
    RAW: {},
    RESPONSES: {"messages": None, "input": "Write a line.", "store": False},
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("store", [True, False])
async def test_a_stream_that_waits_is_told_how_many_are_ahead(
    served: Any, until: Any, path: str, store: bool
) -> None:
    gate = asyncio.Event()
    desk = await served(
        (THINK, Stall(gate=gate), REST), max_running=1, heartbeat_s=0.01, drafts="memory"
    )
    admission = desk.service.desk.admission
    others = []
    for num in range(3):
        others.append(asyncio.create_task(desk.chat()))
        await until(lambda num=num: admission.running + admission.queued == num + 1)
    async with desk.stream(path, **{**BODIES[path], "store": store}) as events:
        async for event in events:
            if event == ": queued, 2 ahead":
                break
        gate.set()
        rest = [event async for event in events]
    assert not [event for event in rest if event == ": queued, 3 ahead"]
    assert [(await one).status_code for one in others] == [200] * 3


async def test_a_client_that_takes_progress_gets_its_position_in_the_chunk(
    served: Any, until: Any
) -> None:
    gate = asyncio.Event()
    desk = await served((THINK, Stall(gate=gate), REST), max_running=1, heartbeat_s=0.01)
    first = asyncio.create_task(desk.chat())
    await until(lambda: desk.engine.open_streams)
    async with desk.stream(writing={"progress": True}) as events:
        beat = await anext(events)
        gate.set()
        rest = [event async for event in events]
    assert beat["writing"] == {"queue_position": 1}
    assert beat["choices"][0]["delta"] == {"content": ""}
    assert rest[-1] == "[DONE]"
    assert (await first).status_code == 200
