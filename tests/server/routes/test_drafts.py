"""Kept drafts through the routes: read while they are written, cut, resumed, cancelled, deleted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.engine.scripted import Die, Refuse, Say, Stall
from server.errors import StoreUnavailable

BOUND_S = 5.0
STORY = Say("<think> Plan it. </think> <answer>\nOnce upon a time. They slept. </answer>")
ANSWER = "Once upon a time. They slept."
Start = Callable[..., Awaitable[Any]]


def events(body: str) -> list[tuple[str, Any, str | None]]:
    """(name, data, id) of each event of a stream."""
    found = []
    for block in body.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"]), lines.get("id")))
    return found


def answer_of(chunks: list[Any]) -> str:
    return "".join(
        choice["delta"].get("content", "")
        for chunk in chunks
        if isinstance(chunk, dict)
        for choice in chunk["choices"]
    )


async def test_a_kept_chat_says_its_id_and_each_chunk_its_position(gateway: Start) -> None:
    app = await gateway([STORY])
    response = await app.chat(store=True, stream=True)
    assert response.status_code == 200
    draft_id = response.headers["longhand-draft-id"]
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    first, *rest = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert first["writing"] == {"draft_id": draft_id, "position": 0}
    positions = [chunk["writing"]["position"] for chunk in rest]
    assert positions == sorted(positions)
    assert positions[-1] == len("Plan it.") + len(ANSWER)
    assert answer_of([first, *rest]) == ANSWER
    assert response.text.endswith("data: [DONE]\n\n")


async def test_a_kept_chat_whole_is_that_of_one_not_kept_and_its_id(gateway: Start) -> None:
    app = await gateway([STORY])
    plain = (await app.chat()).json()
    kept = await app.chat(store=True)
    body = kept.json()
    assert body["writing"].pop("draft_id") == kept.headers["longhand-draft-id"]
    for field in ("id", "created"):
        del plain[field], body[field]
    assert body == plain


async def test_a_draft_is_read_with_its_report(gateway: Start) -> None:
    app = await gateway([STORY])
    draft_id = (await app.chat(store=True)).headers["longhand-draft-id"]
    draft = (await app.client.get(f"/v1/drafts/{draft_id}")).json()
    assert {k: draft[k] for k in ("id", "object", "kind", "state", "model")} == {
        "id": draft_id,
        "object": "draft",
        "kind": "chat",
        "state": "finished",
        "model": "scripted",
    }
    assert (draft["reasoning"], draft["answer"]) == ("Plan it.", ANSWER)
    assert draft["position"] == len("Plan it.") + len(ANSWER)
    assert draft["writing"]["words"] == 6
    assert draft["writing"]["finish_reason"] == "stop"
    assert draft["usage"]["completion_tokens"] > 0
    assert draft["error"] is None


async def test_the_list_has_the_newest_first_without_texts(gateway: Start) -> None:
    app = await gateway([STORY])
    ids = [(await app.chat(store=True)).headers["longhand-draft-id"] for _ in range(3)]
    page = (await app.client.get("/v1/drafts", params={"limit": 2})).json()
    assert page["object"] == "list"
    assert [draft["id"] for draft in page["data"]] == [ids[2], ids[1]]
    assert page["has_more"] is True
    assert "answer" not in page["data"][0]
    assert page["data"][0]["position"] == len("Plan it.") + len(ANSWER)
    rest = (await app.client.get("/v1/drafts", params={"before": ids[1]})).json()
    assert [draft["id"] for draft in rest["data"]] == [ids[0]]
    assert rest["has_more"] is False


async def test_the_events_from_any_position_are_the_rest_of_the_text(gateway: Start) -> None:
    app = await gateway([STORY])
    draft_id = (await app.chat(store=True)).headers["longhand-draft-id"]
    whole = "Plan it." + ANSWER
    for after in range(len(whole) + 1):
        response = await app.client.get(f"/v1/drafts/{draft_id}/events", params={"after": after})
        found = events(response.text)
        assert "".join(data["text"] for name, data, _ in found if name == "delta") == whole[after:]
        assert all(id_ == str(data["position"]) for name, data, id_ in found if name == "delta")
        name, data, _ = found[-1]
        assert (name, data["state"], data["finish_reason"]) == ("end", "finished", "stop")
        assert data["usage"]["prompt_tokens"] > 0


async def test_a_browser_goes_on_behind_its_last_event(gateway: Start) -> None:
    app = await gateway([STORY])
    draft_id = (await app.chat(store=True)).headers["longhand-draft-id"]
    path = f"/v1/drafts/{draft_id}/events"
    found = events((await app.client.get(path, headers={"Last-Event-ID": "10"})).text)
    assert found[0][1] == {
        "index": 0, "channel": "answer", "text": ANSWER[2:], "position": 8 + len(ANSWER),
    }  # fmt: skip
    refused = await app.client.get(path, headers={"Last-Event-ID": "ten"})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "Last-Event-ID"


async def test_a_kept_draft_goes_on_when_its_client_goes(
    served: Start, until: Callable[..., Awaitable[None]]
) -> None:
    gate = asyncio.Event()
    app = await served([Say("<think> a </think> <answer> Once"), Stall(gate=gate), Say(" upon.")])
    async with app.stream(store=True) as chunks:
        first = await anext(chunks)
        draft_id = first["writing"]["draft_id"]
        await until_said(chunks, "Once")
    await until(lambda: app.value("longhand_disconnects_total", stage="kept") == 1)
    assert app.engine.open_streams == 1
    gate.set()
    response = await app.client.get(f"/v1/drafts/{draft_id}/events", params={"after": 1})
    found = events(response.text)
    assert "".join(data["text"] for name, data, _ in found if name == "delta") == "Once upon."
    assert found[-1][1]["state"] == "finished"


async def until_said(chunks: Any, text: str) -> None:
    """Reads on until an answer is so far."""
    said = ""
    async for chunk in chunks:
        said += chunk["choices"][0]["delta"].get("content") or ""
        if said == text:
            return


async def test_many_readers_have_the_same(served: Start) -> None:
    gate = asyncio.Event()
    app = await served([Say("<think> a </think> <answer> Once"), Stall(gate=gate), Say(" upon.")])

    async def read(draft_id: str) -> str:
        response = await app.client.get(f"/v1/drafts/{draft_id}/events")
        found = events(response.text)
        return "".join(data["text"] for name, data, _ in found if name == "delta")

    async with app.stream(store=True) as chunks:
        draft_id = (await anext(chunks))["writing"]["draft_id"]
        async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as group:
            readers = [group.create_task(read(draft_id)) for _ in range(8)]
            await until_said(chunks, "Once")
            gate.set()
        assert {reader.result() for reader in readers} == {"aOnce upon."}


async def test_the_readers_of_a_cancelled_draft_are_told_at_once(served: Start) -> None:
    app = await served([Say("<think> a </think> <answer> Once"), Stall(gate=asyncio.Event())])
    async with app.stream(store=True) as chunks:
        draft_id = (await anext(chunks))["writing"]["draft_id"]
        await until_said(chunks, "Once")
        async with app.client.stream("GET", f"/v1/drafts/{draft_id}/events") as response:
            draft = (await app.client.post(f"/v1/drafts/{draft_id}/cancel")).json()
            assert (draft["state"], draft["answer"]) == ("cancelled", "Once")
            assert app.engine.open_streams == 0
            last = events((await response.aread()).decode())[-1]
            assert (last[0], last[1]["state"]) == ("end", "cancelled")
        told = [chunk async for chunk in chunks]
        assert told[-2]["error"]["code"] == "draft_cancelled"
    again = await app.client.post(f"/v1/drafts/{draft_id}/cancel")
    assert again.json()["state"] == "cancelled"


async def test_a_deleted_draft_is_gone(gateway: Start) -> None:
    app = await gateway([STORY])
    draft_id = (await app.chat(store=True)).headers["longhand-draft-id"]
    deleted = await app.client.delete(f"/v1/drafts/{draft_id}")
    assert deleted.json() == {"id": draft_id, "object": "draft.deleted", "deleted": True}
    for path in (f"/v1/drafts/{draft_id}", f"/v1/drafts/{draft_id}/events"):
        gone = await app.client.get(path)
        assert gone.status_code == 404
        assert gone.json()["error"]["code"] == "draft_not_found"


async def test_a_draft_that_fails_says_so_to_every_reader(gateway: Start) -> None:
    app = await gateway([Refuse("no engine takes this")])
    whole = await app.chat(store=True)
    assert whole.status_code == 400
    assert whole.json()["error"]["message"] == "no engine takes this"
    draft = (await app.client.get("/v1/drafts")).json()["data"][0]
    assert draft["state"] == "failed"
    assert draft["error"]["message"] == "no engine takes this"
    found = events((await app.client.get(f"/v1/drafts/{draft['id']}/events")).text)
    assert (found[-1][0], found[-1][1]["error"]["code"]) == ("error", "invalid_value")


async def test_a_key_sees_its_own_drafts_only(gateway: Start) -> None:
    app = await gateway([STORY], api_keys=("one", "two"))
    one, two = ({"Authorization": f"Bearer {key}"} for key in ("one", "two"))
    body = {"messages": [{"role": "user", "content": "Write."}], "store": True}
    made = await app.client.post("/v1/chat/completions", json=body, headers=one)
    draft_id = made.headers["longhand-draft-id"]
    assert (await app.client.get(f"/v1/drafts/{draft_id}", headers=one)).status_code == 200
    for method, path in (
        ("GET", f"/v1/drafts/{draft_id}"),
        ("GET", f"/v1/drafts/{draft_id}/events"),
        ("POST", f"/v1/drafts/{draft_id}/cancel"),
        ("DELETE", f"/v1/drafts/{draft_id}"),
    ):
        assert (await app.client.request(method, path, headers=two)).status_code == 404
    assert (await app.client.get("/v1/drafts", headers=two)).json()["data"] == []


async def test_several_choices_are_kept_together(gateway: Start) -> None:
    app = await gateway([STORY])
    kept = await app.chat(store=True, n=2)
    body = kept.json()
    assert body["writing"] == {"draft_id": kept.headers["longhand-draft-id"]}
    draft = (await app.client.get(f"/v1/drafts/{body['writing']['draft_id']}")).json()
    assert [choice["answer"] for choice in draft["choices"]] == [ANSWER, ANSWER]
    assert [report["finish_reason"] for report in draft["writing"]] == ["stop", "stop"]


async def test_a_kept_completion_is_the_same_with_its_id(gateway: Start) -> None:
    app = await gateway([Say(" upon a time.")])
    plain = (await app.complete(max_tokens=9)).json()
    kept = await app.complete(max_tokens=9, store=True)
    body = kept.json()
    assert body.pop("writing") == {"draft_id": kept.headers["longhand-draft-id"]}
    assert body["choices"] == plain["choices"]
    stream = await app.complete(max_tokens=9, store=True, stream=True)
    lines = [line for line in stream.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert chunks[0]["writing"]["draft_id"] == stream.headers["longhand-draft-id"]
    assert chunks[-1]["writing"]["position"] == len(" upon a time.")


async def test_log_probabilities_are_kept_too(gateway: Start) -> None:
    app = await gateway([STORY])
    plain = (await app.chat(logprobs=True, top_logprobs=1)).json()
    key = {"Idempotency-Key": "k"}
    body = {
        "messages": [{"role": "user", "content": "Write a line."}],
        "store": True,
        "logprobs": True,
        "top_logprobs": 1,
    }
    for _ in range(2):
        kept = await app.client.post("/v1/chat/completions", json=body, headers=key)
        assert kept.json()["choices"] == plain["choices"]
    assert len(app.engine.jobs) == 2


async def test_the_same_key_and_body_are_one_draft(gateway: Start) -> None:
    app = await gateway([STORY])
    body = {"messages": [{"role": "user", "content": "Write."}], "store": True}
    one, other = [
        await app.client.post(
            "/v1/chat/completions", json=body, headers={"Idempotency-Key": "a key"}
        )
        for _ in range(2)
    ]
    assert one.json() == other.json()
    assert one.headers["longhand-draft-id"] == other.headers["longhand-draft-id"]
    assert "idempotent-replayed" not in one.headers
    assert other.headers["idempotent-replayed"] == "true"
    assert len(app.engine.jobs) == 1


async def test_the_same_key_attaches_to_a_draft_that_is_being_written(
    served: Start, until: Callable[..., Awaitable[None]]
) -> None:
    gate = asyncio.Event()
    app = await served([Say("<think> a </think> <answer> Once"), Stall(gate=gate), Say(" upon.")])
    body = {"messages": [{"role": "user", "content": "Write."}]}

    async def ask() -> Any:
        return await app.client.post(
            "/v1/chat/completions", json=body, headers={"Idempotency-Key": "a key"}
        )

    async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as group:
        asked = [group.create_task(ask()) for _ in range(3)]
        await until(lambda: app.value("longhand_requests_in_flight") == 3 and app.engine.jobs)
        gate.set()
    assert len({task.result().headers["longhand-draft-id"] for task in asked}) == 1
    assert len({task.result().text for task in asked}) == 1
    assert len(app.engine.jobs) == 1


async def test_the_same_key_with_another_body_is_refused(gateway: Start) -> None:
    app = await gateway([STORY])
    headers = {"Idempotency-Key": "a key"}
    for words, status in (("Write.", 200), ("Write more.", 422)):
        body = {"messages": [{"role": "user", "content": words}], "store": True}
        response = await app.client.post("/v1/chat/completions", json=body, headers=headers)
        assert response.status_code == status
    assert response.json()["error"]["code"] == "idempotency_key_reused"
    assert response.json()["error"]["param"] == "Idempotency-Key"
    too_long = await app.client.post(
        "/v1/chat/completions", json=body, headers={"Idempotency-Key": "k" * 256}
    )
    assert too_long.status_code == 400


async def test_a_client_that_says_it_asks_again_has_its_draft(
    served: Start, until: Callable[..., Awaitable[None]]
) -> None:
    gate = asyncio.Event()
    app = await served([Say("<think> a </think> <answer> Once"), Stall(gate=gate), Say(" upon.")])
    async with app.stream(store=True) as chunks:
        first = await anext(chunks)
    await until(lambda: app.value("longhand_disconnects_total", stage="kept") == 1)
    gate.set()
    body = {"messages": [{"role": "user", "content": "Write a line."}], "stream": True}
    again = await app.client.post(
        "/v1/chat/completions",
        json={**body, "store": True},
        headers={"x-stainless-retry-count": "1"},
    )
    assert again.headers["longhand-draft-id"] == first["writing"]["draft_id"]
    assert len(app.engine.jobs) == 1
    other = await app.client.post(
        "/v1/chat/completions",
        json={**body, "store": True},
        headers={"x-stainless-retry-count": "1"},
    )
    assert other.headers["longhand-draft-id"] != first["writing"]["draft_id"]


async def test_a_server_that_keeps_no_drafts_says_so(gateway: Start) -> None:
    app = await gateway([STORY], drafts="off")
    refused = await app.chat(store=True)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "store"
    assert (await app.client.get("/v1/drafts")).json()["error"]["code"] == "drafts_off"
    body = {"messages": [{"role": "user", "content": "Write."}]}
    plain = await app.client.post(
        "/v1/chat/completions", json=body, headers={"Idempotency-Key": "k"}
    )
    assert "longhand-draft-id" not in plain.headers


async def test_an_engine_that_dies_for_good_leaves_the_draft_to_be_carried_on(
    gateway: Start,
) -> None:
    app = await gateway([Say("<think> a </think> <answer> Once"), Die("of this")])
    response = await app.chat(store=True, stream=True)
    assert '"code":"engine_' in response.text
    draft = (await app.client.get("/v1/drafts")).json()["data"][0]
    assert draft["state"] == "interrupted"
    assert (await app.client.get(f"/v1/drafts/{draft['id']}")).json()["answer"] == "Once"


@pytest.mark.parametrize("query", ["after=-1", "after=x"])
async def test_a_position_that_is_none_is_refused(gateway: Start, query: str) -> None:
    app = await gateway([STORY])
    draft_id = (await app.chat(store=True)).headers["longhand-draft-id"]
    refused = await app.client.get(f"/v1/drafts/{draft_id}/events?{query}")
    assert refused.status_code == 400


async def test_a_draft_whose_client_goes_before_it_is_whole_is_there_for_its_retry(
    served: Start, until: Callable[..., Awaitable[None]]
) -> None:
    gate = asyncio.Event()
    app = await served([Say("<think> a </think> <answer> Once"), Stall(gate=gate), Say(" upon.")])
    asking = asyncio.create_task(app.chat(store=True))
    await until(lambda: app.engine.open_streams == 1)
    asking.cancel()
    await until(lambda: app.value("longhand_disconnects_total", stage="kept") == 1)
    assert app.engine.open_streams == 1
    gate.set()
    body = {"messages": [{"role": "user", "content": "Write a line."}], "store": True}
    again = await app.client.post(
        "/v1/chat/completions", json=body, headers={"x-stainless-retry-count": "1"}
    )
    assert again.json()["choices"][0]["message"]["content"] == "Once upon."
    assert again.headers["idempotent-replayed"] == "true"
    assert len(app.engine.jobs) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(StoreUnavailable("away"), "store_unavailable"), (RuntimeError("odd"), "internal_error")],
)
async def test_the_readers_of_a_draft_that_its_store_cannot_give_are_told_so(
    gateway: Start, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    async def broken(draft_id: str) -> None:
        raise error

    app = await gateway([STORY])
    body = {"messages": [{"role": "user", "content": "Write."}], "stream": True}
    key = {"Idempotency-Key": "a key"}
    kept = await app.client.post("/v1/chat/completions", json=body, headers=key)
    draft_id = kept.headers["longhand-draft-id"]
    monkeypatch.setattr(app.service.shelf.scribe.store, "whole", broken)
    again = await app.client.post("/v1/chat/completions", json=body, headers=key)
    assert again.headers["longhand-draft-id"] == draft_id
    *_, last, done = [line for line in again.text.splitlines() if line.startswith("data: ")]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == code
    assert done == "data: [DONE]"
    [(name, data, _)] = events((await app.client.get(f"/v1/drafts/{draft_id}/events")).text)
    assert (name, data["error"]["code"]) == ("error", code)


async def test_a_body_that_is_no_strict_json_can_come_again_under_its_key(gateway: Start) -> None:
    app = await gateway([STORY])
    # Python's json, which reads requests, knows NaN; orjson does not.
    body = '{"messages": [{"role": "user", "content": "Write."}], "house": %s}'
    key = {"Idempotency-Key": "a key", "content-type": "application/json"}
    first, again, other = [
        await app.client.post("/v1/chat/completions", content=body % value, headers=key)
        for value in ("NaN", "NaN", "Infinity")
    ]
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
    assert first.headers["longhand-draft-id"] == again.headers["longhand-draft-id"]
    assert len(app.engine.jobs) == 1


async def test_a_kept_chat_that_hides_its_reasoning_streams_its_answer_only(gateway: Start) -> None:
    app = await gateway([STORY])
    chunks = await app.streamed(store=True, include_reasoning=False)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if isinstance(chunk, dict)]
    assert answer_of(chunks) == ANSWER
    assert not [delta for delta in deltas if delta.get("reasoning")]
