"""The measures of a quality model, each against its worked number."""

import math

import pytest

from rewards.training.figures import (
    Scored,
    Share,
    accuracy,
    calibration_error,
    correlation,
    figures,
    log_loss,
)


def scored(margin: float, words: tuple[int, int] = (10, 10), kind: str = "") -> Scored:
    return Scored(
        chosen=margin, rejected=0.0, chosen_words=words[0], rejected_words=words[1], kind=kind
    )


def test_accuracy_counts_equal_scores_as_a_half() -> None:
    assert accuracy([scored(m) for m in (1.2, -0.3, 0.0, 0.8)]) == 0.625


def test_log_loss_is_the_losss_own_and_a_coins_is_ln_two() -> None:
    assert log_loss([scored(1.0), scored(-1.0)]) == pytest.approx(0.8133, abs=1e-4)
    assert log_loss([scored(0.0)]) == pytest.approx(math.log(2))
    assert log_loss([scored(-1_000.0)]) == pytest.approx(1_000.0)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    sure = math.log(19)
    assert calibration_error([scored(m) for m in (sure, sure, -sure, sure)]) == pytest.approx(0.2)


def test_calibration_goes_bin_by_bin() -> None:
    pairs = [scored(math.log(19)), scored(math.log(1.5)), scored(-math.log(1.5))]
    # One sure and right: |1 - 0.95|; two at 0.6, one right: |0.5 - 0.6|.
    assert calibration_error(pairs) == pytest.approx((0.05 + 2 * 0.1) / 3)


def test_the_surest_pairs_are_in_the_last_bin() -> None:
    assert calibration_error([scored(1_000.0)]) == 0.0


def test_correlation_is_pearsons() -> None:
    assert correlation([(1, 10), (2, 30), (3, 20)]) == pytest.approx(0.5)
    assert correlation([(1, 5), (2, 5)]) is None


def test_figures_tell_kinds_and_lengths_apart() -> None:
    pairs = [
        scored(1.0, (5, 9), "flat"),
        scored(-1.0, (9, 5), "flat"),
        scored(2.0, (9, 5), "stray"),
    ]
    told = figures(pairs)
    assert told.overall == Share(accuracy=2 / 3, pairs=3)
    assert told.by_kind == {
        "flat": Share(accuracy=0.5, pairs=2),
        "stray": Share(accuracy=1.0, pairs=1),
    }
    assert told.chosen_shorter == Share(accuracy=1.0, pairs=1)
    assert told.chosen_longer == Share(accuracy=0.5, pairs=2)
    assert told.same_length is None
    assert told.mean_margin == pytest.approx(2 / 3)
    assert told.mean_words == (pytest.approx(23 / 3), pytest.approx(19 / 3))
    assert told.margin_length_correlation == pytest.approx(-0.1890, abs=1e-4)


def test_a_judge_of_length_is_seen() -> None:
    told = figures([scored(float(d), (10 + d, 10)) for d in (-3, -1, 2, 4)])
    assert told.margin_length_correlation == pytest.approx(1.0)
    assert told.chosen_shorter == Share(accuracy=0.0, pairs=2)
    assert told.chosen_longer == Share(accuracy=1.0, pairs=2)


def test_no_pair_has_no_figures() -> None:
    with pytest.raises(ValueError, match="no pair"):
        figures([])
