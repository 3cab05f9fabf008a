"""A request that is kept is the same work again, under other settings too."""

from dataclasses import replace
from typing import Any

import pytest

from server.routes.service import Defaults
from server.routes.work import (
    chat_body,
    chat_work,
    completion_body,
    completion_work,
    for_kept,
)
from server.wire.chat import Candidates, ChatRequest, Efforts
from server.wire.completions import CompletionRequest

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
    candidates=replace(
        DEFAULTS.candidates,
        drafts=6,
        weights={"format": 1.0},
        rewards=("format", "length"),
    ),
)


@pytest.mark.parametrize(("before", "after"), [(DEFAULTS, OTHERS), (OTHERS, DEFAULTS)])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n": 2},
        {"n": 4, "seed": 3, "stop": ["x"]},
        {"reasoning_effort": "low", "store": True, "stream": True},
        {"reasoning_effort": "none", "temperature": 0, "max_completion_tokens": 9},
        {"writing": {"best_of": 2, "words": [10, 20], "rewards": {"length": 2}}, "n": 2},
        {"writing": {"reasoning_tokens": 7, "prune": False}, "logprobs": True, "top_k": 5},
    ],
)
def test_a_kept_chat_is_the_same_work_again(
    fields: dict[str, Any], before: Defaults, after: Defaults
) -> None:
    task = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Write."}]
    body = ChatRequest.model_validate({"messages": task, "flavour": "sweet", **fields})
    brief, order = chat_work(body, before, "chatcmpl-1")
    kept = ChatRequest.model_validate_json(chat_body(body, order, brief.reasoning_tokens))
    assert chat_work(kept, for_kept(after), "chatcmpl-1") == (brief, order)


@pytest.mark.parametrize("fields", [{}, {"n": 2, "stop": "x", "top_p": 0.3}, {"logprobs": 2}])
def test_a_kept_completion_is_the_same_work_again(fields: dict[str, Any]) -> None:
    body = CompletionRequest.model_validate({"prompt": ["Once", "Twice"], **fields})
    order = completion_work(body, DEFAULTS, "cmpl-1")
    kept = CompletionRequest.model_validate_json(completion_body(body, order))
    assert completion_work(kept, for_kept(OTHERS), "cmpl-1") == order
    assert kept.prompts() == body.prompts()
