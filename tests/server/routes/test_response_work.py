"""A request that is kept is the same work again, under other settings too."""

from dataclasses import replace
from typing import Any

import pytest

from server.routes.response_work import kept_body, kept_fields, kept_turns, work_again, work_of
from server.routes.service import Defaults
from server.routes.work import for_kept
from server.wire.chat import Candidates, Efforts
from server.wire.encode import Head
from server.wire.response_input import Turn
from server.wire.responses import ResponsesRequest

HEAD = Head(id="resp-1", model="m", created=5)
DEFAULTS = Defaults(
    temperature=0.6,
    top_p=0.95,
    max_n=4,
    efforts=Efforts(minimal=1, low=2, medium=3, high=4),
    candidates=Candidates(
        drafts=1,
        max_drafts=8,
        weights={"length": 1.0},
        rewards=("length", "format"),
        progress_s=1.0,
        heartbeat_s=1.0,
    ),
    reasoning_field="both",
)
OTHERS = replace(
    DEFAULTS,
    temperature=0.1,
    top_p=0.5,
    efforts=Efforts(minimal=10, low=20, medium=30, high=40),
    candidates=replace(DEFAULTS.candidates, drafts=4, weights={"format": 1.0}),
)
TURNS = (
    Turn(role="user", text="Write.", id="in_0_0"),
    Turn(role="assistant", text="春", id="msg_0_1"),
    Turn(role="user", text="More."),
)


@pytest.mark.parametrize("before", [DEFAULTS, replace(OTHERS, max_n=1)])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reasoning": {"effort": "low"}, "instructions": "Be brief.", "metadata": {"k": "v"}},
        {"writing": {"best_of": 2, "words": [10, 20]}, "seed": 3, "stop": ["x"], "top_k": 5},
        {"temperature": 0, "max_output_tokens": 9, "truncation": "auto", "background": True},
    ],
)
def test_a_kept_request_is_the_same_work_again(fields: dict[str, Any], before: Defaults) -> None:
    after = OTHERS if before is DEFAULTS else DEFAULTS
    body = ResponsesRequest.model_validate({"input": "More.", "flavour": "sweet", **fields})
    work = work_of(body, TURNS, HEAD, before, stored=True)
    kept = kept_body(work)
    again = work_again(kept, HEAD.id, for_kept(after))
    assert (again.brief, again.order, again.turns) == (work.brief, work.order, TURNS)
    assert kept_fields(kept) == again.fields == work.fields
    assert kept_turns(kept) == TURNS
