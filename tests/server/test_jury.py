"""Rewards asked together, side by side, whatever becomes of any of them."""

import asyncio
from collections.abc import Sequence

import pytest

from rewards.base import Draft, Score, broke
from rewards.weights import BadWeights
from server.jury import Jury

DRAFTS = [Draft(prompt="", answer=text) for text in ("One.", "Two words.")]
BOUND_S = 5.0


class Chars:
    """How many characters an answer has."""

    name, range = "chars", (0.0, 1e9)

    def score(self, draft: Draft) -> Score:
        return Score(value=float(len(draft.answer)))


class Partner:
    """A judge that is done only once the other one has begun."""

    name, range = "partner", (0.0, 1.0)

    def __init__(self, mine: asyncio.Event, others: asyncio.Event) -> None:
        self.mine, self.others = mine, others

    async def score(self, drafts: Sequence[Draft]) -> Sequence[Score]:
        self.mine.set()
        await self.others.wait()
        return [Score(value=0.5)] * len(drafts)


class Down:
    """A judge that breaks against its contract, or as it says."""

    name, range = "down", (0.0, 1.0)

    def __init__(self, *, raises: bool) -> None:
        self.raises = raises

    async def score(self, drafts: Sequence[Draft]) -> Sequence[Score]:
        if self.raises:
            raise OSError(drafts[0].answer)
        return [Score(value=1.0), broke("timed out")]


async def test_every_draft_has_the_scores_of_every_reward_that_weighs() -> None:
    jury = Jury(rewards={"chars": Chars(), "more": Chars()})
    scores = await jury.hear(DRAFTS, jury.panel({"chars": 1, "more": 0}))
    assert scores == ({"chars": Score(value=4.0)}, {"chars": Score(value=10.0)})


async def test_judges_work_side_by_side() -> None:
    one, other = asyncio.Event(), asyncio.Event()
    jury = Jury(judges={"a": Partner(one, other), "b": Partner(other, one)})
    async with asyncio.timeout(BOUND_S):
        scores = await jury.hear(DRAFTS, jury.panel({"a": 1, "b": 1}))
    assert [list(each) for each in scores] == [["a", "b"]] * 2


@pytest.mark.parametrize(("raises", "failures"), [(True, 2), (False, 1)])
async def test_a_judge_that_breaks_is_counted_and_the_others_are_heard(
    raises: bool, failures: int, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, int]] = []

    def count(name: str, seconds: float, failed: int) -> None:
        assert seconds >= 0
        heard.append((name, failed))

    jury = Jury(rewards={"chars": Chars()}, judges={"down": Down(raises=raises)}, heard=count)
    scores = await jury.hear(DRAFTS, jury.panel({"chars": 1, "down": 1}))
    assert [score["chars"].value for score in scores] == [4.0, 10.0]
    assert scores[1]["down"].failed
    assert sorted(heard) == [("chars", 0), ("down", failures)]
    # What was to be judged stays out of reports and logs.
    assert "One." not in caplog.text + str(scores[0]["down"].why)


async def test_drafts_under_way_are_heard_without_what_only_an_end_shows() -> None:
    jury = Jury(rewards={"chars": Chars()}, judges={"down": Down(raises=False)})
    drafts = [Draft(prompt="", answer="One. Two.", raw="<think>a</think><answer>One. Two.")] * 2
    scores = await jury.hear_so_far(drafts, jury.panel({"down": 1, "chars": 1}))
    assert sorted(scores[0]) == ["down", "format", "length", "repetition"]
    assert scores[0]["format"].value == 1.0
    without = await jury.hear_so_far(drafts, jury.panel({"chars": 1}))
    assert "down" not in without[0]


def test_a_panel_weighs_only_what_there_is() -> None:
    jury = Jury(rewards={"chars": Chars()}, judges={"down": Down(raises=True)})
    assert jury.names == ("chars", "down")
    assert jury.panel({"down": 2}).weights == {"chars": 0.0, "down": 2.0}
    with pytest.raises(BadWeights, match="there are: chars, down"):
        jury.panel({"beauty": 1})


async def test_a_judge_that_leaves_a_draft_out_has_broken() -> None:
    jury = Jury(judges={"down": Down(raises=False)})
    [only] = await jury.hear(DRAFTS[:1], jury.panel({"down": 1}))
    assert only["down"] == broke("ValueError")


async def test_a_jury_of_which_nobody_keeps_count_hears_as_well() -> None:
    jury = Jury(rewards={"chars": Chars()})
    assert await jury.hear([], jury.panel({"chars": 1})) == ()
