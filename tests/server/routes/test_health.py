"""Probes, models, version and docs: what operators and clients ask beside writing."""

import asyncio
from typing import Any

from server import __version__
from server.engine.scripted import Say, ScriptedEngine, Stall
from server.errors import CannotServe


async def test_a_ready_server_says_so_on_both_paths(gateway: Any) -> None:
    desk = await gateway(served_model_name="letters")
    for path in ("/health", "/health/ready"):
        response = await desk.client.get(path)
        assert (response.status_code, response.json()) == (
            200,
            {"status": "ready", "model": "letters"},
        )
    assert desk.value("longhand_engine_up") == 1


async def test_while_the_model_loads_the_server_is_live_but_not_ready(gateway: Any) -> None:
    starting = asyncio.Event()
    engine = ScriptedEngine(starting=starting)
    desk = await gateway(build=lambda: engine, ready=False)
    live = await desk.client.get("/health/live")
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    response = await desk.client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "loading",
        "model": "scripted",
        "reason": "the model is loading",
    }
    refused = await desk.chat()
    assert refused.status_code == 503
    assert refused.json()["error"]["message"] == "the model is loading"
    assert (await desk.client.get("/v1/models")).status_code == 200
    starting.set()
    await desk.service.engine.ready.wait()
    assert (await desk.client.get("/health/ready")).status_code == 200


async def test_an_engine_that_cannot_start_leaves_the_server_live_and_says_why(
    gateway: Any, until: Any
) -> None:
    def build() -> Any:
        raise CannotServe("there is no tokenizer")

    desk = await gateway(build=build, ready=False)
    await until(desk.service.engine.failed.is_set)
    response = await desk.client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "dead",
        "model": "scripted",
        "reason": "the engine could not be started: there is no tokenizer",
    }
    assert (await desk.client.get("/health/live")).status_code == 200


async def test_a_server_that_drains_is_not_ready_though_its_engine_still_writes(
    served: Any, until: Any
) -> None:
    gate = asyncio.Event()
    desk = await served((Say("<think>a</think><answer> b"), Stall(gate=gate), Say("</answer>")))
    writing = asyncio.create_task(desk.chat())
    await until(lambda: desk.engine.open_streams)
    desk.service.desk.admission.close()
    response = await desk.client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "stopped",
        "model": "scripted",
        "reason": "the server is shutting down",
    }
    refused = await desk.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "engine_unavailable")
    gate.set()
    assert (await writing).status_code == 200


async def test_the_one_model_is_listed_and_found_by_its_name(gateway: Any) -> None:
    desk = await gateway(served_model_name="house/letters", max_model_len=4096)
    listed = (await desk.client.get("/v1/models")).json()
    card = listed["data"][0]
    assert isinstance(card["created"], int)
    assert listed == {
        "object": "list",
        "data": [
            {
                "id": "house/letters",
                "object": "model",
                "created": card["created"],
                "owned_by": "longhand",
                "max_model_len": 4096,
            }
        ],
    }
    assert (await desk.client.get("/v1/models/house/letters")).json() == card


async def test_any_other_model_is_404(gateway: Any) -> None:
    desk = await gateway()
    response = await desk.client.get("/v1/models/gpt-9")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert response.headers["x-request-id"]


async def test_the_version_is_the_packages(gateway: Any) -> None:
    desk = await gateway()
    assert (await desk.client.get("/version")).json() == {"version": __version__}


async def test_docs_and_schema_are_served_and_describe_every_route(gateway: Any) -> None:
    desk = await gateway()
    page = await desk.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    schema = (await desk.client.get("/openapi.json")).json()
    assert schema["info"] == {
        "title": "Longhand",
        "summary": "An OpenAI-compatible server for writing at length",
        "version": __version__,
    }
    assert set(schema["paths"]) == {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/drafts",
        "/v1/drafts/{draft_id}",
        "/v1/drafts/{draft_id}/cancel",
        "/v1/drafts/{draft_id}/events",
        "/v1/drafts/{draft_id}/resume",
        "/v1/plan",
        "/v1/responses",
        "/v1/responses/{response_id}",
        "/v1/responses/{response_id}/cancel",
        "/v1/responses/{response_id}/input_items",
        "/v1/models",
        "/v1/models/{model}",
        "/health",
        "/health/live",
        "/health/ready",
        "/version",
        "/metrics",
    }
    assert all(
        operation["description"] for path in schema["paths"].values() for operation in path.values()
    )
    assert "writing" in schema["components"]["schemas"]["ChatRequest"]["properties"]
