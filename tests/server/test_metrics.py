"""The metrics page: every series has the value that a known run gives it."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.values import MultiProcessValue

from planner.length import Asked
from server import __version__
from server.engine.scripted import Refuse, Say, Stall
from server.events import Candidate, Choice, Ended, Fate, Judged, Usage
from server.judging_metrics import JudgingMetrics
from server.metrics import Metrics

# Five tokens of reasoning, its tags included, then eight with the six words of the answer.
PLAY = (Say("<think> Plan it well.\n</think>\n<answer> One two three four five six </answer>"),)
CHAT = "/v1/chat/completions"


def samples(page: str) -> dict[str, float]:
    return {
        sample.name + json.dumps(sample.labels): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


async def test_a_known_run_gives_every_metric_its_value(gateway: Any) -> None:
    desk = await gateway(PLAY, (Say("<answer> A</answer>"),), max_n=2)
    await desk.chat(service_tier="auto")
    await desk.streamed()
    await desk.chat(n=3)
    prompt_tokens = desk.engine.jobs[0].prompt.num_tokens
    response = await desk.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    found = samples(response.text)
    timed = {name: found.pop(name) for name in list(found) if "_seconds_sum" in name}
    assert all(value >= 0 for value in timed.values())
    assert found.pop("longhand_drain_tokens_per_second{}") > 0
    route = json.dumps({"route": CHAT})
    expected = {
        f"longhand_requests_total{json.dumps({'code': '200', 'route': CHAT})}": 2,
        f"longhand_requests_total{json.dumps({'code': '400', 'route': CHAT})}": 1,
        # The scrape itself is being answered.
        "longhand_requests_in_flight{}": 1,
        f"longhand_request_duration_seconds_count{route}": 3,
        "longhand_queue_depth{}": 0,
        "longhand_queue_tokens{}": 0,
        "longhand_queue_position_count{}": 0,
        "longhand_queue_position_sum{}": 0,
        "longhand_kv_tokens_reserved{}": 0,
        "longhand_kv_tokens_capacity{}": 0,
        "longhand_queue_wait_seconds_count{}": 2,
        f"longhand_unknown_fields_total{json.dumps({'field': 'service_tier'})}": 1,
        "longhand_time_to_first_token_seconds_count{}": 2,
        "longhand_time_to_first_answer_token_seconds_count{}": 2,
        # Three words of reasoning and six of the answer, then one: gaps are one fewer per draft.
        "longhand_inter_token_latency_seconds_count{}": 8,
        "longhand_prompt_tokens_total{}": 2 * prompt_tokens,
        # A tag belongs to the channel it is met in, so the second draft's first one is reasoning.
        "longhand_reasoning_tokens_total{}": 5 + 1,
        "longhand_answer_tokens_total{}": 8 + 1,
        "longhand_answer_words_count{}": 2,
        "longhand_answer_words_sum{}": 6 + 1,
        f"longhand_drafts_finished_total{json.dumps({'reason': 'stop'})}": 2,
        f"longhand_format_faults_total{json.dumps({'kind': 'no_think'})}": 1,
        # Nobody asked for a choice among drafts.
        "longhand_best_of_score_spread_count{}": 0,
        "longhand_best_of_score_spread_sum{}": 0,
        "longhand_best_of_saved_tokens_total{}": 0,
        # Nor was anything to be kept.
        "longhand_drafts_live{}": 0,
        "longhand_drafts_carried_on_total{}": 0,
        "longhand_drafts_replayed_total{}": 0,
        "longhand_drafts_evicted_total{}": 0,
        "longhand_drafts_commit_duration_seconds_count{}": 0,
        "longhand_drafts_commit_bytes_count{}": 0,
        "longhand_drafts_commit_bytes_sum{}": 0,
        "longhand_drafts_store_failures_total{}": 0,
        "longhand_drafts_unstored_total{}": 0,
        f"longhand_caller_requests_total{json.dumps({'caller': 'anyone'})}": 3,
        # The tokens of both prompts, and all that was written.
        f"longhand_caller_tokens_total{json.dumps({'caller': 'anyone'})}": 2 * prompt_tokens + 15,
        f"longhand_requests_refused_total{json.dumps({'reason': 'invalid_value'})}": 1,
        "longhand_keys{}": 0,
        "longhand_keys_reload_failures_total{}": 0,
        "longhand_engine_up{}": 1,
        f"longhand_build_info{json.dumps({'version': __version__})}": 1,
    }
    labels_sorted = {
        name.partition("{")[0]
        + json.dumps(json.loads("{" + name.partition("{")[2]), sort_keys=True): value
        for name, value in found.items()
    }
    assert labels_sorted == expected


async def test_a_draft_that_is_kept_gives_every_metric_of_it_its_value(
    served: Any, until: Any
) -> None:
    gate = asyncio.Event()
    desk = await served([Say("<think> a </think><answer> Once"), Stall(gate=gate)])
    body = {"messages": [{"role": "user", "content": "Write."}], "store": True}
    key = {"Idempotency-Key": "a key"}
    asking = [asyncio.create_task(desk.client.post(CHAT, json=body, headers=key)) for _ in range(2)]
    await until(lambda: desk.value("longhand_drafts_replayed_total") == 1)
    assert desk.value("longhand_drafts_live") == 1
    gate.set()
    assert [(await answer).status_code for answer in asking] == [200, 200]
    await until(lambda: desk.value("longhand_drafts_kept_total", state="finished") == 1)
    await until(lambda: desk.value("longhand_drafts_live") == 0)
    commits = desk.value("longhand_drafts_commit_bytes_count")
    assert commits == desk.value("longhand_drafts_commit_duration_seconds_count") > 0
    # What was written is in there, and the draft's own text is no label of it.
    assert desk.value("longhand_drafts_commit_bytes_sum") > len("<think> a </think><answer> Once")
    assert desk.value("longhand_drafts_store_failures_total") == 0
    assert desk.value("longhand_drafts_carried_on_total") == 0


async def test_drafts_that_carry_on_are_counted_by_their_reason(gateway: Any) -> None:
    desk = await gateway((Say("<think> a b c d"),), (Say("Once.</answer>"),))
    await desk.chat(writing={"reasoning_tokens": 2})
    assert desk.value("longhand_continuations_total", why="reasoning_budget") == 1


async def test_how_near_a_draft_came_to_its_asked_length_is_observed() -> None:
    registry = CollectorRegistry()
    asked = Asked(low_words=90, high_words=110, source="prompt")
    near = Ended(finish_reason="stop", usage=Usage(), answer_words=95, asked=asked)
    metrics = Metrics(registry)

    async def choices() -> AsyncGenerator[Choice, None]:
        yield Choice(index=0, event=near)

    async with aclosing(metrics.observe(choices(), prompt_tokens=1)) as seen:
        assert [choice.event async for choice in seen] == [near]
    page = samples(metrics.page().decode())
    assert page['longhand_length_ratio_sum{"source": "prompt"}'] == 0.95
    assert page['longhand_length_ratio_count{"source": "prompt"}'] == 1


async def test_drafts_cut_by_the_limit_are_counted_as_such(gateway: Any) -> None:
    desk = await gateway((Say("<think> a</think><answer> b c d e f g h"),))
    await desk.chat(max_tokens=4)
    assert desk.value("longhand_drafts_finished_total", reason="length") == 1


async def test_a_choice_among_drafts_gives_every_metric_of_it_its_value(
    gateway: Any, until: Any
) -> None:
    # Tokens, tags included: 4 of thinking, then 3 more than the words of the answer.
    best = "<think>\nIt.\n</think>\n<answer>\nOne two three four five.\n</answer>"
    short = "<think>\nIt.\n</think>\n<answer>\nOne two.\n</answer>"
    looping = "<think>\n" + "Round it goes and comes again. " * 60
    gate = asyncio.Event()
    desk = await gateway(
        [Stall(gate=gate), Say(best)],
        [Stall(gate=gate), Say(short)],
        [Say(looping), Stall(gate=asyncio.Event())],
        [Refuse("no such seed")],
    )
    options = {"words": [4, 6], "length_control": "off", "loop_guard": False, "best_of": 4}
    asking = asyncio.create_task(desk.chat(n=1, writing=options))
    await until(lambda: desk.engine.open_streams == 2 and len(desk.engine.jobs) == 4)
    gate.set()
    told = (await asking).json()["writing"]["candidates"]
    found = samples((await desk.client.get("/metrics")).text)
    tokens = [one["reasoning_tokens"] + one["answer_tokens"] for one in told]

    def outcome(name: str) -> float:
        return found[f"longhand_best_of_drafts_total{json.dumps({'outcome': name})}"]

    assert [outcome(name) for name in ("won", "lost", "pruned", "failed")] == [1, 1, 1, 1]
    # It was stopped when it was longer than the best already.
    assert tokens[2] > tokens[0]
    assert found["longhand_best_of_saved_tokens_total{}"] == 0
    # One of two is better by length alone: +1 and -1 there, 0 in format and repetition; of the
    # weights 1, 0.5 and 0.5 that is +0.5 and -0.5.
    assert found["longhand_best_of_score_spread_sum{}"] == pytest.approx(1.0)
    assert found["longhand_best_of_score_spread_count{}"] == 1
    # Two words of four are worth 0.5; a histogram with buckets below 0 has no sum.
    for reward, halves in (("length", 1), ("format", 0), ("repetition", 0)):
        label = json.dumps({"reward": reward})
        assert desk.value("longhand_reward_bucket", reward=reward, le="0.5") == halves
        assert desk.value("longhand_reward_bucket", reward=reward, le="0.95") == halves
        assert desk.value("longhand_reward_bucket", reward=reward, le="1.0") == 2
        assert found[f"longhand_reward_count{label}"] == 2
        assert found[f"longhand_judge_duration_seconds_count{label}"] == 1
        assert found[f"longhand_judge_failures_total{label}"] == 0
    # All tokens count, and one answer; what is shown in a few pieces has no rhythm of its own.
    written = found["longhand_reasoning_tokens_total{}"] + found["longhand_answer_tokens_total{}"]
    assert written == sum(tokens)
    assert found["longhand_answer_words_sum{}"] == 5
    assert found["longhand_time_to_first_token_seconds_count{}"] == 1
    assert found["longhand_time_to_first_answer_token_seconds_count{}"] == 1
    assert found["longhand_inter_token_latency_seconds_count{}"] == 0


def judged(*candidates: Candidate, num_shown: int = 1) -> Judged:
    return Judged(
        candidate=candidates[0].index, judged_by="panel", candidates=candidates, num_shown=num_shown
    )


def candidate(index: int, tokens: int, **given: Any) -> Candidate:
    told = Candidate(
        index=index, fate=Fate.FINISHED, words=1, reasoning_tokens=10, answer_tokens=tokens - 10
    )
    return replace(told, **given)


def test_what_stopped_drafts_would_still_have_taken_is_counted_as_saved() -> None:
    registry = CollectorRegistry()
    JudgingMetrics(registry).count(
        judged(
            candidate(0, 100, place=1, score=0.5, raw={"length": 1.0, "quality": None}),
            candidate(1, 30, fate=Fate.PRUNED),
            candidate(2, 120, fate=Fate.PRUNED),
        )
    )
    # 70 of the second, none of the third.
    assert registry.get_sample_value("longhand_best_of_saved_tokens_total") == 70
    # What abstained has no value, and a single draft no spread.
    assert registry.get_sample_value("longhand_reward_count", {"reward": "quality"}) is None
    assert registry.get_sample_value("longhand_best_of_score_spread_count") == 0


def test_every_draft_that_is_shown_has_won() -> None:
    registry = CollectorRegistry()
    first, second, third = (candidate(at, 50, place=at + 1, score=-at) for at in range(3))
    JudgingMetrics(registry).count(judged(first, second, third, num_shown=2))
    outcomes = [
        registry.get_sample_value("longhand_best_of_drafts_total", {"outcome": name})
        for name in ("won", "lost")
    ]
    assert outcomes == [2, 1]


async def test_no_label_holds_what_a_caller_made_up(gateway: Any) -> None:
    desk = await gateway(PLAY)
    await desk.client.get("/v1/models/secret-name")
    await desk.client.get("/secret-path")
    await desk.chat(secret_field=1)
    await desk.chat(model="secret-model")
    assert "secret" not in (await desk.client.get("/metrics")).text
    model_route = "/v1/models/{model:path}"
    assert desk.value("longhand_requests_total", route=model_route, code="404") == 1


def test_processes_that_share_a_directory_answer_for_each_other_while_they_live(
    process: Any, tmp_path: Path
) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"say": "<think>a</think><answer> Once"}, {"stall": 600}]')
    shared = {"LONGHAND_PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "shared")}
    processes = [process(LONGHAND_SCRIPT=str(script), **shared), process(**shared)]
    writing, answering = (one.url() for one in processes)
    for url in (writing, answering, answering):
        assert httpx.get(f"{url}/version").status_code == 200
    version = json.dumps({"code": "200", "route": "/version"})
    body = {"messages": [{"role": "user", "content": "Write."}], "stream": True}
    with httpx.stream("POST", f"{writing}{CHAT}", json=body) as response:
        lines = response.iter_lines()
        assert any('"content":"Once"' in line for line in lines)
        found = samples(httpx.get(f"{answering}/metrics").text)
        assert found[f"longhand_requests_total{version}"] == 3
        # The stream there, and this scrape here.
        assert found["longhand_requests_in_flight{}"] == 2
        assert found["longhand_engine_up{}"] == 1
        processes[0].send_signal(signal.SIGKILL)
        processes[0].end()
    found = samples(httpx.get(f"{answering}/metrics").text)
    assert found[f"longhand_requests_total{version}"] == 3
    assert found["longhand_requests_in_flight{}"] == 1


async def test_the_page_of_a_shared_directory_forgets_the_gauges_of_processes_that_are_gone(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    gone = next(pid for pid in range(2**15, 2**22) if not psutil.pid_exists(pid))
    for pid in (os.getpid(), gone):
        name = "longhand_requests_in_flight"
        # As prometheus-client writes it, in the name of that process.
        written = MultiProcessValue(lambda pid=pid: pid)(
            "gauge", name, name, (), (), "Requests", multiprocess_mode="livesum"
        )
        written.set(3)
    desk = await gateway(PLAY, prometheus_multiproc_dir=tmp_path)
    found = samples((await desk.client.get("/metrics")).text)
    assert found == {"longhand_requests_in_flight{}": 3}
    assert os.listdir(tmp_path) == [f"gauge_livesum_{os.getpid()}.db"]
