"""Which replica takes a stream, and when one that fails is left alone: values in, values out."""

from dataclasses import replace

import pytest

from server.engine.base import NOTHING_WRITTEN, Job, Passage, Sampling
from server.engine.pool.affinity import Prefixes, marks_of
from server.engine.pool.breaker import Breaker, State
from server.engine.pool.picking import Standing, pick, warmth
from server.engine.pool.relay import why_of
from server.errors import EngineDied, EngineUnavailable


def standing(name: str, reserved_tokens: int = 0, **given: float) -> Standing:
    plain = Standing(name=name, reserved_tokens=reserved_tokens, capacity_tokens=100_000)
    return replace(plain, **given)  # type: ignore[arg-type]  # numbers, all of them


def job(prompt: Passage, id_: str = "a") -> Job:
    return Job(
        id=id_,
        prompt=prompt,
        written=NOTHING_WRITTEN,
        sampling=Sampling(temperature=0.6, top_p=0.95),
        max_tokens=10,
    )


def numbered(*ids: int) -> Passage:
    return Passage(text="", token_ids=ids, num_tokens=len(ids))


def test_the_emptiest_takes_it_and_of_equals_the_one_picked_longest_ago() -> None:
    assert pick([standing("a", 50_000), standing("b", 40_000)], 1_000, {}) == "b"
    assert pick([standing("a", picked=2), standing("b", picked=1)], 1_000, {}) == "b"
    assert pick([], 1_000, {}) is None


def test_what_holds_more_is_emptier_at_as_many_tokens() -> None:
    large = standing("b", 60_000, capacity_tokens=200_000)
    assert pick([standing("a", 50_000), large], 1_000, {}) == "b"


def test_what_a_replica_says_of_its_cache_counts_where_it_is_more_than_ours() -> None:
    assert standing("a", 30_000, kv_usage=0.1).fill(10_000) == pytest.approx(0.4)
    assert standing("a", 30_000, kv_usage=0.5).fill(10_000) == pytest.approx(0.6)


def test_a_replica_that_warms_up_looks_fuller_than_it_is() -> None:
    assert standing("a", 30_000, share=0.5).fill(10_000) == pytest.approx(0.8)
    assert warmth(10, 30) == pytest.approx(1 / 3)
    assert (warmth(0, 30), warmth(30, 30), warmth(5, 0)) == (0.1, 1.0, 1.0)


@pytest.mark.parametrize(("reserved_tokens", "taken"), [(50_000, "a"), (60_000, "b")])
def test_a_cached_prompt_is_worth_a_quarter_of_a_cache_and_no_more(
    reserved_tokens: int, taken: str
) -> None:
    both = [standing("a", reserved_tokens), standing("b", 30_000)]
    assert pick(both, 0, {"a": 1.0}) == taken


def test_the_drafts_of_one_request_are_worth_its_prompt_and_a_draft_itself_more() -> None:
    prompt = numbered(*range(40))
    prefixes = Prefixes()
    prefixes.sent(marks_of(job(prompt, "x-0")), "a")
    assert prefixes.worth(marks_of(job(prompt, "x-1"))) == {"a": 1.0}
    prefixes.sent(marks_of(job(prompt, "x-1")), "b")
    assert prefixes.worth(marks_of(job(prompt, "x-1"))) == {"a": 1.0, "b": 2.0}
    prefixes.sent(marks_of(job(prompt, "x-1")), "a")
    assert prefixes.worth(marks_of(job(prompt, "x-1"))) == {"a": 2.0, "b": 1.0}


@pytest.mark.parametrize(("shared", "worth"), [(63, 0.0), (64, 0.125), (130, 0.25), (900, 1.0)])
def test_a_shared_beginning_is_worth_its_length(shared: int, worth: float) -> None:
    prefixes = Prefixes()
    prefixes.sent(marks_of(job(numbered(*range(1_000)))), "a")
    later = numbered(*range(shared), *range(5_000, 5_100))
    assert prefixes.worth(marks_of(job(later, "b"))) == ({"a": worth} if worth else {})


def test_where_there_are_no_ids_the_text_tells() -> None:
    prefixes = Prefixes()
    text = Passage(text="Write of the sea. " * 40, token_ids=None, num_tokens=200)
    prefixes.sent(marks_of(job(text)), "a")
    longer = replace(text, text=text.text + "And of the shore.")
    assert prefixes.worth(marks_of(job(longer, "b"))) == {"a": 0.25}


def test_what_was_unused_for_longest_is_forgotten_and_what_a_replica_lost() -> None:
    prefixes = Prefixes(max_marks=4)
    for at in range(3):
        prefixes.sent(marks_of(job(numbered(at), f"{at}")), "a")
    assert prefixes.worth(marks_of(job(numbered(0), "0"))) == {}
    assert prefixes.worth(marks_of(job(numbered(2), "2"))) == {"a": 2.0}
    prefixes.sent(marks_of(job(numbered(2), "2")), "b")
    prefixes.forget("a")
    assert prefixes.worth(marks_of(job(numbered(2), "2"))) == {"b": 2.0}
    assert prefixes.worth(marks_of(job(numbered(1), "1"))) == {}


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(max_failures=3)
    for _ in range(2):
        breaker.failed(0.0)
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(0.0)
    assert breaker.state(0.0) is State.CLOSED
    assert breaker.admits(0.0)
    breaker.failed(0.0)
    assert breaker.state(0.0) is State.OPEN
    assert not breaker.admits(0.5)


def opened() -> Breaker:
    breaker = Breaker(max_failures=1)
    breaker.failed(0.0)
    return breaker


def test_a_half_open_breaker_lets_one_stream_try() -> None:
    breaker = opened()
    assert breaker.state(1.0) is State.HALF_OPEN
    assert breaker.admits(1.0)
    breaker.began(1.0)
    assert not breaker.admits(1.0)
    breaker.left()
    assert breaker.admits(1.0)
    breaker.began(1.0)
    breaker.succeeded()
    assert breaker.state(1.0) is State.CLOSED


def test_each_pause_of_a_breaker_is_twice_the_last_up_to_a_bound() -> None:
    breaker, now_s, pauses_s = opened(), 0.0, []
    for _ in range(7):
        assert breaker.open_until_s is not None
        pauses_s.append(breaker.open_until_s - now_s)
        now_s = breaker.open_until_s
        # A stream that had begun before it opened tells nothing new.
        breaker.failed(now_s - 0.5)
        breaker.began(now_s)
        breaker.failed(now_s)
    assert pauses_s == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (EngineDied("gone"), "engine_died"),
        (EngineUnavailable("silent", code="stalled"), "stalled"),
        (EngineUnavailable("as it says", code="secret text"), "other"),
    ],
)
def test_a_failure_is_told_in_a_word_of_ours(error: EngineUnavailable, why: str) -> None:
    assert why_of(error) == why
