"""The panel: rewards normalised over the group, weighed, and the verdict explained."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.base import Score, abstained, broke
from rewards.panel import Panel, normalised
from rewards.verdict import Ending
from rewards.weights import BadWeights, UnknownReward

KNOWN = ("length", "format", "quality")


def scores(**values: float | None) -> dict[str, Score]:
    return {
        name: abstained("no opinion") if value is None else Score(value=value)
        for name, value in values.items()
    }


def panel(**weights: float) -> Panel:
    return Panel.of(weights or None, KNOWN)


def test_values_are_measured_in_deviations_from_the_groups_mean() -> None:
    third = math.sqrt(1.5)
    assert normalised([1, 2, 3]) == pytest.approx([-third, 0, third])
    assert normalised([]) == []
    assert normalised([7.0]) == [0.0]


def test_equal_values_tell_no_draft_from_another() -> None:
    assert normalised([0.3, 0.3, 0.3]) == [0, 0, 0]
    assert normalised([0.1 + 0.2, 0.3]) == [0, 0]
    assert normalised([0.0, 0.0]) == [0, 0]


def test_the_smallest_and_largest_differences_count_alike() -> None:
    for unit in (1e-300, 1e-200, 1e200):
        assert normalised([0.0, unit]) == [-1, 1]


def test_each_reward_has_the_same_say_whatever_its_scale() -> None:
    verdict = panel().judge(
        [
            scores(length=1.0, format=1.0, quality=-3.0),
            scores(length=0.9, format=1.0, quality=4.0),
            scores(length=0.2, format=1.0, quality=3.9),
        ]
    )
    assert verdict.ranking == (1, 0, 2)
    assert verdict.best == 1
    assert verdict.why == ""
    first, second, third = verdict.candidates
    assert [candidate.place for candidate in verdict.candidates] == [2, 1, 3]
    assert second.reason == ""
    assert first.reason == "quality 7 below the winner's"
    assert third.reason == "length 0.7 below the winner's"
    assert first.raw["quality"].value == -3.0
    assert second.normalised["format"] == 0
    assert second.total == pytest.approx(sum(second.normalised.values()) / 3)


def test_a_weight_shifts_the_verdict_and_a_weight_of_zero_silences() -> None:
    group = [scores(length=1.0, quality=0.0), scores(length=0.0, quality=1.0)]
    assert panel(length=2, quality=1).judge(group).best == 0
    assert panel(length=1, quality=2).judge(group).best == 1
    only = panel(quality=1).judge(group)
    assert only.best == 1
    assert only.candidates[0].normalised == {"quality": -1.0}
    assert only.candidates[0].raw["length"].value == 1.0
    assert only.weights == {"length": 0.0, "format": 0.0, "quality": 1.0}


def test_a_reward_without_an_opinion_leaves_its_weight_to_the_others() -> None:
    verdict = panel().judge(
        [
            scores(length=0.0, quality=0.0),
            scores(length=1.0, quality=None),
            {"length": Score(value=0.0), "quality": broke("timeout")},
        ]
    )
    first, second, third = verdict.candidates
    assert second.total == second.normalised["length"]
    assert third.total == third.normalised["length"] < 0
    assert third.raw["quality"].failed
    assert first.normalised["quality"] == 0
    assert first.total == pytest.approx(first.normalised["length"] / 2)
    assert verdict.ranking == (1, 0, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_no_opinion(value: float) -> None:
    verdict = panel().judge([scores(quality=value), scores(quality=0.1), scores(quality=0.2)])
    assert verdict.ranking == (2, 1, 0)
    assert verdict.candidates[0].total is None


def test_a_draft_that_nobody_judged_stands_behind_those_that_were() -> None:
    verdict = panel().judge([{}, scores(length=0.1), scores(length=0.9)])
    assert verdict.ranking == (2, 1, 0)
    assert verdict.candidates[0].reason == "no reward had an opinion on it"


def test_where_all_abstain_the_first_finished_draft_is_taken_and_that_is_said() -> None:
    verdict = panel().judge(
        [scores(length=None), scores(length=None), {}],
        [Ending.UNFINISHED, Ending.FINISHED, Ending.FINISHED],
    )
    assert verdict.ranking == (1, 2, 0)
    assert not verdict.judged
    assert verdict.why == "no reward had an opinion: the first finished draft was taken"
    assert [one.reason for one in verdict.candidates] == [
        "not finished",
        "",
        "no reward had an opinion on it",
    ]


def test_a_finished_draft_stands_before_any_other_whatever_they_score() -> None:
    verdict = panel().judge(
        [scores(length=1.0), scores(length=0.0), scores(length=0.9), scores(length=0.5)],
        [Ending.FAILED, Ending.FINISHED, Ending.UNFINISHED, Ending.UNFINISHED],
    )
    assert verdict.ranking == (1, 2, 3, 0)
    assert verdict.candidates[0].reason == "failed"
    assert verdict.candidates[2].reason == "not finished"


def test_where_none_finished_the_best_of_them_is_taken_and_that_is_said() -> None:
    verdict = panel().judge(
        [scores(length=0.2), scores(length=0.9)], [Ending.UNFINISHED, Ending.UNFINISHED]
    )
    assert verdict.best == 1
    assert verdict.why == "no draft was finished"
    failed = panel().judge([{}, scores(length=0.1)], [Ending.FAILED, Ending.FAILED])
    assert failed.ranking == (1, 0)


def test_equal_totals_go_by_the_raw_values_and_then_by_the_index() -> None:
    verdict = panel().judge([scores(length=1.0, quality=2.0), scores(length=0.5, quality=3.0)])
    assert [one.total for one in verdict.candidates] == [0, 0]
    assert verdict.ranking == (1, 0)
    same = panel().judge([scores(length=0.5)] * 3)
    assert same.ranking == (0, 1, 2)
    assert same.candidates[2].reason == "scored as high as the winner, which was first"


def test_a_loser_is_told_the_fault_that_set_it_back_most() -> None:
    short = Score(value=0.45, why="shorter than asked: 812 of [1800, 2200] words")
    verdict = panel().judge(
        [
            {"length": short, "quality": Score(value=0.9)},
            {"length": Score(value=1.0), "quality": Score(value=1.0)},
            {"length": Score(value=0.9), "quality": Score(value=0.2)},
        ]
    )
    assert verdict.candidates[0].reason == "shorter than asked: 812 of [1800, 2200] words"
    assert verdict.candidates[2].reason == "quality 0.8 below the winner's"


def test_drafts_judged_by_other_rewards_than_the_winner_are_not_compared_with_it() -> None:
    verdict = panel().judge(
        [scores(length=1.0), scores(length=0.9), scores(quality=1.0), scores(quality=2.0)]
    )
    assert verdict.ranking[0] == 3
    assert verdict.candidates[1].reason == "scored lower, by other rewards than the winner"


def test_a_single_draft_wins() -> None:
    verdict = panel().judge([scores(length=0.1)])
    assert (verdict.best, verdict.candidates[0].total) == (0, 0.0)


def test_no_draft_and_an_ending_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="no draft"):
        panel().judge([])
    with pytest.raises(ValueError, match="zip"):
        panel().judge([{}], [Ending.FINISHED, Ending.FINISHED])


def test_without_weights_all_rewards_weigh_alike() -> None:
    assert Panel.of(None, KNOWN).weights == {"length": 1.0, "format": 1.0, "quality": 1.0}
    assert Panel.of({"length": 2}, KNOWN).weights == {"length": 2.0, "format": 0.0, "quality": 0.0}


def test_an_unknown_reward_is_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownReward) as refused:
        Panel.of({"length": 1, "beauty": 1}, KNOWN)
    assert refused.value.field == "beauty"
    assert refused.value.possible == KNOWN
    assert str(refused.value) == "unknown reward 'beauty'; there are: length, format, quality"


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_a_weight_that_is_no_share_is_refused_with_its_name(weight: float) -> None:
    with pytest.raises(BadWeights, match="the weight of format must be") as refused:
        Panel.of({"length": 1, "format": weight}, KNOWN)
    assert refused.value.field == "format"


@pytest.mark.parametrize("weights", [{}, {"length": 0}, {"length": 0, "format": 0}])
def test_weights_that_weigh_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(BadWeights, match="above 0") as refused:
        Panel.of(weights, KNOWN)
    assert refused.value.field == ""


def test_a_panel_without_any_reward_is_refused() -> None:
    with pytest.raises(BadWeights, match="no reward"):
        Panel.of(None, ())


_VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6))
_DRAFT = st.tuples(st.fixed_dictionaries(dict.fromkeys(KNOWN, _VALUES)), st.sampled_from(Ending))


@given(data=st.data(), drafts=st.lists(_DRAFT, min_size=1, max_size=8))
def test_another_order_of_the_drafts_gives_the_same_verdict(
    data: st.DataObject, drafts: list[tuple[dict[str, float | None], Ending]]
) -> None:
    group = [(scores(**values), ending) for values, ending in drafts]
    order = data.draw(st.permutations(range(len(group))))

    def judged(indices: list[int]) -> list[tuple[object, ...]]:
        verdict = panel().judge([group[i][0] for i in indices], [group[i][1] for i in indices])
        assert sorted(verdict.ranking) == list(range(len(indices)))
        places = [verdict.candidates[i].place for i in verdict.ranking]
        assert places == list(range(1, len(indices) + 1))
        return [
            (one.ending, one.total) for one in map(verdict.candidates.__getitem__, verdict.ranking)
        ]

    assert judged(list(range(len(group)))) == judged(order)


def test_those_that_are_left_are_judged_by_a_scale_that_the_stopped_still_belong_to() -> None:
    judge = panel(length=1, quality=2)
    left = [scores(length=1.0, quality=2.0), scores(length=0.9, quality=2.1)]
    stopped = [scores(length=0.2, quality=-3.0), scores(length=0.1, quality=1.0)]
    # Alone any difference is as good as any other, so the weights decide.
    assert judge.judge(left).ranking == (1, 0)
    beside = judge.judge_beside(left, stopped)
    assert beside.ranking == (0, 1)
    assert [one.place for one in beside.candidates] == [1, 2]
    assert beside.judged
    assert judge.judge_beside(left, []) == judge.judge(left)


def test_only_those_that_are_left_count_for_whether_anything_was_judged() -> None:
    silent = scores(quality=None)
    assert not panel(quality=1).judge_beside([silent, silent], [scores(quality=1.0)]).judged
    with pytest.raises(ValueError, match="no draft"):
        panel(quality=1).judge_beside([], [silent])
