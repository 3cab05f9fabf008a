"""Rewards as verl calls them."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rewards import verl
from rewards.base import Draft, Score, abstained, broke
from rewards.verl import Unjudged, compute_score

ANSWER = "Tea is a drink. Rivers run to the sea. Who would have thought of that in March?"
WHOLE = f"<think>plan</think><answer>{ANSWER}</answer>"
ASKED = {"low_words": 10, "high_words": 20}


class Model:
    """A quality model that says what it is told to, and remembers what it was shown."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.seen: list[Draft] = []

    def score_here(self, drafts: Sequence[Draft]) -> list[Score]:
        self.seen += drafts
        return [self.score]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    made = Model(Score(value=2.0))
    module = ModuleType("rewards.quality.classifier")
    vars(module)["open_classifier"] = lambda folder: made
    monkeypatch.setitem(sys.modules, "rewards.quality.classifier", module)
    verl._classifier.cache_clear()
    return made


def test_rewards_are_averaged_by_weight_and_told_one_by_one() -> None:
    told = compute_score("tea", WHOLE, None, {"low_words": 20, "high_words": 40})
    assert told["length"] == pytest.approx(17 / 20)
    assert (told["format"], told["failed"]) == (1.0, 0.0)
    expected = (told["length"] + 0.5 * told["format"] + 0.5 * told["repetition"]) / 2
    assert told["score"] == pytest.approx(expected)


def test_what_was_asked_may_stand_in_the_ground_truth() -> None:
    assert compute_score("tea", WHOLE, ASKED)["length"] == 1.0


def test_a_reward_without_an_opinion_is_left_out_and_not_counted_as_zero() -> None:
    told = compute_score("tea", WHOLE, "no mapping", None)
    assert math.isnan(told["length"])
    assert told["score"] == pytest.approx((told["format"] + told["repetition"]) / 2)


def test_a_quality_model_counts_as_its_chance_to_win(model: Model) -> None:
    told = compute_score("tea", WHOLE, ASKED, {"question": "Write of tea."}, quality="folder")
    assert told["quality"] == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert model.seen[0].prompt == "Write of tea."
    assert model.seen[0].answer == ANSWER


@pytest.mark.parametrize(("score", "failed"), [(broke("it fell over"), 1.0), (abstained("?"), 0.0)])
def test_a_model_that_fails_or_abstains_is_told_and_not_counted(
    model: Model, score: Score, failed: float
) -> None:
    model.score = score
    told = compute_score("tea", WHOLE, ASKED, quality="folder")
    assert math.isnan(told["quality"])
    assert told["failed"] == failed
    assert told["score"] == compute_score("tea", WHOLE, ASKED)["score"]


def test_weights_can_be_chosen() -> None:
    told = compute_score("tea", "no tags", ASKED, weights={"format": 2, "length": 0})
    assert set(told) == {"score", "format", "failed"}
    assert told["score"] == told["format"]


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        ({"lenght": 1}, "lenght"),
        ({"quality": 1}, "takes a model"),
        ({"length": 0}, "not all 0"),
        ({"length": -1}, "0 or more"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        compute_score("tea", WHOLE, ASKED, weights=weights)


def test_nobody_with_an_opinion_is_an_error() -> None:
    with pytest.raises(Unjudged, match="length: no length was asked for"):
        compute_score("tea", WHOLE, None, weights={"length": 1})


def test_the_quality_model_is_loaded_from_its_folder_once(
    monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    opened: list[Path] = []

    def open_classifier(folder: Path) -> Model:
        opened.append(folder)
        return model

    vars(sys.modules["rewards.quality.classifier"])["open_classifier"] = open_classifier
    for _ in range(2):
        compute_score("tea", WHOLE, ASKED, quality="folder")
    assert opened == [Path("folder")]
