"""A length asked of the model: once for each request, in time, and never at its expense."""

import asyncio
from typing import Any

import pytest

from server.engine.scripted import Die, Refuse, Say, Stall

STORY = (Say("<think> Plan. </think> <answer> Once upon a time. </answer>"),)
RANGE = (Say("800, 1000]}"),)


def ask(text: str = "Write on tea.") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def plan(desk: Any, text: str = "Write on tea.") -> dict[str, Any]:
    response = await desk.client.post("/v1/plan", json=ask(text))
    assert response.status_code == 200
    shown: dict[str, Any] = response.json()
    return shown


async def test_a_request_that_states_no_length_gets_a_predicted_one(gateway: Any) -> None:
    desk = await gateway(RANGE, predict_length=True)
    shown = await plan(desk)
    assert (shown["words"], shown["source"], shown["control"]) == (
        [800, 1_000],
        "predicted",
        "pace",
    )
    [job] = desk.engine.jobs
    assert "Write on tea." in job.prompt.text
    assert job.written.text.endswith('{"range": [')
    assert (job.max_tokens, job.stop, job.sampling.temperature) == (24, ("]",), 0.0)


async def test_the_model_is_asked_once_for_each_request(gateway: Any) -> None:
    desk = await gateway(RANGE, predict_length=True)
    assert await plan(desk) == await plan(desk)
    assert len(desk.engine.jobs) == 1
    await plan(desk, "Write on coffee.")
    assert len(desk.engine.jobs) == 2


async def test_the_predictions_kept_are_bounded(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.predictor._MOST_KEPT", 2)
    desk = await gateway(RANGE, predict_length=True)
    for text in ("a", "b", "a", "c", "a", "b"):
        await plan(desk, text)
    # "b" was the longest unasked when "c" came.
    assert len(desk.engine.jobs) == 4


async def test_a_stated_length_is_not_asked_for(gateway: Any) -> None:
    desk = await gateway(RANGE, predict_length=True)
    assert (await plan(desk, "Write 500 words on tea."))["source"] == "prompt"
    assert desk.engine.jobs == []


async def test_by_default_the_model_is_not_asked(gateway: Any) -> None:
    desk = await gateway(RANGE)
    assert (await plan(desk))["source"] == "none"
    assert desk.engine.jobs == []


async def test_an_answer_is_written_after_its_length_was_predicted(gateway: Any) -> None:
    desk = await gateway(RANGE, STORY, predict_length=True)
    answer = (await desk.client.post("/v1/chat/completions", json=ask())).json()
    assert "Once upon a time" in answer["choices"][0]["message"]["content"]
    assert answer["writing"]["asked"] == [800, 1_000]
    assert answer["writing"]["source"] == "predicted"


@pytest.mark.parametrize(
    ("play", "settings"),
    [
        ((Say("I would say five hundred."),), {}),
        ((Say("0, 0"),), {}),
        ((Refuse("no"),), {}),
        ((Stall(gate=asyncio.Event()),), {"predict_length_timeout_s": 0.01}),
    ],
)
async def test_without_a_good_answer_in_time_a_request_goes_without_a_length(
    gateway: Any, play: Any, settings: dict[str, Any]
) -> None:
    desk = await gateway(play, predict_length=True, **settings)
    shown = await plan(desk)
    assert (shown["words"], shown["source"], shown["control"]) == (None, "none", "off")
    assert desk.engine.open_streams == 0


async def test_a_failed_prediction_is_tried_again(gateway: Any) -> None:
    desk = await gateway((Refuse("no"),), RANGE, predict_length=True)
    assert (await plan(desk))["source"] == "none"
    assert (await plan(desk))["source"] == "predicted"


async def test_an_engine_that_dies_meanwhile_is_no_error_of_the_prediction(gateway: Any) -> None:
    desk = await gateway((Die("gone"),), predict_length=True)
    response = await desk.client.post("/v1/plan", json=ask())
    assert response.status_code == 503


async def test_a_window_too_small_for_the_question_goes_without(gateway: Any) -> None:
    roomy = await plan(await gateway())
    window_tokens = roomy["budgets"]["prompt_tokens"] + 2
    desk = await gateway(RANGE, predict_length=True, max_model_len=window_tokens)
    assert (await plan(desk))["source"] == "none"
    assert desk.engine.jobs == []
