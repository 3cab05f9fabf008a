"""Whatever the text, and wherever the replicas fail: a stream that moves is the unbroken one."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.engine.base import End, Piece

# Few characters of all lengths, so that stop strings and their beginnings come often.
TEXT = st.text(alphabet="ab<> é长🌊", min_size=1, max_size=40)
STOPS = st.lists(
    st.text(alphabet="ab<> é长🌊", min_size=1, max_size=5), max_size=4, unique=True
).map(tuple)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    play=TEXT,
    stop=STOPS,
    breaks=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    max_tokens=st.integers(1, 60),
    with_ids=st.booleans(),
)
def test_a_stream_that_moves_is_the_unbroken_one(
    furnish: Callable[..., Any],
    text_of: Callable[[Sequence[Piece]], str],
    ids_of: Callable[[Sequence[Piece]], tuple[int, ...]],
    play: str,
    stop: tuple[str, ...],
    breaks: list[int],
    max_tokens: int,
    with_ids: bool,
) -> None:
    def prepare(writer: Any) -> None:
        writer.with_ids = with_ids

    async def written(breaks: list[int]) -> tuple[str, tuple[int, ...], Any]:
        house = furnish([play], 4, {"prepare": prepare, "max_moves": 3})
        async with house.pool:
            await house.clock.pass_on(0)
            for name, left in zip("123", breaks, strict=False):
                house[name].breaks = [left]
            pieces = await house.written(house.job(stop=stop, max_tokens=max_tokens))
        [end] = [piece for piece in pieces if isinstance(piece, End)]
        assert pieces[-1] is end
        return text_of(pieces), ids_of(pieces), (end.reason, end.stop)

    assert asyncio.run(written(breaks)) == asyncio.run(written([]))
