"""The report and the card of a trained quality model."""

import json

from rewards.quality.reading import Reading
from rewards.training.card import Report, card, lines
from rewards.training.course import Course
from rewards.training.figures import Figures, Scored, figures


def measured() -> Figures:
    return figures(
        [
            Scored(chosen=2.0, rejected=0.0, chosen_words=10, rejected_words=12, kind="flat"),
            Scored(chosen=1.0, rejected=2.0, chosen_words=14, rejected_words=12, kind="stray"),
        ]
    )


def report() -> Report:
    return Report(
        base="base",
        parameters=4_002_304,
        train_pairs=900,
        held_out_pairs=2,
        steps=57,
        tokens=123_456,
        trained_s=1.5,
        course=Course().settings(),
        reading=Reading(window_tokens=512, prompt_tokens=64).declared(),
        figures=measured(),
    )


def test_a_report_is_plain_json() -> None:
    held = json.loads(json.dumps(report().to_json()))
    assert held["figures"]["overall"] == {"accuracy": 0.5, "pairs": 2}
    assert held["figures"]["by_kind"]["flat"]["accuracy"] == 1.0
    assert held["course"]["batch"] == 16
    assert held["reading"]["window_tokens"] == 512


def test_a_card_says_what_was_measured() -> None:
    text = card(report(), title="The model", intro="For tests.\n")
    assert "# The model\n\nFor tests.\n\n" in text
    assert "# The model\n\nA sequence classifier" in card(report(), "The model", "")
    for row in (
        "| parameters | 4,002,304 |",
        "| accuracy | 50.0% of 2 pairs |",
        "| flat | 1 | 100.0% |",
        "| accuracy where both are as long | no such pair |",
        "| mean words, chosen and rejected | 12 and 12 |",
        "| correlation of difference in score and in words | -1.000 |",
    ):
        assert row in text


def test_a_pair_without_a_kind_is_told_as_such() -> None:
    told = figures([Scored(chosen=1.0, rejected=0.0, chosen_words=5, rejected_words=5)])
    assert "accuracy, no kind: 100.0% of 1 pairs" in lines(told)
    assert "correlation of difference in score and in words: not defined" in lines(told)
