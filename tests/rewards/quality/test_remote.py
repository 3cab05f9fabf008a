"""A quality model on vLLM's /classify, played; the real one is in test_vllm_classify."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from rewards.base import Draft
from rewards.quality.reading import Reading
from rewards.quality.remote import RemoteClassifier


def words(text: str) -> int:
    return len(text.split())


def draft(answer: str, prompt: str = "Write of tea.") -> Draft:
    return Draft(prompt=prompt, answer=answer)


def counted(_route: str, body: Any) -> httpx.Response:
    """A logit a text: its number of words; the entries in any order."""
    texts = body["input"]
    data = [{"index": at, "probs": [float(words(text))]} for at, text in enumerate(texts)]
    return httpx.Response(200, json={"data": list(reversed(data))})


def judge(play: Callable[..., Any], answer: Any = counted, **reading: Any) -> tuple[Any, Any]:
    played = play(answer, url="http://judge", retries=0)
    form = Reading(**{"template": "{answer}", "window_tokens": 64, "prompt_tokens": 8, **reading})
    return played, RemoteClassifier(played.caller, model="rm", reading=form, count=words)


async def test_every_draft_has_the_raw_logit_of_its_text(play: Any) -> None:
    played, remote = judge(play)
    scores = await remote.score([draft("one two three"), draft("one")])
    assert [score.value for score in scores] == [3.0, 1.0]
    assert sorted(played.asked, key=str)[0] == (
        "/classify",
        {"model": "rm", "use_activation": False, "input": ["one two three"]},
    )
    assert remote.name == "quality"


async def test_windows_of_a_long_draft_go_in_one_request_and_are_averaged(play: Any) -> None:
    played, remote = judge(play)
    (score,) = await remote.score([draft("word " * 70)])
    assert [words(text) for text in played.asked[0][1]["input"]] == [56, 14]
    assert score.value == pytest.approx((56 * 56 + 14 * 14) / 70)
    assert score.parts == {"windows": 2, "tokens": 70, "lowest": 14.0}


async def test_a_chat_form_sends_a_chat_for_each_window(play: Any) -> None:
    def answer(_route: str, body: Any) -> httpx.Response:
        size = len(body["messages"][1]["content"])
        return httpx.Response(200, json={"data": [{"index": 0, "probs": [size]}]})

    played, remote = judge(play, answer, template=None, window_tokens=128)
    (score,) = await remote.score([draft("tea " * 60)])
    assert [body["messages"][0] for _, body in played.asked] == [
        {"role": "user", "content": "Write of tea."}
    ] * 2
    assert score.parts["windows"] == 2


async def test_a_draft_without_an_answer_abstains(play: Any) -> None:
    played, remote = judge(play)
    (score,) = await remote.score([draft(" ")])
    assert (score.value, score.failed) == (None, False)
    assert played.asked == []


async def test_one_drafts_failure_is_its_own_and_no_zero(play: Any) -> None:
    def answer(route: str, body: Any) -> httpx.Response:
        return httpx.Response(500) if body["input"] == ["bad"] else counted(route, body)

    _, remote = judge(play, answer)
    good, bad = await remote.score([draft("good one"), draft("bad")])
    assert good.value == 2.0
    assert (bad.value, bad.failed) == (None, True)
    assert "HTTP 500" in bad.why


@pytest.mark.parametrize(
    "reply",
    [
        {"data": [{"index": 0, "probs": [0.1, 0.9]}]},
        {"data": [{"index": 0, "probs": ["high"]}]},
        {"data": [{"index": 0}]},
        {"data": []},
        {"data": None},
        [],
    ],
)
async def test_a_reply_of_another_shape_is_a_failure(play: Any, reply: Any) -> None:
    _, remote = judge(play, lambda _route, _body: httpx.Response(200, json=reply))
    (score,) = await remote.score([draft("one")])
    assert (score.value, score.failed) == (None, True)


async def test_a_logit_that_is_no_number_is_a_failure(play: Any) -> None:
    text = '{"data": [{"index": 0, "probs": [NaN]}]}'
    _, remote = judge(play, lambda _route, _body: httpx.Response(200, text=text))
    (score,) = await remote.score([draft("one")])
    assert (score.value, score.failed) == (None, True)
