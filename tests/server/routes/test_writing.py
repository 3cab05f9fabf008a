"""What callers see of the writing policies, over HTTP with a scripted engine."""

from typing import Any

import pytest

from server.engine.scripted import Say

PLAN = "<think>\n1. Roads - 60 words\n2. Closing words - 40 words\n</think>\n<answer>\n"
WORDS = (
    *("old", "new", "long", "short", "red", "blue", "warm", "cold"),
    *("near", "far", "high", "low", "wide", "deep", "soft", "hard"),
)


def sentences(count: int, seed: int) -> str:
    """Sentences of six words each, none like another."""
    size = len(WORDS)
    return " ".join(
        f"{WORDS[n * 5 % size].title()} {WORDS[(n * 3 + 1) % size]} roads {WORDS[n % size]} "
        f"{WORDS[(n * 7 + 2) % size]} mills{seed * 'x'}{chr(97 + n % 26)}."
        for n in range(seed * 100, seed * 100 + count)
    )


def asking(text: str, **given: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **given}


async def test_a_short_answer_is_brought_into_the_range_that_its_prompt_asks_for(
    gateway: Any,
) -> None:
    desk = await gateway(
        [Say(PLAN + "## Roads\n\n" + sentences(5, 0) + "\n\nIn conclusion, so it is.</answer>")],
        [Say(sentences(6, 1) + "\n\n" + sentences(4, 2) + "</answer>")],
        [Say(sentences(4, 3) + "</answer>")],
    )
    response = await desk.client.post(
        "/v1/chat/completions", json=asking("Write 100 words about roads.")
    )
    body = response.json()
    report, text = body["writing"], body["choices"][0]["message"]["content"]
    assert (report["asked"], report["source"]) == ([90, 110], "prompt")
    assert 90 <= report["words"] <= 110
    assert report["extensions"] + report["sections_brought_on"] >= 1
    assert body["choices"][0]["finish_reason"] == "stop"
    # What closed the text too early was never sent.
    assert "In conclusion, so it is." not in text.split("## ")[1]


async def test_extend_carries_a_short_answer_on_and_shortens_nothing(gateway: Any) -> None:
    desk = await gateway(
        [Say(PLAN + sentences(5, 0) + "\n\nIn conclusion, so it is.</answer>")],
        [Say(sentences(30, 1) + "</answer>")],
    )
    asked = asking("Write 100 words about roads.", writing={"length_control": "extend"})
    body = (await desk.client.post("/v1/chat/completions", json=asked)).json()
    assert body["writing"]["extensions"] == 1
    assert body["writing"]["words"] == 35 * 6
    assert "In conclusion" not in body["choices"][0]["message"]["content"]


async def test_control_can_be_switched_off(gateway: Any) -> None:
    desk = await gateway([Say(PLAN + sentences(3, 0) + "</answer>")])
    wish = {"length_control": "off", "loop_guard": False}
    response = await desk.client.post(
        "/v1/chat/completions", json=asking("Write 100 words about roads.", writing=wish)
    )
    assert response.json()["writing"]["words"] == 18
    assert len(desk.engine.jobs) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_loop_is_never_delivered(gateway: Any, stream: bool) -> None:
    paragraph = sentences(6, 1) + "\n\n"
    desk = await gateway(
        [Say("<think>Plan.</think><answer>" + sentences(4, 0) + "\n\n" + paragraph * 9)],
        [Say(sentences(4, 2) + "</answer>")],
    )
    if stream:
        *events, done = await desk.streamed(messages=[{"role": "user", "content": "On roads."}])
        assert done == "[DONE]"
        text = "".join(e["choices"][0]["delta"].get("content", "") for e in events)
        report = events[-1]["writing"]
    else:
        body = (await desk.chat(messages=[{"role": "user", "content": "On roads."}])).json()
        text, report = body["choices"][0]["message"]["content"], body["writing"]
    assert text.count(paragraph.strip()) == 1
    assert text.endswith(sentences(4, 2))
    assert report["loops_repaired"] == 1
    first, second = desk.engine.jobs
    assert second.sampling.temperature > first.sampling.temperature
    assert second.written.text.count(paragraph.strip()) == 1


async def test_each_of_n_drafts_is_watched_over_on_its_own(gateway: Any) -> None:
    paragraph = sentences(6, 1) + "\n\n"
    desk = await gateway(
        [Say("<think>Plan.</think><answer>" + paragraph * 9)],
        [Say("<think>Plan.</think><answer>" + sentences(8, 0) + "</answer>")],
        [Say(sentences(4, 2) + "</answer>")],
    )
    body = (await desk.chat(n=2, messages=[{"role": "user", "content": "On roads."}])).json()
    assert [choice["writing"]["loops_repaired"] for choice in body["choices"]] == [1, 0]


async def test_an_answer_longer_than_the_window_is_planned_over_several(gateway: Any) -> None:
    desk = await gateway([Say(PLAN + "nothing")])
    words = desk.engine.card.window_tokens * 3
    plan = (
        await desk.client.post("/v1/plan", json=asking(f"Write {words} words about roads."))
    ).json()
    assert plan["windows"] > 1
    assert plan["control"] == "pace"


@pytest.mark.parametrize("steering", [{"min_tokens": 5}, {"ignore_eos": True}])
async def test_a_caller_who_keeps_the_model_from_ending_steers_alone(
    gateway: Any, steering: dict[str, Any]
) -> None:
    paragraph = sentences(6, 1) + "\n\n"
    desk = await gateway([Say(PLAN + paragraph * 9 + "</answer>")])
    text = "Write 100 words about roads."
    body = (await desk.client.post("/v1/chat/completions", json=asking(text, **steering))).json()
    assert body["choices"][0]["message"]["content"] == (paragraph * 9).strip()
    wish = {"length_control": "pace"}
    asked = asking(text, **steering, writing=wish)
    body = (await desk.client.post("/v1/chat/completions", json=asked)).json()
    assert body["writing"]["words"] <= 110
