"""A training course: its settings, its rates, and which pairs and windows each step sees.

Everything is a function of the seed and the step, so a course resumes by its step number alone; it
must not know models.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar, get_args

_Item = TypeVar("_Item")
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How to train.

    steps: optimizer steps in all, None: what ``epochs`` take. batch: pairs a step. rate: the
    highest learning rate. warm_up_share: of the steps. windows: of each text at most so many, drawn
    anew each time, are learnt from; a text of more is judged by a sample. center: weight of the
    squared sum of a pair's scores, which keeps their mean near 0 (arXiv 2312.09244, section 5).
    precision: of the arithmetic; weights and optimizer are float32 either way.
    held_out_share: of the prompts. save_every: steps between states to resume from.
    """

    epochs: float = 1.0
    steps: int | None = None
    batch: int = 16
    rate: float = 1e-5
    warm_up_share: float = 0.05
    weight_decay: float = 0.0
    windows: int = 4
    center: float = 0.01
    held_out_share: float = 0.1
    save_every: int = 100
    seed: int = 7
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        positive = ("epochs", "batch", "rate", "windows", "save_every")
        wrong = [name for name in positive if getattr(self, name) <= 0]
        wrong += [name for name in ("weight_decay", "center") if getattr(self, name) < 0]
        wrong += [n for n in ("warm_up_share", "held_out_share") if not 0 < getattr(self, n) < 1]
        wrong += ["precision"] if self.precision not in get_args(Precision) else []
        wrong += ["steps"] if self.steps is not None and self.steps < 1 else []
        if wrong:
            raise ValueError(f"{wrong[0]} cannot be {getattr(self, wrong[0])}")

    def steps_for(self, pairs: int) -> int:
        """Steps in all: 1,000 pairs, batch 16, 1 epoch: 63; at least one."""
        return self.steps or max(1, -int(-self.epochs * pairs // self.batch))

    def settings(self) -> dict[str, Any]:
        """What has to be the same when a course is resumed."""
        return asdict(self)


def rate_at(step: int, steps: int, course: Course) -> float:
    """The learning rate of a step: linearly up, then linearly down to a hundredth.

    Of 100 steps with a warm-up of 0.1 and a rate of 1.0: 0.1 at step 0, 1.0 at step 9, and
    45 / 91 = 0.495 at step 55.
    """
    warm_up = max(1, round(course.warm_up_share * steps))
    left = (steps - step) / max(1, steps - warm_up + 1)
    return course.rate * min(1.0, (step + 1) / warm_up, max(0.01, left))


def batch_at(step: int, pairs: Sequence[_Item], course: Course) -> list[_Item]:
    """The pairs of a step: the file's, shuffled anew for every round through them."""
    first = step * course.batch
    taken = []
    for place in range(first, first + course.batch):
        turn, at = divmod(place, len(pairs))
        taken.append(pairs[_order(len(pairs), turn, course.seed)[at]])
    return taken


def sample(items: Sequence[_Item], most: int, *key: object) -> list[_Item]:
    """At most ``most`` of the items in their order, the same ones for the same key."""
    if len(items) <= most:
        return list(items)
    chosen = random.Random("/".join(map(str, key))).sample(range(len(items)), most)
    return [items[at] for at in sorted(chosen)]


@lru_cache(maxsize=2)
def _order(size: int, turn: int, seed: int) -> list[int]:
    """Kept: a step asks for it many times, and two rounds may meet in one."""
    order = list(range(size))
    random.Random(f"{seed}/{turn}").shuffle(order)
    return order
