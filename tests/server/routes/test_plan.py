"""``POST /v1/plan``: what a chat request would do, without doing it."""

from typing import Any

import pytest

from server.engine.scripted import Say

STORY = Say("<think> Plan. </think> <answer> Once upon a time. </answer>")


def ask(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


async def test_the_plan_of_a_request_is_shown_and_nothing_is_written(gateway: Any) -> None:
    desk = await gateway()
    request = ask("Write a 2,000-word essay on tea.")
    response = await desk.client.post("/v1/plan", json=request)
    assert response.status_code == 200
    assert (await desk.client.post("/v1/plan", json=request)).json() == response.json()
    shown = response.json()
    budgets = shown.pop("budgets")
    assert shown == {
        "object": "plan",
        "model": "scripted",
        "words": [1_800, 2_200],
        "source": "prompt",
        "language": "en",
        "template": "Longhand's own template (the checkpoint has none)",
        "control": "pace",
        "loop_guard": True,
        "windows": 1,
    }
    assert budgets["window_tokens"] == 32_768
    assert budgets["prompt_tokens"] + budgets["max_tokens"] == 32_768
    assert budgets["reasoning_tokens"] == 4_220
    assert budgets["answer_tokens"] > 2_200
    assert desk.engine.jobs == []


@pytest.mark.parametrize(
    ("fields", "words", "source", "control"),
    [
        ({}, None, "none", "off"),
        ({"writing": {"words": 300}}, [270, 330], "field", "pace"),
        ({"writing": {"words": [300, 400]}}, [300, 400], "field", "pace"),
        ({"writing": {"words": 300, "length_control": "extend"}}, [270, 330], "field", "extend"),
        ({"writing": {"words": 300, "length_control": "off"}}, [270, 330], "field", "off"),
    ],
)
async def test_fields_say_the_length_and_the_control(
    gateway: Any, fields: dict[str, Any], words: Any, source: str, control: str
) -> None:
    desk = await gateway()
    shown = (await desk.client.post("/v1/plan", json=ask("Write on tea.", **fields))).json()
    assert (shown["words"], shown["source"], shown["control"]) == (words, source, control)


async def test_a_long_text_takes_several_windows(gateway: Any) -> None:
    desk = await gateway()
    shown = (await desk.client.post("/v1/plan", json=ask("Write a 100,000-word novel."))).json()
    assert shown["windows"] > 1
    assert shown["budgets"]["max_tokens"] > shown["budgets"]["window_tokens"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (ask(" "), "messages[0].content"),
        (ask("Tea.", writing={"words": 0}), "writing.words"),
        (ask("Tea.", writing={"length_control": "fast"}), "writing.length_control"),
        (ask("Tea.", writing={"loop_guard": "no"}), "writing.loop_guard"),
        (ask("Tea.", writing={"wrods": 1}), "writing.wrods"),
        (ask("Tea.", writing={"rewards": {"beauty": 1}}), "writing.rewards.beauty"),
        (ask("Tea.", writing={"rewards": {"length": 0}}), "writing.rewards"),
        (ask("Tea.", writing={"best_of": 99}), "writing.best_of"),
        (ask("Tea.", n=99), "n"),
        (ask("Tea.", top_logprobs=1), "top_logprobs"),
        (ask("tea " * 40_000), "messages"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/plan", "/v1/chat/completions"])
async def test_what_would_be_refused_is_refused(
    gateway: Any, path: str, body: dict[str, Any], param: str
) -> None:
    desk = await gateway()
    response = await desk.client.post(path, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_planning_takes_a_place_and_gives_it_back(gateway: Any) -> None:
    desk = await gateway(max_running=1, max_queued=0)
    held = desk.service.desk.admission.enter(1, "someone")
    assert (await desk.client.post("/v1/plan", json=ask("Tea."))).status_code == 503
    held.release()
    for _ in range(3):
        assert (await desk.client.post("/v1/plan", json=ask("Tea."))).status_code == 200


async def test_the_length_that_is_asked_is_reported_with_the_answer(gateway: Any) -> None:
    desk = await gateway([STORY])
    answer = (await desk.chat(writing={"words": [3, 9]})).json()
    assert answer["writing"]["asked"] == [3, 9]
    assert answer["writing"]["source"] == "field"
