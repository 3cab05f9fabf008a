"""What is told of a kept draft."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.drafts.output import Told
from server.engine.scripted import Say, Stall
from server.events import Choice, Progress
from server.wire.encode_drafts import told_frame


@pytest.mark.parametrize(
    ("fields", "asked"), [({"writing": {"words": [180, 220]}}, [180, 220]), ({}, None)]
)
async def test_a_draft_tells_the_asked_length_while_it_is_written_and_when_it_is_over(
    gateway: Callable[..., Awaitable[Any]],
    until: Callable[..., Awaitable[None]],
    fields: dict[str, Any],
    asked: list[int] | None,
) -> None:
    gate = asyncio.Event()
    play = [Say("<think> a </think> <answer> Once"), Stall(gate=gate), Say(" upon. </answer>")]
    app = await gateway(play)
    asking = asyncio.create_task(app.chat(store=True, **fields))
    await until(lambda: app.engine.open_streams)
    [listed] = (await app.client.get("/v1/drafts")).json()["data"]
    path = f"/v1/drafts/{listed['id']}"
    live = (await app.client.get(path)).json()
    assert (live["state"], live["writing"], live["asked"]) == ("writing", None, asked)
    assert listed["asked"] == asked
    gate.set()
    await asking
    over = (await app.client.get(path)).json()
    assert (over["state"], over["asked"], over["writing"]["asked"]) == ("finished", asked, asked)


def test_how_candidates_get_on_has_no_position_of_its_own() -> None:
    told = Told(choice=Choice(index=0, event=Progress(candidates=())), position=7)
    assert told_frame(told).startswith(b"event: progress\ndata: {")
