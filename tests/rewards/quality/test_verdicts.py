"""What the logits of a draft's passages become."""

import pytest

from rewards.base import Score
from rewards.quality.reading import Passage
from rewards.quality.verdicts import draft_score


def passage(tokens: int) -> Passage:
    return Passage(prompt="", answer="", tokens=tokens)


def test_a_draft_scores_the_mean_of_its_passages_by_their_tokens() -> None:
    score = draft_score([2.0, 1.0], [passage(300), passage(100)])
    assert score == Score(value=1.75, parts={"windows": 2, "tokens": 400, "lowest": 1.0})


@pytest.mark.parametrize("logit", [float("nan"), float("inf")])
def test_a_logit_that_is_no_number_is_a_failure_and_no_score(logit: float) -> None:
    score = draft_score([2.0, logit], [passage(300), passage(100)])
    assert (score.value, score.failed) == (None, True)
