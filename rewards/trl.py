"""The rewards as reward functions of TRL's ``GRPOTrainer``; it must not import TRL, or train.

Written against TRL 1.16 (``trl/trainer/grpo_trainer.py``, ``_calculate_rewards``): a function gets
``prompts``, ``completions``, ``completion_ids`` and the data set's other columns, each with one
entry a completion, and gives a number or None for each; a None is left out of that completion's
sum. Give one function a reward and ``multi_objective_aggregation="normalize_then_sum"``: each is
then normalised over its group before they are added, as LongWriter-Zero's were (arXiv 2506.18841).

Columns that are read: ``low_words``, ``high_words`` and ``max_words`` for the asked length,
``task`` for what the user asked where the prompt is a filled template.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rewards.base import Draft, Judge, Reward, Score
from rewards.training.completion import Turn, asked_of, closed, draft_of

Prompt = str | Sequence[Turn]
_FACTS = ("low_words", "high_words", "max_words", "task")


class RewardFunction:
    """A pure reward for TRL. A class, not a closure: TRL may pickle it to another process.

    end_ids: the model's end-of-text tokens; a completion that ends in one was ended by the model.
    Without them it was if its answer's tag is closed.
    """

    def __init__(self, reward: Reward, end_ids: Collection[int] = ()) -> None:
        self.__name__ = reward.name
        self._reward = reward
        self._end_ids = frozenset(end_ids)

    def __call__(
        self, prompts: Sequence[Prompt], completions: Sequence[Prompt], **given: Any
    ) -> list[float | None]:
        """One value a completion; None where the reward abstains."""
        drafts = drafts_of(prompts, completions, given, self._end_ids)
        scores = [self._reward.score(draft) for draft in drafts]
        return _values(self.__name__, scores, given)


class JudgeFunction:
    """A judge with a model or a network behind it, for TRL, which awaits it beside the others."""

    def __init__(self, judge: Judge, end_ids: Collection[int] = ()) -> None:
        self.__name__ = judge.name
        self._judge = judge
        self._end_ids = frozenset(end_ids)

    async def __call__(
        self, prompts: Sequence[Prompt], completions: Sequence[Prompt], **given: Any
    ) -> list[float | None]:
        """One value a completion; None where the judge abstains or failed."""
        drafts = drafts_of(prompts, completions, given, self._end_ids)
        return _values(self.__name__, await self._judge.score(drafts), given)


def drafts_of(
    prompts: Sequence[Prompt],
    completions: Sequence[Prompt],
    columns: Mapping[str, Any],
    end_ids: Collection[int] = (),
) -> list[Draft]:
    """The drafts of a batch as TRL hands it over, with what its columns say of each."""
    token_ids = columns.get("completion_ids") if end_ids else None
    drafts = []
    for at, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        facts = {name: columns[name][at] for name in _FACTS if name in columns}
        draft = draft_of(prompt, completion, asked=asked_of(facts), task=facts.get("task"))
        if token_ids is not None:
            # One that ended at a stop string, not at an end token, shows its closing tag.
            last = token_ids[at][-1:]
            draft = replace(draft, ended=closed(completion) or any(i in end_ids for i in last))
        drafts.append(draft)
    return drafts


def _values(name: str, scores: Sequence[Score], given: Mapping[str, Any]) -> list[float | None]:
    """The values; the shares of abstentions and failures go to TRL's log, if it brings one."""
    log: Callable[[str, float], None] | None = given.get("log_metric")
    if log is not None and scores:
        failed = sum(score.failed for score in scores)
        silent = sum(score.value is None for score in scores) - failed
        log(f"{name}/abstained", silent / len(scores))
        log(f"{name}/failed", failed / len(scores))
    return [score.value for score in scores]
