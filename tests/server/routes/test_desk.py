"""Streams that do not run smoothly: clients that go, engines that die, a server that is full."""

import asyncio
from typing import Any

import pytest

from server.engine.base import Passage
from server.engine.scripted import Break, Die, Refuse, Say, ScriptedEngine, Stall

CHAT = "/v1/chat/completions"
THINK, ANSWER = Say("<think> Plan"), Say(" it.</think><answer> Once")
REST = Say(" upon.</answer>")


def text_of(event: Any) -> str:
    return str(event["choices"][0]["delta"].get("content", ""))


def error(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


@pytest.mark.parametrize(
    ("play", "field", "stage"),
    [((Stall(gate=asyncio.Event()),), "role", "prompt"),
     ((THINK, Stall(gate=asyncio.Event())), "reasoning", "reasoning"),
     ((THINK, ANSWER, Stall(gate=asyncio.Event())), "content", "answer")],
)  # fmt: skip
async def test_a_client_that_goes_in_mid_stream_frees_the_engine_and_is_counted(
    served: Any, until: Any, play: Any, field: str, stage: str
) -> None:
    desk = await served(play)
    async with desk.stream() as events:
        async for event in events:
            if event["choices"][0]["delta"].get(field):
                break
        await until(lambda: desk.engine.open_streams == 1)
        assert desk.service.desk.admission.running == 1
    await until(lambda: desk.service.desk.admission.running == 0)
    assert desk.engine.open_streams == 0
    assert desk.value("longhand_disconnects_total", stage=stage) == 1
    await until(lambda: desk.value("longhand_requests_total", route=CHAT, code="200") == 1)


async def test_a_client_that_goes_while_it_waits_for_a_whole_answer_frees_the_engine(
    served: Any, until: Any
) -> None:
    desk = await served((THINK, ANSWER, Stall(gate=asyncio.Event())))
    asking = asyncio.create_task(desk.chat())
    await until(
        lambda: (
            desk.engine.open_streams
            and desk.value("longhand_time_to_first_answer_token_seconds_count")
        )
    )
    asking.cancel()
    await until(lambda: desk.service.desk.admission.running == 0)
    assert desk.engine.open_streams == 0
    assert desk.value("longhand_disconnects_total", stage="answer") == 1
    await until(lambda: desk.value("longhand_requests_total", route=CHAT, code="499") == 1)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_while_queued_gives_up_its_place_in_the_queue(
    served: Any, until: Any, stream: bool
) -> None:
    gate = asyncio.Event()
    desk = await served((THINK, Stall(gate=gate), ANSWER, REST), max_running=1, max_queued=1)
    admission = desk.service.desk.admission
    first = asyncio.create_task(desk.chat())
    await until(lambda: desk.engine.open_streams)
    second = asyncio.create_task(desk.chat(stream=stream))
    await until(lambda: admission.queued == 1)
    assert desk.value("longhand_queue_depth") == 1
    second.cancel()
    await until(lambda: admission.queued == 0)
    assert desk.value("longhand_queue_depth") == 0
    await until(lambda: desk.value("longhand_disconnects_total", stage="queued") == 1)
    gate.set()
    assert (await first).status_code == 200
    assert len(desk.engine.jobs) == 1


class SlowTokenizer(ScriptedEngine):
    """Counts a prompt's tokens only once it is let."""

    async def tokenize(self, text: str) -> Passage:
        self.asked.set()
        await self.let.wait()
        return await super().tokenize(text)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_before_the_headers_leaves_nothing_behind(
    served: Any, until: Any, stream: bool
) -> None:
    engine = SlowTokenizer(plays=((Stall(gate=asyncio.Event()),),))
    engine.asked, engine.let = asyncio.Event(), asyncio.Event()
    desk = await served(build=lambda: engine)
    asking = asyncio.create_task(desk.chat(stream=stream))
    await until(engine.asked.is_set)
    asking.cancel()
    await until(lambda: not desk.host.server_state.connections)
    engine.let.set()
    await until(lambda: desk.value("longhand_requests_in_flight") == 0)
    assert engine.open_streams == 0
    assert desk.service.desk.admission.running == 0
    stages = [desk.value("longhand_disconnects_total", stage=s) for s in ("queued", "prompt")]
    assert [count for count in stages if count] == [1]


DEATHS = [
    pytest.param(Die("out of paper"), "the engine died: out of paper", id="dies"),
    pytest.param(Break(), "the engine's stream broke off without an end", id="breaks off"),
]


@pytest.mark.parametrize(("act", "message"), DEATHS)
async def test_a_stream_whose_engine_fails_ends_with_an_error_and_done(
    served: Any, until: Any, act: Any, message: str
) -> None:
    desk = await served((THINK, ANSWER, act), on_engine_death="restart")
    events = await desk.streamed()
    assert events[-2:] == [error(message, "engine_died"), "[DONE]"]
    assert [text_of(event) for event in events[:-2]][-1] == "Once"
    assert not [e for e in events[:-2] if e["choices"][0]["finish_reason"]]
    await until(lambda: desk.service.desk.admission.running == 0)
    assert desk.value("longhand_disconnects_total", stage="answer") is None


@pytest.mark.parametrize(("act", "message"), DEATHS)
@pytest.mark.parametrize("n", [1, 2])
async def test_a_whole_answer_whose_engine_fails_is_503(
    gateway: Any, act: Any, message: str, n: int
) -> None:
    desk = await gateway((THINK, ANSWER, act))
    response = await desk.chat(n=n)
    assert response.status_code == 503
    assert response.json() == error(message, "engine_died")
    assert desk.engine.open_streams == 0


async def test_an_engine_that_dies_makes_the_server_unready_and_refuses_what_follows(
    gateway: Any, until: Any
) -> None:
    desk = await gateway((THINK, Die("out of paper")))
    await desk.streamed()
    await until(desk.service.engine.failed.is_set)
    response = await desk.client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "dead", "model": "scripted", "reason": "out of paper"}
    assert desk.value("longhand_engine_up") == 0
    again = await desk.chat()
    assert again.status_code == 503
    assert again.json() == error("out of paper", "engine_unavailable")
    assert (again.headers["retry-after"], again.headers["x-should-retry"]) == ("10", "true")


async def test_an_engine_that_is_restarted_takes_work_again(gateway: Any, until: Any) -> None:
    builds = [
        ScriptedEngine(plays=((THINK, Die()),)),
        ScriptedEngine(plays=((THINK, ANSWER, REST),)),
    ]
    waiting = iter(builds)
    desk = await gateway(build=lambda: next(waiting), on_engine_death="restart")
    assert (await desk.chat()).status_code == 503
    await until(desk.service.engine.ready.is_set)
    assert (await desk.chat()).status_code == 200
    assert desk.value("longhand_engine_up") == 1


async def test_a_refusal_in_a_stream_is_an_error_event(gateway: Any) -> None:
    desk = await gateway((Refuse("seed is too big"),))
    events = await desk.streamed()
    assert events[1:] == [
        {
            "error": {
                "message": "seed is too big",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_value",
            }
        },
        "[DONE]",
    ]


async def test_a_full_server_answers_503_at_once_and_says_when_to_come_again(
    served: Any, until: Any
) -> None:
    gate = asyncio.Event()
    desk = await served(
        (THINK, Stall(gate=gate), ANSWER, REST), max_running=1, max_queued=1, retry_after_s=7
    )
    accepted = [asyncio.create_task(desk.chat()) for _ in range(2)]
    await until(lambda: desk.service.desk.admission.queued == 1)
    response = await desk.chat()
    assert response.status_code == 503
    assert response.json() == error(
        "1 drafts are being written and 1 wait; the limits are 1 and 1", "overloaded"
    )
    assert (response.headers["retry-after"], response.headers["x-should-retry"]) == ("7", "true")
    gate.set()
    assert [(await task).status_code for task in accepted] == [200, 200]
    assert len(desk.engine.jobs) == 2
    assert desk.value("longhand_queue_wait_seconds_count") == 2
    assert desk.value("longhand_queue_depth") == 0


@pytest.mark.parametrize(
    ("path", "choice"),
    [
        (CHAT, {"delta": {"content": ""}}),
        ("/v1/completions", {"text": ""}),
    ],
)
async def test_a_stream_that_waits_in_the_queue_gets_empty_chunks(
    served: Any, until: Any, path: str, choice: Any
) -> None:
    gate = asyncio.Event()
    play = (THINK, Stall(gate=gate), ANSWER, REST)
    desk = await served(play, max_running=1, heartbeat_s=0.001)
    first = asyncio.create_task(desk.chat())
    await until(lambda: desk.engine.open_streams)
    async with desk.stream(path) as events:
        told = [await anext(events) for _ in range(4)]
        gate.set()
        rest = [event async for event in events]
    beats = [event for event in told if event != ": queued, 0 ahead"]
    assert [beat["choices"] for beat in beats] == [
        [{"index": 0, **choice, "logprobs": None, "finish_reason": None}]
    ] * 2
    assert rest[-1] == "[DONE]"
    assert (await first).status_code == 200


async def test_a_whole_answer_waits_in_the_queue_for_longer_than_a_heartbeat(
    served: Any, until: Any, fail_after: Any
) -> None:
    gate = asyncio.Event()
    desk = await served((THINK, Stall(gate=gate), ANSWER, REST), max_running=1, heartbeat_s=0.001)
    first = asyncio.create_task(desk.chat())
    await until(lambda: desk.engine.open_streams)
    second = asyncio.create_task(desk.chat())
    async with desk.stream() as events:
        for _ in range(2):
            await anext(events)
    gate.set()
    async with fail_after(10):
        assert [(await task).status_code for task in (first, second)] == [200, 200]


async def test_a_silent_stream_gets_comments(served: Any) -> None:
    gate = asyncio.Event()
    desk = await served((THINK, Stall(gate=gate), ANSWER, REST), keep_alive_s=0.001)
    async with desk.stream() as events:
        async for event in events:
            if event == ": keep-alive":
                break
        gate.set()
        rest = [event async for event in events if event != ": keep-alive"]
    assert rest[-1] == "[DONE]"
    assert "".join(text_of(event) for event in rest[:-1]) == "Once upon."


async def test_drafts_that_share_a_request_end_together_when_their_client_goes(
    served: Any, until: Any
) -> None:
    desk = await served((THINK, ANSWER, Stall(gate=asyncio.Event())))
    async with desk.stream(n=3) as events:
        async for event in events:
            if text_of(event) and desk.engine.open_streams == 3:
                break
    await until(lambda: desk.engine.open_streams == 0)
    await until(lambda: desk.service.desk.admission.running == 0)


async def test_a_thousand_words_stream_the_same_as_they_come_whole(served: Any) -> None:
    long = (Say("<think>a</think><answer>"), Say(" word, line\n" * 500), Say("</answer>"))
    desk = await served(long)
    events = (await desk.streamed())[:-1]
    whole = (await desk.chat()).json()["choices"][0]["message"]["content"]
    assert "".join(text_of(event) for event in events) == whole


async def test_streams_side_by_side_are_not_mixed_up(served: Any) -> None:
    plays = [(Say(f"<think> plan {i}</think><answer>" + f" w{i}" * 50),) for i in range(32)]
    desk = await served(*plays, max_running=12)
    async with asyncio.TaskGroup() as group:
        streams = [group.create_task(desk.streamed()) for _ in plays]
    answers = ["".join(map(text_of, stream.result()[:-1])) for stream in streams]
    assert sorted(answers) == sorted((f" w{i}" * 50).strip() for i in range(32))
    assert desk.service.desk.admission.running == 0
    assert desk.value("longhand_drafts_finished_total", reason="stop") == 32
