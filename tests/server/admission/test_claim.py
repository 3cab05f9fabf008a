"""What a request takes of the engine, and how that is corrected."""

from typing import Any

import pytest

from planner.outline import Outline
from server.admission.claim import Claim, Share
from server.admission.estimate import Lengths, claim_of
from server.answer import Commission
from server.engine.base import NOTHING_WRITTEN, Job, Passage, Sampling
from server.rules import Rules


def claim(*expected_tokens: int, prompt: int = 100, most: int = 10_000) -> Claim:
    shares = [Share(expected_tokens=tokens, most_tokens=most) for tokens in expected_tokens]
    return Claim(prompt, shares)


def test_drafts_over_one_prompt_claim_it_once() -> None:
    four = claim(3_000, 3_000, 3_000, 3_000, prompt=800)
    assert (four.drafts, four.tokens) == (4, 12_800)


def test_a_draft_that_runs_past_its_share_takes_a_quarter_more_than_it_has() -> None:
    one = claim(3_000)
    assert one.wrote(0, 3_000) == 0
    assert one.wrote(0, 3_001) == 751
    assert one.tokens == 100 + 3_751
    assert one.wrote(0, 3_751) == 0


def test_a_draft_never_takes_more_than_a_window_holds() -> None:
    one = claim(3_000, most=3_500)
    assert one.wrote(0, 3_001) == 500
    # A paced draft of several windows goes on writing, and holds no more.
    assert one.wrote(0, 9_000) == 0
    assert one.tokens == 3_600


def test_a_draft_that_stops_gives_its_part_back_and_the_last_keeps_it() -> None:
    two = claim(1_000, 2_000)
    two.wrote(1, 4_000)
    assert two.stop(1) == 5_000
    assert (two.drafts, two.tokens) == (1, 1_100)
    assert two.stop(1) == 0
    assert two.stop(0) == 0
    assert (two.drafts, two.tokens) == (1, 1_100)
    # What is told of a draft after it has stopped changes nothing.
    assert two.wrote(1, 9_000) == 0


def commission(*, max_tokens: int, reasoning_tokens: int = 4_220, **fields: Any) -> Commission:
    prompt = Passage(text="Write.", token_ids=None, num_tokens=50)
    written = NOTHING_WRITTEN
    sampling = Sampling(temperature=0.0, top_p=1.0)
    job = Job(id="a", prompt=prompt, written=written, sampling=sampling, max_tokens=max_tokens)
    rules = Rules(
        max_tokens=max_tokens, reasoning_tokens=reasoning_tokens, thinking=reasoning_tokens > 0
    )
    jobs = (job,) * int(fields.pop("drafts", 1))
    return Commission(jobs=jobs, rules=rules, outline=Outline(sections=()), **fields)


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        pytest.param({"max_tokens": 32_000}, 50 + 6_080, id="plan and text"),
        pytest.param({"max_tokens": 4_000}, 50 + 4_000, id="bounded"),
        pytest.param({"max_tokens": 32_000, "reasoning_tokens": 0}, 50 + 3_080, id="no plan"),
        pytest.param({"max_tokens": 32_000, "drafts": 3}, 50 + 3 * 6_080, id="three drafts"),
    ],
)
def test_an_asked_length_is_what_is_reserved(fields: Any, tokens: int) -> None:
    found = claim_of(commission(answer_tokens=3_080, **fields), Lengths())
    assert (found.tokens, found.is_guess) == (tokens, False)


def test_without_one_the_drafts_before_tell_what_to_expect() -> None:
    lengths = Lengths()
    assert claim_of(commission(max_tokens=32_000), lengths).tokens == 50 + 4_000
    lengths.add(1_000)
    found = claim_of(commission(max_tokens=32_000), lengths)
    assert (found.tokens, found.is_guess) == (50 + 2_500, True)
    assert claim_of(commission(max_tokens=16), lengths).tokens == 50 + 16


def test_the_expected_length_follows_what_the_server_is_used_for() -> None:
    lengths = Lengths()
    for _ in range(400):
        lengths.add(500)
    assert lengths.mean_tokens == pytest.approx(500, abs=5)
    for _ in range(400):
        lengths.add(9_000)
    assert lengths.mean_tokens == pytest.approx(9_000, abs=10)
