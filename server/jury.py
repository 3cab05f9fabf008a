"""The rewards that this server has, asked together. It must not know candidates or HTTP."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rewards.base import Draft, Judge, Reward, Score, broke
from rewards.format import Format
from rewards.length import Length
from rewards.panel import Panel
from rewards.partial import running_scores
from rewards.repetition import Repetition
from rewards.weights import BadWeights
from server.errors import CannotServe

logger = logging.getLogger(__name__)

# The paper's mean of length, quality and format, whose format reward also punishes repeats
# (arXiv 2506.18841): the two halves of it are ours.
_WEIGHTS = {"length": 1.0, "quality": 1.0, "format": 0.5, "repetition": 0.5}
# (reward, seconds, drafts that it failed on) of one hearing.
Heard = Callable[[str, float, int], None]
Scores = Mapping[str, Score]


def _unheard(_name: str, _seconds: float, _failures: int) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jury:
    """Rewards by name: pure ones, and judges with a model behind them. weights: the default."""

    rewards: Mapping[str, Reward] = field(default_factory=dict)
    judges: Mapping[str, Judge] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    heard: Heard = _unheard

    @property
    def names(self) -> tuple[str, ...]:
        """Every reward that a request may weigh."""
        return (*self.rewards, *self.judges)

    def panel(self, weights: Mapping[str, float]) -> Panel:
        """A panel with a request's weights.

        Raises:
            rewards.weights.BadWeights: the weights are no weights, or name no reward of ours.
        """
        return Panel.of(weights, available=self.names)

    async def hear(self, drafts: Sequence[Draft], panel: Panel) -> tuple[Scores, ...]:
        """The scores of every draft by the rewards that the panel weighs, asked side by side."""
        names = [name for name, weight in panel.weights.items() if weight]
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._ask(name, drafts)) for name in names}
        return _by_draft({name: task.result() for name, task in tasks.items()}, len(drafts))

    async def hear_so_far(self, drafts: Sequence[Draft], panel: Panel) -> tuple[Scores, ...]:
        """The same of drafts that are still being written, without what only an end can show."""
        judges = [name for name in self.judges if panel.weights[name]]
        async with asyncio.TaskGroup() as group:
            pure = group.create_task(asyncio.to_thread(_so_far, drafts))
            tasks = {name: group.create_task(self._ask(name, drafts)) for name in judges}
        judged = _by_draft({name: task.result() for name, task in tasks.items()}, len(drafts))
        return tuple({**one, **other} for one, other in zip(pure.result(), judged, strict=True))

    async def _ask(self, name: str, drafts: Sequence[Draft]) -> Sequence[Score]:
        """Long drafts take milliseconds to judge, so even pure rewards stay off the event loop."""
        began = time.monotonic()
        try:
            if name in self.rewards:
                reward = self.rewards[name]
                scores = await asyncio.to_thread(lambda: [reward.score(each) for each in drafts])
            else:
                scores = list(await self.judges[name].score(drafts))
            if len(scores) != len(drafts):
                raise ValueError(f"{len(scores)} scores for {len(drafts)} drafts")
        except Exception as error:
            # A reward that breaks must not take finished drafts down with it.
            logger.warning("a reward failed", extra={"reward": name, "error": _kind(error)})
            scores = [broke(_kind(error))] * len(drafts)
        failures = sum(score.failed for score in scores)
        self.heard(name, time.monotonic() - began, failures)
        return scores


def _kind(error: Exception) -> str:
    """All that is told of an error: its message may hold a draft's text."""
    return type(error).__name__


def _so_far(drafts: Sequence[Draft]) -> list[Scores]:
    try:
        return [*map(running_scores, drafts)]
    except Exception as error:
        # As above; the whole drafts will show what breaks.
        logger.warning("drafts could not be compared", extra={"error": _kind(error)})
        return [{}] * len(drafts)


def _by_draft(scores: Mapping[str, Sequence[Score]], num_drafts: int) -> tuple[Scores, ...]:
    return tuple({name: found[at] for name, found in scores.items()} for at in range(num_drafts))


def appointed(
    *,
    judges: Mapping[str, Judge],
    weights: Mapping[str, float] | None = None,
    heard: Heard = _unheard,
) -> Jury:
    """The rewards that every server has, and these judges; ``weights`` None: the paper's.

    Raises:
        CannotServe: the weights name a reward that there is none of, or are no weights.
    """
    rewards: dict[str, Reward] = {
        reward.name: reward for reward in (Length(), Format(), Repetition())
    }
    known = {name: _WEIGHTS[name] for name in (*rewards, *judges)}
    jury = Jury(rewards=rewards, judges=judges, weights=weights or known, heard=heard)
    try:
        jury.panel(jury.weights)
    except BadWeights as error:
        raise CannotServe(f"rewards: {error}") from None
    return jury
