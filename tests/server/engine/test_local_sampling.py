"""The steps from logits to a token, against numbers worked out by hand."""

import math
from collections import Counter
from typing import Any

import pytest

from server.engine.base import Sampling

torch: Any = None
sampling: Any = None

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True, scope="module")
def libraries() -> None:
    """Imported when a test of these runs: torch takes a second and more, and most runs have none
    of them."""
    global torch, sampling
    torch = pytest.importorskip("torch")
    sampling = pytest.importorskip("server.engine.local_sampling")


GONE = -math.inf


def logits_of(*probabilities: float) -> Any:
    return torch.tensor(probabilities).log()


def test_repetition_divides_positive_logits_and_multiplies_negative_ones() -> None:
    seen = torch.tensor([True, True, False])
    logits = torch.tensor([2.0, -2.0, 1.0])
    assert sampling.penalise_repetition(logits, seen, 2.0).tolist() == [1.0, -4.0, 1.0]


def test_frequency_counts_and_presence_does_not() -> None:
    counts = torch.tensor([2.0, 1.0, 0.0])
    logits = torch.tensor([3.0, 3.0, 3.0])
    done = sampling.penalise_output(logits, counts, frequency=0.5, presence=1.0)
    assert done.tolist() == [1.0, 1.5, 3.0]


@pytest.mark.parametrize(
    ("min_p", "kept"), [(0.4, [True, True, False]), (0.1, [True] * 3), (1.0, [True, False, False])]
)
def test_min_p_is_a_share_of_the_likeliest(min_p: float, kept: list[bool]) -> None:
    done = sampling.keep_min_p(logits_of(0.6, 0.3, 0.1), min_p)
    assert done.isfinite().tolist() == kept


def test_top_k_keeps_the_best_and_their_ties() -> None:
    keep = sampling.keep_top_k
    assert keep(torch.tensor([3.0, 1.0, 2.0]), 2).tolist() == [3.0, GONE, 2.0]
    assert keep(torch.tensor([3.0, 2.0, 2.0, 1.0]), 2).tolist() == [3.0, 2.0, 2.0, GONE]
    assert keep(torch.tensor([3.0, 1.0]), 0).tolist() == [3.0, 1.0]
    assert keep(torch.tensor([3.0, 1.0]), 9).tolist() == [3.0, 1.0]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (0.7, [True, True, False]),
        (0.45, [True, False, False]),
        (0.001, [True, False, False]),
        (0.9, [True] * 3),
        (1.0, [True] * 3),
    ],
)
def test_top_p_keeps_the_smallest_set_that_holds_it(top_p: float, kept: list[bool]) -> None:
    done = sampling.keep_top_p(logits_of(0.5, 0.3, 0.2), top_p)
    assert done.isfinite().tolist() == kept


def test_draws_follow_the_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = logits_of(0.25, 0.75)
    drawn = Counter(sampling.draw(logits, generator) for _ in range(4000))
    # Four standard deviations: 4 * sqrt(4000 * 0.25 * 0.75) = 110.
    assert abs(drawn[1] - 3000) < 110


def test_a_rank_gives_the_token_and_the_best() -> None:
    ranked = sampling.rank(logits_of(0.25, 0.75), 0, 1)
    assert ranked.logprob == pytest.approx(math.log(0.25))
    assert [token_id for token_id, _ in ranked.top] == [1]
    assert ranked.top[0][1] == pytest.approx(math.log(0.75))
    assert sampling.rank(logits_of(0.25, 0.75), 0, 0).top == ()


def sampler(**fields: Any) -> Any:
    # A sampler takes bad words as ids, beside the rules.
    own = {
        name: fields.pop(name)
        for name in ("prompt", "written", "ends", "bad_words")
        if name in fields
    }
    rules = Sampling(**{"temperature": 0.0, "top_p": 1.0, **fields})
    return sampling.Sampler(rules, **{"prompt": (), "written": (), **own})


def test_greedy_takes_the_first_of_the_best() -> None:
    assert sampler().next(torch.tensor([1.0, 2.0, 2.0])) == 1


def test_the_logits_it_was_given_stay_as_they_were() -> None:
    logits = torch.tensor([1.0, 2.0])
    assert sampler(logit_bias=((0, 5.0),), allowed_token_ids=(0,)).next(logits) == 0
    assert logits.tolist() == [1.0, 2.0]


def test_repetition_looks_at_prompt_and_writing_the_others_at_writing_alone() -> None:
    logits = torch.tensor([2.0, 1.5])
    assert sampler(repetition_penalty=2.0, prompt=(0,)).next(logits) == 1
    assert sampler(repetition_penalty=2.0, written=(0,)).next(logits) == 1
    assert sampler(presence_penalty=1.0, prompt=(0,)).next(logits) == 0
    assert sampler(presence_penalty=1.0, written=(0,)).next(logits) == 1


def test_frequency_grows_with_every_token_drawn() -> None:
    one = sampler(frequency_penalty=0.4)
    # 2.0, 1.6, then 1.2 against 1.5.
    assert [one.next(torch.tensor([2.0, 1.5])) for _ in range(3)] == [0, 0, 1]


def test_ends_are_held_back_for_min_tokens_of_this_stretch() -> None:
    one = sampler(min_tokens=2, ends=(0,), written=(1, 1, 1))
    assert [one.next(torch.tensor([2.0, 1.0])) for _ in range(3)] == [1, 1, 0]


def test_a_bad_word_is_held_back_only_where_it_would_be_completed() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0])
    assert sampler(bad_words=((1, 2),)).next(logits) == 2
    assert sampler(bad_words=((1, 2),), written=(1,)).next(logits) == 1
    assert sampler(bad_words=((1, 2),), written=(1, 0)).next(logits) == 2
    assert sampler(bad_words=((2,),)).next(logits) == 1
    assert sampler(bad_words=((0, 0, 0, 2),), written=(0,)).next(logits) == 2


def test_bias_comes_before_the_penalties_and_cannot_bring_back_what_is_not_allowed() -> None:
    logits = torch.tensor([1.0, 1.0])
    # (1 + 3) / 5 = 0.8 loses to 1; penalised first it would win with 0.2 + 3.
    one = sampler(logit_bias=((0, 3.0),), repetition_penalty=5.0, prompt=(0,))
    assert one.next(logits) == 1
    assert sampler(logit_bias=((0, 100.0),), allowed_token_ids=(1,)).next(logits) == 1


def test_a_seed_repeats_its_draws() -> None:
    logits = torch.zeros(1000)
    draws = [
        [one.next(logits) for _ in range(5)]
        for one in (sampler(temperature=1.0, seed=seed) for seed in (7, 7, 8, None, None))
    ]
    assert draws[0] == draws[1]
    assert len({tuple(drawn) for drawn in draws}) == 4


def test_no_token_left_is_the_request_s_fault_and_no_number_is_the_engine_s() -> None:
    from server.errors import BadRequest, EngineDied

    with pytest.raises(BadRequest):
        sampler(bad_words=((0,), (1,))).next(torch.tensor([1.0, 2.0]))
    with pytest.raises(EngineDied):
        sampler().next(torch.tensor([math.nan, math.nan]))
