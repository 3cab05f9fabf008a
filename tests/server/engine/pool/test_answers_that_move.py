"""What callers see of replicas that fail in the middle of their answer: nothing but a number."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from server.errors import EngineUnavailable

Answering = Callable[..., Awaitable[tuple[Any, Any]]]

THINKING = "<think>\nPlan: a letter, 一封长信, and a wave 🌊.\n</think>\n"
ANSWER = "<answer>\n# 长信\n\nOnce a naïve 🌊 met a 🐚. They wrote.\n</answer>"
PLAY = THINKING + ANSWER
PLACES = {
    "before the first token": "<think>",
    "inside a tag": "ink>\nPlan",
    "inside thinking": "letter",
    "inside the tag that ends it": "/think>",
    "inside the tag of the answer": "swer>\n#",
    "inside a character": "🌊 met",
    "inside the answer": "They",
    "inside the last tag": "/answer>",
}
PLAN = "<think>\n1. Roads - 60 words\n2. Closing words - 40 words\n</think>\n<answer>\n"


def sentences(count: int, seed: int) -> str:
    roads = (f"road {chr(97 + n)}{chr(97 + seed)} goes on {chr(98 + n)}" for n in range(count))
    return " ".join(f"The {seed}th {road}." for road in roads)


def tokens_before(place: str) -> int:
    """Whole tokens of three bytes before a place, so that the next may begin inside of it."""
    return len(PLAY[: PLAY.index(place)].encode()) // 3


def content(events: list[Any], name: str = "content") -> str:
    deltas = [choice["delta"] for event in events[:-1] for choice in event["choices"]]
    return "".join(delta.get(name, "") for delta in deltas)


@pytest.mark.parametrize("place", PLACES)
async def test_a_stream_is_one_unbroken_answer_wherever_its_replica_fails(
    answering: Answering, place: str
) -> None:
    asked = {"stream_options": {"include_usage": True}, "temperature": 0}
    whole, _ = await answering(PLAY, num=1)
    unbroken = await whole.streamed(**asked)
    desk, house = await answering(PLAY)
    house["1"].breaks = [tokens_before(PLACES[place])]
    events = await desk.streamed(**asked)
    assert events[-1] == "[DONE]"
    assert len({event["id"] for event in events[:-1]}) == 1
    for name in ("content", "reasoning"):
        assert content(events, name) == content(unbroken, name)
    assert events[-2]["usage"] == unbroken[-2]["usage"]
    [told] = [event["writing"] for event in events[:-1] if "writing" in event]
    [expected] = [event["writing"] for event in unbroken[:-1] if "writing" in event]
    assert told == {**expected, "moves": 1}
    assert desk.value("longhand_moves_total", why="engine_died") == 1
    assert house["1"].open_streams == house["2"].open_streams == 0


async def test_every_candidate_may_move(answering: Answering) -> None:
    def prepare(writer: Any) -> None:
        writer.breaks_new = 20

    desk, house = await answering(PLAY, prepare=prepare)
    body = (await desk.chat(writing={"best_of": 4, "prune": False})).json()
    report = body["writing"]
    assert report["moves"] == 1
    assert [one["state"] for one in report["candidates"]] == ["finished"] * 4
    assert body["choices"][0]["message"]["content"].endswith("They wrote.")
    assert desk.value("longhand_moves_total", why="engine_died") == 4
    assert house["1"].open_streams == house["2"].open_streams == 0


@pytest.mark.parametrize("at", [0, 4, 9])
async def test_every_section_of_a_paced_answer_may_move(answering: Answering, at: int) -> None:
    def prepare(writer: Any) -> None:
        writer.breaks_new = at

    plays = (
        PLAN + "## Roads\n\n" + sentences(5, 0) + "\n\nIn conclusion, so it is.</answer>",
        sentences(6, 1) + "\n\n" + sentences(4, 2) + "</answer>",
        sentences(4, 3) + "</answer>",
    )
    asked = {"messages": [{"role": "user", "content": "Write 100 words about roads."}]}
    whole, alone = await answering(*plays, num=1)
    unbroken = (await whole.chat(**asked)).json()
    desk, house = await answering(*plays, prepare=prepare)
    body = (await desk.chat(**asked)).json()
    assert body["choices"] == unbroken["choices"]
    assert body["usage"] == unbroken["usage"]
    num_streams = len(alone["1"].jobs)
    assert num_streams > 1
    assert body["writing"] == {**unbroken["writing"], "moves": num_streams}
    assert len(house["1"].jobs) + len(house["2"].jobs) == 2 * num_streams


async def test_a_kept_draft_tells_of_its_moves_when_it_is_read(answering: Answering) -> None:
    desk, house = await answering(PLAY)
    house["1"].breaks = [25]
    body = (await desk.chat(store=True)).json()
    assert body["writing"]["moves"] == 1
    path = f"/v1/drafts/{body['writing']['draft_id']}"
    kept = (await desk.client.get(path)).json()
    assert kept["writing"]["moves"] == 1


async def test_a_server_is_ready_while_a_replica_is_and_says_what_is_wrong_where_none_is(
    answering: Answering, until: Callable[[Callable[[], object]], Awaitable[None]]
) -> None:
    desk, house = await answering(PLAY)
    ready = await desk.client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    one = {"replica": "10.0.0.1:8000"}
    assert desk.value("longhand_engine_up") == desk.value("longhand_replica_up", **one) == 1
    assert desk.value("longhand_replica_breaker", **one) == 0
    assert desk.value("longhand_replica_streams", **one) == 0
    assert desk.value("longhand_replica_reserved_tokens", **one) == 0
    for writer in house.writers.values():
        writer.sick = EngineUnavailable("connection refused")
    for member in house.pool.fleet.members.values():
        member.kick.set()
    await until(lambda: house.pool.why_not_ready)
    away = await desk.client.get("/health/ready")
    assert away.status_code == 503
    assert away.json() == {
        "status": "away",
        "model": "scripted",
        "reason": "no replica is ready: 10.0.0.1:8000: connection refused; "
        "10.0.0.2:8000: connection refused",
    }
    assert desk.value("longhand_engine_up") == desk.value("longhand_replica_up", **one) == 0
    refused = await desk.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "engine_unavailable")
    assert 0 < int(refused.headers["retry-after"]) <= 60


async def test_a_replica_that_has_left_has_no_metrics(
    answering: Answering, until: Callable[[Callable[[], object]], Awaitable[None]]
) -> None:
    desk, house = await answering(PLAY)
    await house.pool.set_members(["http://10.0.0.2:8000"])
    await until(lambda: len(house.pool.fleet.members) == 1)
    assert desk.value("longhand_replica_up", replica="10.0.0.1:8000") is None
    assert desk.value("longhand_engine_up") == 1


async def test_positions_of_a_kept_stream_go_on_over_a_move(answering: Answering) -> None:
    desk, house = await answering(PLAY)
    house["1"].breaks = [tokens_before("met")]
    *events, _ = await desk.streamed(store=True)
    told = [event["writing"] for event in events if "writing" in event]
    positions = [one["position"] for one in told]
    assert all(before <= after for before, after in pairwise(positions))
    assert house["2"].jobs[0].id.endswith("-m1")
