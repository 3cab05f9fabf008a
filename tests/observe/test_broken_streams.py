"""Streams that end in an error: whose fault it was decides whether they count."""

from typing import Any

import pytest

from server.engine.scripted import Break, Die, Refuse, Say


@pytest.mark.parametrize(
    ("act", "code", "counted"),
    [(Die("gone"), "engine_died", 1), (Refuse("no such seed"), "invalid_value", None)],
)
async def test_a_stream_counts_as_broken_if_the_server_broke_it(
    gateway: Any, act: Any, code: str, counted: int | None
) -> None:
    desk = await gateway([Say("<think> a</think><answer> b"), act])
    told = await desk.streamed()
    assert [event["error"]["code"] for event in told if "error" in event] == [code]
    assert desk.value("longhand_broken_streams_total", code=code) == counted


async def test_a_stream_that_its_engine_leaves_without_an_end_is_broken(gateway: Any) -> None:
    desk = await gateway([Say("<think> a</think><answer> b"), Break()])
    await desk.streamed()
    broken = [
        sample.value
        for family in desk.registry.collect()
        for sample in family.samples
        if sample.name == "longhand_broken_streams_total"
    ]
    assert broken == [1]
