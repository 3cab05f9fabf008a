"""What a draft that is carried on takes from its record instead of asking a model again."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import pytest

from planner.brief import Brief, Message
from planner.length import NOTHING, Asked
from planner.outline import Outline, Section
from server.routes.restore import knowing

BRIEF = Brief(messages=(Message(role="user", content="Write."),))
ASKED = Asked(low_words=900, high_words=1_100, source="predicted")


@pytest.mark.parametrize(
    "outline", [None, Outline(sections=(Section(title="One", words=40), Section(level=2)))]
)
async def test_what_a_model_was_asked_for_is_not_asked_for_again(
    gateway: Callable[..., Awaitable[Any]], outline: Outline | None
) -> None:
    app = await gateway()
    meta = {
        "asked": asdict(ASKED),
        "outline": outline and asdict(outline),
        "asks_outline": "always",
    }
    answerer = knowing(app.service.desk.answerer, meta)
    assert answerer.layout.predictor is not None
    assert await answerer.layout.predictor.predict(BRIEF) == ASKED
    assert answerer.outliner is not None
    assert await answerer.outliner.outline(BRIEF, NOTHING) == outline
    assert answerer.asks_outline == "always"
    assert app.engine.jobs == []
