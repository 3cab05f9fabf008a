"""The rewards as a ``compute_score`` for verl; it must not import verl, or train.

verl calls it for one completion (verl, docs/preparation/reward_function.rst; its reward managers
take a number, or a dictionary with ``score`` whose other entries are logged):

    custom_reward_function.path=.../rewards/verl.py custom_reward_function.name=compute_score
    +custom_reward_function.reward_kwargs.quality=DIR

verl has one number a completion and normalises it over the group, so here the rewards are averaged
first, each in [0, 1]; TRL can normalise each on its own (``rewards.trl``), as the paper did.
"""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rewards.base import Draft, Reward, Score
from rewards.format import Format
from rewards.length import Length
from rewards.repetition import Repetition
from rewards.training.completion import asked_of, draft_of

if TYPE_CHECKING:
    from rewards.quality.classifier import Classifier

# The paper's thirds (arXiv 2506.18841): length, writing, and format with repetition.
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"length": 1.0, "format": 0.5, "repetition": 0.5, "quality": 1.0}
)
_PURE: tuple[Reward, ...] = (Length(), Format(), Repetition())
_TASKS = ("task", "question", "prompt")


class Unjudged(ValueError):
    """No reward has an opinion on a completion; verl has no way to be told so."""


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    **given: Any,
) -> dict[str, float]:
    """``score``: the weighted mean of the rewards that have an opinion; each reward by its name
    (nan where it has none) and ``failed``, how many broke.

    What was asked comes from ``extra_info`` or a mapping as ``ground_truth``: ``low_words``,
    ``high_words``, ``max_words``; the user's request as ``task``, ``question`` or ``prompt``.
    ``given``, verl's ``reward_kwargs``: ``weights`` by name instead of ``WEIGHTS``, and
    ``quality``, the folder of a quality model; its logit r counts as sigmoid(r). ``data_source`` is
    not read.

    Length 0.6, format 1.0 and repetition 0.8: (0.6 + 0.5 * 1.0 + 0.5 * 0.8) / 2 = 0.75.

    Raises:
        Unjudged: every reward abstained or failed.
        ValueError: unknown, negative or no weights, one for quality without its folder; a range
            of words that is none.
        CannotJudge: no quality model in that folder.
    """
    folder = given.get("quality")
    weights = _weights(given.get("weights"), with_quality=folder is not None)
    facts = {**(ground_truth if isinstance(ground_truth, Mapping) else {}), **(extra_info or {})}
    task = next((facts[name] for name in _TASKS if isinstance(facts.get(name), str)), "")
    draft = draft_of(task, solution_str, asked=asked_of(facts))
    scores = {reward.name: _scaled(reward, reward.score(draft)) for reward in _PURE}
    if folder is not None:
        scores["quality"] = _squashed(_classifier(Path(folder)), draft)
    return _told({name: scores[name] for name in weights}, weights)


def _told(scores: Mapping[str, Score], weights: Mapping[str, float]) -> dict[str, float]:
    values = {name: score.value for name, score in scores.items() if score.value is not None}
    total = sum(weights[name] for name in values)
    if not total:
        whys = (f"{name}: {score.why}" for name, score in scores.items())
        raise Unjudged(f"no reward has an opinion ({'; '.join(whys)})")
    score = sum(weights[name] * value for name, value in values.items()) / total
    # The same names for every completion: verl lines them up.
    each = {name: values.get(name, math.nan) for name in scores}
    failed = sum(score.failed for score in scores.values())
    return {"score": score, **each, "failed": float(failed)}


def _weights(given: Mapping[str, float] | None, *, with_quality: bool) -> dict[str, float]:
    told = dict(WEIGHTS if given is None else given)
    if given is None and not with_quality:
        del told["quality"]
    if told.get("quality") and not with_quality:
        raise ValueError("a weight for quality takes a model: quality=FOLDER")
    unknown = sorted(set(told) - set(WEIGHTS))
    if unknown:
        raise ValueError(f"no reward {', '.join(unknown)}; there are {', '.join(WEIGHTS)}")
    if not any(told.values()) or any(weight < 0 for weight in told.values()):
        raise ValueError(f"weights must be 0 or more and not all 0, not {told}")
    return {name: float(weight) for name, weight in told.items() if weight}


def _scaled(reward: Reward, score: Score) -> Score:
    """The score with its value moved from the reward's range to [0, 1]."""
    if score.value is None:
        return score
    low, high = reward.range
    return Score(value=(score.value - low) / (high - low))


def _squashed(classifier: "Classifier", draft: Draft) -> Score:
    """A logit as the chance to be preferred to a text of logit 0: 0.0 -> 0.5, 2.0 -> 0.881."""
    (score,) = classifier.score_here([draft])
    if score.value is None:
        return score
    return Score(value=0.5 + 0.5 * math.tanh(score.value / 2))


@cache
def _classifier(folder: Path) -> "Classifier":
    """Loaded once a process; here, not above, for it brings torch and transformers."""
    from rewards.quality.classifier import open_classifier

    return open_classifier(folder)
