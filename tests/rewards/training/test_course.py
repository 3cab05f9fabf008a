"""Rates, order and windows of a course: functions of the seed and the step."""

from typing import Any

import pytest

from rewards.training.course import Course, batch_at, rate_at, sample


def test_rates_rise_and_fall() -> None:
    course = Course(rate=1.0, warm_up_share=0.1)
    rates = [rate_at(step, 100, course) for step in (0, 9, 55, 99)]
    assert rates == pytest.approx([0.1, 1.0, 45 / 91, 1 / 91])


def test_a_rate_never_falls_to_nothing() -> None:
    assert rate_at(999, 1_000, Course(rate=1.0)) == pytest.approx(0.01)


def test_a_course_of_one_step_has_its_full_rate() -> None:
    assert rate_at(0, 1, Course(rate=1.0)) == 1.0


@pytest.mark.parametrize(
    ("course", "pairs", "steps"),
    [
        (Course(), 1_000, 63),
        (Course(epochs=0.5), 1_000, 32),
        (Course(epochs=0.001), 10, 1),
        (Course(steps=5), 1_000, 5),
    ],
)
def test_steps_follow_from_epochs_unless_they_are_given(
    course: Course, pairs: int, steps: int
) -> None:
    assert course.steps_for(pairs) == steps


def test_every_round_sees_every_pair_once_in_another_order() -> None:
    course, pairs = Course(batch=3), list(range(10))
    seen = [pair for step in range(10) for pair in batch_at(step, pairs, course)]
    rounds = [seen[start : start + 10] for start in (0, 10, 20)]
    assert [sorted(one) for one in rounds] == [pairs] * 3
    assert rounds[0] != rounds[1] != rounds[2]


def test_a_step_sees_the_same_pairs_whatever_came_before() -> None:
    course, pairs = Course(batch=4), list(range(10))
    forward = [batch_at(step, pairs, course) for step in range(6)]
    assert [batch_at(step, pairs, course) for step in reversed(range(6))] == forward[::-1]


def test_windows_are_drawn_by_key_and_keep_their_order() -> None:
    drawn = sample("abcdefgh", 3, 7, 1, "chosen")
    assert drawn == sample("abcdefgh", 3, 7, 1, "chosen")
    assert drawn == sorted(drawn)
    assert len(drawn) == 3
    assert {tuple(sample("abcdefgh", 3, 7, step)) for step in range(20)} != {tuple(drawn)}
    assert sample("ab", 3, 7) == ["a", "b"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 0},
        {"rate": -1.0},
        {"windows": 0},
        {"save_every": 0},
        {"weight_decay": -0.1},
        {"center": -1.0},
        {"warm_up_share": 0.0},
        {"held_out_share": 1.0},
        {"steps": 0},
        {"precision": "int4"},
    ],
)
def test_a_course_that_cannot_be_is_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        Course(**wrong)


def test_settings_are_all_that_a_resumed_run_must_share() -> None:
    assert Course(seed=3).settings()["seed"] == 3
    assert Course(seed=3).settings() != Course(seed=4).settings()
