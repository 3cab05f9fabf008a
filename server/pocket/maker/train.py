"""Trains the network on packed rows and hands over its weights; writes no other file."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from server.pocket.maker.copying import plant_copying
from server.pocket.maker.loss import sliced_cross_entropy
from server.pocket.maker.muon import Muon
from server.pocket.maker.network import EMBEDDING, Shape, Weights, forward, fresh_weights
from server.pocket.maker.packing import Diet, Packer, Row

_WARM_UP_STEPS = 60
_AVERAGE_RATE = 0.02
_FLOOR = 0.02
_SEEDS_PER_STAGE = 10**8


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the training: its steps, each of `batch` rows of the diet."""

    steps: int
    batch: int
    diet: Diet

    @property
    def tokens(self) -> int:
        """Tokens read in all: 1,200 steps of 4 rows of 1,024 are 4.9 M."""
        return self.steps * self.batch * self.diet.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A whole training: its stages, with one optimizer and one schedule of rates over them.

    `decay_share`: the last part of the steps, in which the rates fall.
    """

    stages: tuple[Stage, ...]
    seed: int = 7
    save_every: int = 200
    muon_rate: float = 0.02
    adam_rate: float = 0.003
    decay_share: float = 0.5

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def tokens(self) -> int:
        """Tokens of all stages."""
        return sum(stage.tokens for stage in self.stages)


class Trainer:
    """Weights in training: one step at a time, on rows that the caller brings.

    `average` trails the weights over some 50 steps: it writes well before the rates have fallen.
    """

    def __init__(self, weights: Weights, shape: Shape, course: Course) -> None:
        self.weights = weights
        self._shape = shape
        self._course = course
        self.average = {name: weight.detach().clone() for name, weight in weights.items()}
        matrices = [w for name, w in weights.items() if w.ndim == 2 and name != EMBEDDING]
        others = [w for name, w in weights.items() if w.ndim != 2 or name == EMBEDDING]
        self._muon = Muon(matrices)
        self._adam = torch.optim.AdamW(
            others, lr=course.adam_rate, betas=(0.9, 0.95), weight_decay=0.0
        )

    def step(self, rows: list[Row], rate: float) -> float:
        """Learns from the rows at `rate` times the full rates; the mean loss before the step."""
        loss = self._backward(rows)
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self._muon.step(self._course.muon_rate * rate)
        for group in self._adam.param_groups:
            group["lr"] = self._course.adam_rate * rate
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, weight in self.weights.items():
                self.average[name].lerp_(weight, _AVERAGE_RATE)
        return loss

    def _backward(self, rows: list[Row]) -> float:
        tokens = torch.tensor([row.tokens for row in rows])
        pieces = torch.tensor([row.pieces for row in rows])
        weights = torch.tensor([row.weights for row in rows])[:, 1:]
        learnt = (weights > 0) & (pieces[:, 1:] == pieces[:, :-1])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = forward(self.weights, self._shape, tokens[:, :-1], pieces[:, :-1])
        chosen = states[learnt].to(torch.bfloat16)
        embedding = self.weights[EMBEDDING]
        loss = sliced_cross_entropy(
            chosen.detach(), embedding, tokens[:, 1:][learnt], weights[learnt]
        )
        chosen.backward(loss.states_gradient)
        embedding.grad += loss.head_gradient
        return loss.value


def train(tokenizer: Tokenizer, course: Course, target: Path) -> Shape:
    """Trains fresh weights; saves them to `target` on the way and at the end."""
    torch.manual_seed(course.seed)
    shape = Shape(vocabulary=tokenizer.get_vocab_size())
    weights = fresh_weights(shape)
    plant_copying(weights, shape, _sample(tokenizer, course.seed), course.seed)
    run_course(tokenizer, Trainer(weights, shape, course), course, target)
    return shape


def _sample(tokenizer: Tokenizer, seed: int) -> torch.Tensor:
    """Text and as many random tokens [48, 1024], to fit the copying heads to."""
    packer = Packer(tokenizer, Diet(stub_share=0.5), seed=seed)
    text = torch.tensor([row.tokens[:-1] for row in islice(packer.rows(), 24)])
    return torch.cat((text, torch.randint(1, tokenizer.get_vocab_size(), text.shape)))


def run_course(tokenizer: Tokenizer, trainer: Trainer, course: Course, target: Path) -> None:
    """All steps of a course, on rows drawn by its seed."""
    step, smooth = 0, 0.0
    with _progress() as bar:
        task = bar.add_task("training", total=course.steps, loss=smooth)
        for batch in batches(tokenizer, course):
            loss = trainer.step(batch, learning_rate(step, course))
            smooth = loss if step == 0 else smooth + 0.02 * (loss - smooth)
            step += 1
            bar.update(task, advance=1, loss=smooth)
            if step % course.save_every == 0:
                save_weights(trainer.average, target)
                bar.console.print(f"step {step} of {course.steps}: loss {smooth:.4f}")
    save_weights(trainer.average, target)


def batches(tokenizer: Tokenizer, course: Course) -> Iterator[list[Row]]:
    """The rows of every step, stage after stage; no draft comes twice."""
    for number, stage in enumerate(course.stages):
        seed = (course.seed * len(course.stages) + number) * _SEEDS_PER_STAGE
        rows = Packer(tokenizer, stage.diet, seed=seed).rows()
        for _ in range(stage.steps):
            yield list(islice(rows, stage.batch))


def learning_rate(step: int, course: Course) -> float:
    """The share of the full rate: up in 60 steps, flat, then linearly down to 2 %.

    Of 1,000 steps, half of them to decay: 0.5 at step 29, 1.0 at step 400, 0.5 at step 750.
    """
    decay_steps = course.decay_share * course.steps
    left = (course.steps - step) / decay_steps if decay_steps else 1.0
    return min(1.0, (step + 1) / _WARM_UP_STEPS, max(_FLOOR, left))


def save_weights(weights: Weights, target: Path) -> None:
    """Writes the weights in bf16."""
    tensors = {
        name: weight.detach().to(torch.bfloat16).contiguous() for name, weight in weights.items()
    }
    save_file(tensors, target, metadata={"format": "pt"})


def load_weights(source: Path) -> Weights:
    """Reads weights that `save_weights` wrote, ready to be trained on."""
    tensors = load_file(source)
    return {name: weight.float().requires_grad_() for name, weight in tensors.items()}


def count_parameters(source: Path) -> int:
    """The number of parameters in a weights file; the tied head counts once."""
    return sum(tensor.numel() for tensor in load_file(source).values())


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        refresh_per_second=0.2,
    )
