"""Bradley-Terry training of a sequence classifier; it must not know files of pairs, or reports."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as nnf
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from planner.words import count_words
from rewards.quality.batching import batches
from rewards.quality.network import Network, best_device
from rewards.quality.reading import Passage, Reading
from rewards.quality.windows import mean_by_tokens
from rewards.training.course import Course, batch_at, rate_at, sample
from rewards.training.figures import Scored
from rewards.training.pairs import Pair

_LONGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One text of a pair as the model reads it: its windows' token ids, and their tokens."""

    inputs: list[list[int]]
    tokens: list[int]


def fresh_network(base: Path, reading: Reading, seed: int) -> Network:
    """The checkpoint ``base`` as a classifier with one logit: a causal model gets a new head, drawn
    by the seed, and so does a classifier with other labels. float32, on the fastest device."""
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=1, dtype=torch.float32, ignore_mismatched_sizes=True
    )
    return Network(model.to(best_device()), AutoTokenizer.from_pretrained(base), reading)


class Trainer:
    """A network in training. batch_tokens: what goes through it at once, padded."""

    def __init__(
        self, network: Network, pairs: Sequence[Pair], course: Course, *, batch_tokens: int
    ) -> None:
        self.network = network
        self.step = 0
        self.tokens = 0
        self.steps = course.steps_for(len(pairs))
        self._pairs = pairs
        self._course = course
        self._batch_tokens = batch_tokens
        self.optimizer = torch.optim.AdamW(
            network.model.parameters(), lr=course.rate, weight_decay=course.weight_decay
        )

    def run(self, on_step: Callable[[int, float], None]) -> None:
        """All steps that are left; ``on_step`` hears of each, with its loss in nats."""
        self.network.model.train()
        while self.step < self.steps:
            loss = self._learn(batch_at(self.step, self._pairs, self._course))
            self.step += 1
            on_step(self.step, loss)

    def _learn(self, pairs: Sequence[Pair]) -> float:
        # What is random in a forward pass depends on the step alone, so a resumed run draws alike.
        torch.manual_seed(self._course.seed * 1_000_003 + self.step)
        sides = [self._side(pair, at) for at, pair in enumerate(pairs)]
        lengths = [sum(len(ids) for side in both for ids in side.inputs) for both in sides]
        total = 0.0
        for part in batches(lengths, self._batch_tokens):
            with self._precision():
                loss = self._loss([pairs[at] for at in part], [sides[at] for at in part])
            (loss / len(pairs)).backward()
            total += float(loss.detach()) / len(pairs)
        self.tokens += sum(lengths)
        self._update()
        return total

    def _precision(self) -> AbstractContextManager[Any]:
        device = self.network.model.device.type
        reduced = self._course.precision == "bfloat16"
        context: AbstractContextManager[Any] = torch.autocast(
            device, dtype=torch.bfloat16, enabled=reduced
        )
        return context

    def _side(self, pair: Pair, at: int) -> tuple[_Side, _Side]:
        """Both texts of a pair: at most the course's windows of each, drawn by step and place; of
        texts with as many windows the same ones, which differ in little but what matters."""
        return (
            self._windows(pair.prompt, pair.chosen, at),
            self._windows(pair.prompt, pair.rejected, at),
        )

    def _windows(self, prompt: str, answer: str, at: int) -> _Side:
        network, course = self.network, self._course
        passages = network.reading.passages(prompt, answer, network.count)
        return _read(network, sample(passages, course.windows, course.seed, self.step, at))

    def _loss(self, pairs: Sequence[Pair], sides: Sequence[tuple[_Side, _Side]]) -> torch.Tensor:
        inputs = [ids for both in sides for side in both for ids in side.inputs]
        logits = self.network.logits(inputs)
        place, scores = 0, []
        for both in sides:
            for side in both:
                stop = place + len(side.inputs)
                share = torch.tensor(side.tokens, dtype=torch.float32, device=logits.device)
                scores.append((logits[place:stop] * share).sum() / share.sum())
                place = stop
        chosen, rejected = torch.stack(scores[0::2]), torch.stack(scores[1::2])
        margins = torch.tensor([pair.margin for pair in pairs], device=logits.device)
        return bradley_terry_loss(chosen, rejected, margins, self._course.center)

    def _update(self) -> None:
        parameters = list(self.network.model.parameters())
        torch.nn.utils.clip_grad_norm_(parameters, _LONGEST_GRADIENT)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.steps, self._course)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def bradley_terry_loss(
    chosen: torch.Tensor, rejected: torch.Tensor, margins: torch.Tensor, center: float
) -> torch.Tensor:
    """The summed loss in nats of pairs' scores, each [pairs].

    -ln sigmoid(chosen - rejected - margin) (Ouyang et al., arXiv 2203.02155, eq. 1; the margin:
    Llama 2, arXiv 2307.09288, eq. 2) + center * (chosen + rejected)^2 (Eisenstein et al., arXiv
    2312.09244). Scores 2 and 1: ln(1 + e^-1) = 0.3133; with margin 0.5: 0.4741; with center 0.01
    and no margin: 0.3133 + 0.09 = 0.4033.
    """
    preferred = nnf.softplus(-(chosen - rejected - margins))
    return (preferred + center * (chosen + rejected).square()).sum()


def score_pairs(
    network: Network,
    pairs: Sequence[Pair],
    batch_tokens: int,
    on_pair: Callable[[int], Any],
) -> list[Scored]:
    """Every pair with the scores of its whole texts, all windows of them."""
    network.model.eval()
    scored = []
    for done, pair in enumerate(pairs, start=1):
        chosen, rejected = (
            _score(network, pair.prompt, text, batch_tokens)
            for text in (pair.chosen, pair.rejected)
        )
        if not math.isfinite(chosen - rejected):
            raise ArithmeticError("the model's scores are no numbers: the training diverged")
        scored.append(
            Scored(
                chosen=chosen,
                rejected=rejected,
                chosen_words=count_words(pair.chosen),
                rejected_words=count_words(pair.rejected),
                kind=pair.kind,
            )
        )
        on_pair(done)
    return scored


def _score(network: Network, prompt: str, answer: str, batch_tokens: int) -> float:
    side = _read(network, network.reading.passages(prompt, answer, network.count))
    return mean_by_tokens(network.score(side.inputs, batch_tokens), side.tokens)


def _read(network: Network, passages: Sequence[Passage]) -> _Side:
    return _Side(
        inputs=[network.token_ids(passage) for passage in passages],
        tokens=[passage.tokens for passage in passages],
    )
