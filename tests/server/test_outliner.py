"""An outline asked of the model where it writes without thinking: in time, or not at all."""

import asyncio
from typing import Any

import pytest

from server.engine.scripted import Die, Refuse, Say, Stall

PLAN = (Say("Two sections, the second one short.\n1. The leaf - 1800 words\n2. Closing words\n"),)
STORY = (Say("## The leaf\n\nIt grew. It was picked.</answer>"),)
ASK = {
    "messages": [{"role": "user", "content": "Write 2,000 words on tea."}],
    "reasoning_effort": "none",
}


async def chat(desk: Any, **given: Any) -> dict[str, Any]:
    response = await desk.client.post("/v1/chat/completions", json={**ASK, **given})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def outlines(desk: Any) -> list[Any]:
    return [job for job in desk.engine.jobs if job.id.startswith("outline-")]


async def test_without_thinking_the_model_is_asked_for_the_plan_of_a_long_text(
    gateway: Any,
) -> None:
    desk = await gateway(PLAN, STORY, ask_outline="always")
    body = await chat(desk)
    [asked] = outlines(desk)
    assert "Write 2,000 words on tea." in asked.prompt.text
    assert asked.written.text.endswith("<think>\n")
    assert asked.stop == ("</think>", "<answer>")
    assert asked.sampling.temperature == 0.0
    # 3,000 + 256 + 24 * 2,200 / 200.
    assert asked.max_tokens == 3_520
    # The outline is followed: what ended early is brought on to its closing section.
    assert "## Closing words" in body["choices"][0]["message"]["content"]


async def test_it_is_asked_once_for_each_request(gateway: Any) -> None:
    desk = await gateway(PLAN, STORY, ask_outline="always")
    await chat(desk)
    await chat(desk)
    assert len(outlines(desk)) == 1


async def test_the_outlines_kept_are_bounded(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.outliner._MOST_KEPT", 1)
    desk = await gateway(PLAN, STORY, ask_outline="always")
    for topic in ("tea", "milk", "tea"):
        ask = [{"role": "user", "content": f"Write 2,000 words on {topic}."}]
        await chat(desk, messages=ask)
    assert len(outlines(desk)) == 3


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ({}, {}),
        ({"ask_outline": "off"}, {}),
        ({"ask_outline": "always"}, {"reasoning_effort": "medium"}),
        ({"ask_outline": "always"}, {"writing": {"length_control": "extend"}}),
        (
            {"ask_outline": "always"},
            {"messages": [{"role": "user", "content": "Write 500 words on tea."}]},
        ),
        ({"ask_outline": "always"}, {"messages": [{"role": "user", "content": "On tea."}]}),
    ],
    ids=["by default", "switched off", "with thinking", "not paced", "short", "no length"],
)
async def test_else_it_is_not(gateway: Any, settings: Any, given: Any) -> None:
    desk = await gateway(STORY, **settings)
    await chat(desk, **given)
    assert outlines(desk) == []


@pytest.mark.parametrize(
    ("play", "settings"),
    [
        ((Stall(gate=asyncio.Event()),), {"ask_outline_timeout_s": 0.01}),
        ((Refuse("no"),), {}),
        ((Say("A leaf, a cup."),), {}),
    ],
    ids=["too late", "refused", "no outline"],
)
async def test_without_an_outline_the_answer_is_written_all_the_same(
    gateway: Any, play: Any, settings: Any
) -> None:
    desk = await gateway(play, STORY, ask_outline="always", **settings)
    body = await chat(desk)
    assert "It grew." in body["choices"][0]["message"]["content"]


async def test_an_engine_that_dies_meanwhile_is_no_error_of_the_outline(gateway: Any) -> None:
    desk = await gateway((Die("gone"),), ask_outline="always")
    response = await desk.client.post("/v1/chat/completions", json=ASK)
    assert response.status_code == 503


async def test_where_the_request_leaves_no_room_for_an_outline_it_is_not_asked_for(
    gateway: Any,
) -> None:
    desk = await gateway(PLAN, STORY, ask_outline="always")
    await chat(desk)
    [asked] = outlines(desk)
    window_tokens = asked.prompt.num_tokens + asked.written.num_tokens
    full = await gateway(STORY, ask_outline="always", max_model_len=window_tokens)
    body = await chat(full, max_tokens=1)
    assert outlines(full) == []
    assert body["choices"][0]["finish_reason"] == "length"
