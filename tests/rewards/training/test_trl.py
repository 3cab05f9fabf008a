"""Rewards as TRL calls them."""

import inspect
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rewards.base import Asked, Draft, Score, abstained, broke
from rewards.trl import JudgeFunction, RewardFunction, drafts_of

WHOLE = " <think>plan</think> <answer>one two</answer>"


@dataclass(frozen=True)
class Words:
    """Counts words; has no opinion on an answer that it was not asked a length for."""

    name: str = "words"
    range: tuple[float, float] = (0.0, 100.0)

    def score(self, draft: Draft) -> Score:
        if draft.asked is None:
            return abstained("no length was asked for")
        return Score(value=float(len(draft.answer.split())))


class Broken:
    name = "quality"

    async def score(self, drafts: Sequence[Draft]) -> Sequence[Score]:
        return [Score(value=1.0) if draft.answer else broke("it fell over") for draft in drafts]


def test_a_reward_gives_a_number_for_each_completion_and_none_where_it_abstains() -> None:
    function = RewardFunction(Words())
    values = function(
        prompts=["Write.", "Write."],
        completions=[WHOLE, WHOLE],
        low_words=[1, None],
        high_words=[5, None],
        trainer_state=object(),
    )
    assert values == [2.0, None]
    assert function.__name__ == "words"


async def test_a_judge_is_awaited_and_its_failures_are_none_and_logged() -> None:
    function = JudgeFunction(Broken())
    logged: dict[str, float] = {}
    values = await function(
        prompts=["Write."] * 2,
        completions=[WHOLE, "<think>for ever"],
        log_metric=logged.__setitem__,
    )
    assert values == [1.0, None]
    assert logged == {"quality/abstained": 0.0, "quality/failed": 0.5}


def test_trl_sees_which_functions_to_await() -> None:
    assert inspect.iscoroutinefunction(JudgeFunction(Broken()).__call__)
    assert not inspect.iscoroutinefunction(RewardFunction(Words()).__call__)


def test_nothing_to_score_is_nothing_to_log() -> None:
    logged: list[Any] = []
    values = RewardFunction(Words())([], [], log_metric=lambda *said: logged.append(said))
    assert values == logged == []


def test_a_function_can_be_sent_to_another_process() -> None:
    sent = pickle.loads(pickle.dumps(RewardFunction(Words(), end_ids=[0])))
    assert sent(["Write."], [WHOLE], low_words=[1], high_words=[5]) == [2.0]


def test_columns_say_what_was_asked() -> None:
    (draft,) = drafts_of(
        ["<|user|>: Write."],
        [WHOLE],
        {"low_words": [1], "high_words": [5], "max_words": [9], "task": ["Write."]},
    )
    assert draft.prompt == "Write."
    assert draft.asked == Asked(low_words=1, high_words=5, max_words=9)


def test_a_completion_was_ended_by_its_end_token_or_its_closing_tag() -> None:
    completions = ["plain", "plain", "<answer>a</answer>", ""]
    drafts = drafts_of(
        ["Write."] * 4, completions, {"completion_ids": [[5, 0], [5, 6], [7], []]}, end_ids={0}
    )
    assert [draft.ended for draft in drafts] == [True, False, True, False]
