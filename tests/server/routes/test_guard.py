"""Callers through the door: their keys, their minute, their ceilings, what is told of them."""

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.callers import key_file
from server.callers.caller import Ceilings
from server.callers.key_file import Entry
from server.callers.keys import digest_of
from server.engine.scripted import Say, Stall

PLAY = (Say("<think>a</think><answer>One two three.</answer>"),)
CHAT = "/v1/chat/completions"


def add(path: Path, name: str, **ceilings: int) -> None:
    """A key ``sk-NAME`` in the file."""
    entry = Entry(name=name, digest=digest_of(f"sk-{name}"), ceilings=Ceilings(**ceilings))
    key_file.append(path, entry)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.jsonl"
    add(path, "press")
    return path


def as_caller(desk: Any, name: str) -> None:
    desk.client.headers["authorization"] = f"Bearer sk-{name}"


async def test_a_key_of_the_file_is_served_and_another_is_not(gateway: Any, keys: Path) -> None:
    desk = await gateway(PLAY, keys_file=keys)
    as_caller(desk, "press")
    assert (await desk.chat()).status_code == 200
    as_caller(desk, "desk")
    assert (await desk.chat()).status_code == 401
    assert desk.value("longhand_requests_refused_total", reason="invalid_api_key") == 1
    assert desk.value("longhand_keys") == 1


async def test_a_hang_up_has_the_keys_read_again_without_a_restart(
    served: Any, keys: Path, until: Any
) -> None:
    desk = await served(PLAY, keys_file=keys)
    as_caller(desk, "desk")
    assert (await desk.chat()).status_code == 401
    add(keys, "desk")
    key_file.remove(keys, "press")
    assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: [key.label for key in desk.service.register.keyring.keys.keys] == ["desk"])
    assert (await desk.chat()).status_code == 200
    as_caller(desk, "press")
    assert (await desk.chat()).status_code == 401


def _break(path: Path) -> None:
    path.write_text("{", encoding="utf-8")


async def test_a_file_that_breaks_keeps_the_keys_and_is_counted(gateway: Any, keys: Path) -> None:
    desk = await gateway(PLAY, keys_file=keys)
    _break(keys)
    desk.service.register.keyring.reload()
    as_caller(desk, "press")
    assert (await desk.chat()).status_code == 200
    assert desk.value("longhand_keys_reload_failures_total") == 1


async def test_over_its_minute_a_key_is_429_as_openai_tells_it(gateway: Any, keys: Path) -> None:
    add(keys, "desk", requests_per_minute=2)
    desk = await gateway(PLAY, keys_file=keys)
    as_caller(desk, "desk")
    first, second, third = [await desk.chat() for _ in range(3)]
    assert [r.status_code for r in (first, second, third)] == [200, 200, 429]
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert third.headers["x-ratelimit-remaining-requests"] == "0"
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert third.json()["error"] == {
        "message": "this key may send 2 requests a minute",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert desk.value("longhand_requests_refused_total", reason="requests_per_minute") == 1
    assert (await desk.client.get("/v1/models")).status_code == 200
    as_caller(desk, "press")
    assert (await desk.chat()).status_code == 200


@pytest.mark.parametrize("fields", [{}, {"store": True}, {"n": 2}, {"writing": {"best_of": 2}}])
async def test_a_key_that_has_had_its_tokens_is_429_until_they_flowed_in(
    gateway: Any, keys: Path, fields: dict[str, Any]
) -> None:
    add(keys, "desk", tokens_per_minute=3)
    desk = await gateway(PLAY, keys_file=keys)
    as_caller(desk, "desk")
    assert (await desk.chat(**fields)).status_code == 200
    refused = await desk.chat(**fields)
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert desk.value("longhand_requests_refused_total", reason="tokens_per_minute") == 1


@pytest.mark.parametrize("fields", [{}, {"store": True}, {"n": 2}, {"stream": True}])
async def test_what_a_caller_had_is_counted_by_the_name_of_its_key_and_logged(
    gateway: Any, keys: Path, caplog: pytest.LogCaptureFixture, fields: dict[str, Any]
) -> None:
    desk = await gateway(PLAY, keys_file=keys)
    as_caller(desk, "press")
    caplog.set_level(logging.INFO)
    headers = {"x-request-id": "letter-7"}
    body = {"messages": [{"role": "user", "content": "Write a line."}], **fields}
    response = await desk.client.post(CHAT, json=body, headers=headers)
    assert response.status_code == 200
    tokens = desk.value("longhand_caller_tokens_total", caller="press")
    if "stream" not in fields:
        usage = response.json()["usage"]
        # The engine's own tokens include the tags, which usage leaves out.
        assert tokens >= usage["total_tokens"]
    assert desk.value("longhand_caller_requests_total", caller="press") == 1
    (line,) = [record for record in caplog.records if record.getMessage() == "request"]
    told = vars(line)
    assert {name: told[name] for name in ("request_id", "caller", "route", "method", "status")} == {
        "request_id": "letter-7",
        "caller": "press",
        "route": CHAT,
        "method": "POST",
        "status": 200,
    }
    assert told["tokens"] == tokens
    assert told["ms"] >= 0
    assert not [r for r in caplog.records if "Write a line" in str(vars(r))]


@pytest.mark.parametrize(
    ("path", "fields", "param", "message"),
    [
        (CHAT, {"n": 3}, "n", "3 drafts are over this key's limit of 2"),
        (CHAT, {"writing": {"best_of": 3}}, "writing.best_of",
         "3 drafts are over this key's limit of 2"),
        (CHAT, {"max_tokens": 101}, "max_tokens", "101 tokens are over this key's limit of 100"),
        (CHAT, {"max_completion_tokens": 101, "max_tokens": 5}, "max_completion_tokens",
         "101 tokens are over this key's limit of 100"),
        (CHAT, {"writing": {"words": 51}}, "writing.words",
         "51 words are over this key's limit of 50"),
        ("/v1/plan", {"writing": {"words": [40, 51]}}, "writing.words",
         "51 words are over this key's limit of 50"),
        (CHAT, {"messages": [{"role": "user", "content": "Write exactly 90 words on tea."}]},
         "messages", "90 words are over this key's limit of 50"),
        ("/v1/plan", {"messages": [{"role": "user", "content": "Write exactly 90 words on tea."}]},
         "messages", "90 words are over this key's limit of 50"),
        ("/v1/responses", {"max_output_tokens": 101}, "max_output_tokens",
         "101 tokens are over this key's limit of 100"),
        ("/v1/responses", {"input": "Write exactly 90 words on tea."}, "input",
         "90 words are over this key's limit of 50"),
        ("/v1/responses", {"input": "Write exactly 90 words on tea.", "store": False}, "input",
         "90 words are over this key's limit of 50"),
        ("/v1/completions", {"max_tokens": 101}, "max_tokens",
         "101 tokens are over this key's limit of 100"),
        ("/v1/completions", {"prompt": ["a", "b", "c"]}, "prompt",
         "3 drafts are over this key's limit of 2"),
    ],
)  # fmt: skip
async def test_what_is_over_a_ceiling_is_403_and_names_the_field(
    gateway: Any, keys: Path, path: str, fields: dict[str, Any], param: str, message: str
) -> None:
    add(keys, "desk", max_best_of=2, max_words=50, max_tokens=100)
    desk = await gateway(PLAY, keys_file=keys)
    as_caller(desk, "desk")
    texts = {"/v1/completions": {"prompt": "Once"}, "/v1/responses": {"input": "Write a line."}}
    good = texts.get(path, {"messages": [{"role": "user", "content": "Write a line."}]})
    response = await desk.client.post(path, json={**good, **fields})
    assert response.status_code == 403
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, "key_limit_exceeded")
    assert error["message"].startswith(f"{param}: ")
    assert error["message"].endswith(message.split(" are ")[1])
    assert desk.engine.jobs == []
    assert desk.service.desk.admission.running == 0


@pytest.mark.parametrize(
    ("path", "body", "most"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "Write a line."}]}, 20),
        ("/v1/responses", {"input": "Write a line."}, 20),
        ("/v1/completions", {"prompt": "Once"}, 16),
    ],
)
async def test_what_a_request_leaves_open_is_held_to_the_ceiling(
    gateway: Any, keys: Path, path: str, body: dict[str, Any], most: int
) -> None:
    add(keys, "desk", max_tokens=20)
    desk = await gateway(PLAY, keys_file=keys)
    as_caller(desk, "desk")
    assert (await desk.client.post(path, json=body)).status_code == 200
    assert desk.engine.jobs[0].max_tokens <= most


async def test_what_is_within_a_ceiling_is_taken_as_it_was_asked_for(
    gateway: Any, keys: Path
) -> None:
    add(keys, "desk", max_tokens=20, max_best_of=2, max_words=50)
    desk = await gateway(PLAY, keys_file=keys)
    as_caller(desk, "desk")
    fields = {"max_tokens": 15, "n": 2, "writing": {"words": 3}}
    assert (await desk.chat(**fields)).status_code == 200
    assert len(desk.engine.jobs) == 2
    assert {job.max_tokens for job in desk.engine.jobs} == {15}


async def test_a_key_that_may_have_fewer_candidates_than_usual_has_those(
    gateway: Any, keys: Path
) -> None:
    add(keys, "desk", max_best_of=2)
    desk = await gateway(PLAY, keys_file=keys, best_of=3)
    as_caller(desk, "desk")
    assert (await desk.chat()).status_code == 200
    assert len(desk.engine.jobs) == 2
    as_caller(desk, "press")
    assert (await desk.chat()).status_code == 200
    assert len(desk.engine.jobs) == 5


async def test_drafts_under_way_are_bounded_key_by_key(
    gateway: Any, keys: Path, until: Any
) -> None:
    add(keys, "desk", max_drafts=1)
    gate = asyncio.Event()
    slow = (Say("<think>a</think><answer>b"), Stall(gate=gate), Say("</answer>"))
    desk = await gateway(slow, keys_file=keys, max_drafts_per_key=2)
    as_caller(desk, "desk")
    first = asyncio.create_task(desk.chat())
    await until(lambda: desk.service.desk.admission.running == 1)
    assert (await desk.chat()).status_code == 429
    as_caller(desk, "press")
    second = asyncio.create_task(desk.chat(n=2))
    await until(lambda: desk.service.desk.admission.running == 3)
    assert (await desk.chat()).status_code == 429
    gate.set()
    assert [(await each).status_code for each in (first, second)] == [200, 200]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models", 200),
        ("GET", "/health", 200),
        ("GET", "/metrics", 200),
        ("GET", "/docs", 200),
        ("GET", "/v1/drafts", 200),
        ("GET", "/nowhere", 404),
        ("GET", CHAT, 405),
        ("POST", CHAT, 400),
    ],
)
async def test_every_answer_has_the_id_of_its_request(
    gateway: Any, method: str, path: str, status: int
) -> None:
    desk = await gateway(PLAY)
    given = await desk.client.request(method, path, headers={"x-request-id": "letter-7"})
    assert given.status_code in (status, 415)
    assert given.headers.get_list("x-request-id") == ["letter-7"]
    own = await desk.client.request(method, path)
    assert len(own.headers["x-request-id"]) == 24


async def test_probes_are_logged_only_where_somebody_looks_for_trouble(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await gateway(PLAY)
    caplog.set_level(logging.DEBUG)
    await desk.client.get("/health")
    await desk.client.get("/v1/models/some-secret-text")
    lines = [record for record in caplog.records if record.getMessage() == "request"]
    assert [record.levelno for record in lines] == [logging.DEBUG, logging.INFO]
    assert [vars(r)["caller"] for r in lines] == [None, "anyone"]
    assert "some-secret-text" not in str([vars(record) for record in lines])


PAGE = {"origin": "https://page.example", "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-stainless-os"}  # fmt: skip


async def test_pages_in_a_browser_may_not_call_unless_told_so(gateway: Any) -> None:
    desk = await gateway(PLAY)
    refused = await desk.client.options(CHAT, headers=PAGE)
    assert refused.status_code == 405
    answered = await desk.client.get("/v1/models", headers=PAGE)
    assert "access-control-allow-origin" not in answered.headers


async def test_pages_of_an_allowed_origin_may_call_and_others_not(gateway: Any, keys: Path) -> None:
    desk = await gateway(PLAY, keys_file=keys, cors_origins=("https://page.example",))
    allowed = await desk.client.options(CHAT, headers=PAGE)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://page.example"
    assert "x-stainless-os" in allowed.headers["access-control-allow-headers"]
    refused = await desk.client.options(CHAT, headers={**PAGE, "origin": "https://other.example"})
    assert "access-control-allow-origin" not in refused.headers
    told = await desk.client.get("/v1/models", headers=PAGE)
    assert told.status_code == 401
    assert "x-request-id" in told.headers["access-control-expose-headers"]


@pytest.mark.parametrize(("trusted", "client"), [((), "127.0.0.1"), (("127.0.0.1",), "192.0.2.7")])
async def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone(
    served: Any, caplog: pytest.LogCaptureFixture, trusted: tuple[str, ...], client: str
) -> None:
    desk = await served(PLAY, trusted_proxies=trusted)
    caplog.set_level(logging.INFO, "server.routes.access")
    await desk.client.get("/v1/models", headers={"x-forwarded-for": "192.0.2.7"})
    (line,) = [vars(r) for r in caplog.records if r.getMessage() == "request"]
    assert line["client"] == client


async def test_a_fault_of_ours_is_logged_as_500(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await gateway(PLAY)

    async def broken() -> None:
        raise RuntimeError("secret detail")

    desk.app.add_api_route("/broken", broken)
    caplog.set_level(logging.INFO, "server.routes.access")
    response: httpx.Response = await desk.client.get("/broken")
    (line,) = [vars(r) for r in caplog.records if r.getMessage() == "request"]
    assert (response.status_code, line["status"]) == (500, 500)
    assert line["request_id"] == response.headers["x-request-id"]
