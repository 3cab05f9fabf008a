"""One training from its start, or where it stopped, to its report; it must not parse arguments."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rewards.quality.network import load
from rewards.training.card import Report, card, lines
from rewards.training.figures import Figures, figures
from rewards.training.job import Job
from rewards.training.state import OtherTraining, resume, save_checkpoint, save_state
from rewards.training.trainer import Trainer, fresh_network, score_pairs

REPORT, CARD = "report.json", "README.md"
_SMOOTH = 0.05
Told = Callable[[int, float], None]


def run(job: Job, on_step: Told | None = None) -> int:
    """Trains, writes checkpoint, report and card to ``job.out``; the exit code (130: interrupted).

    ``on_step`` hears of each step and its loss. Interrupted by it, or by the keyboard, the same job
    goes on from the last state, and ends in the same weights as a run in one go.
    """
    if job.threads:
        torch.set_num_threads(job.threads)
    began = time.monotonic()
    network = fresh_network(job.base, job.reading, job.course.seed)
    trainer = Trainer(network, job.split.train, job.course, batch_tokens=job.batch_tokens)
    try:
        _train(job, trainer, on_step)
    except OtherTraining as error:
        sys.stderr.write(f"longhand train-reward: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(
            f"longhand train-reward: stopped at step {trainer.step}; the same command goes on from "
            f"the last state, at most {job.course.save_every} steps back\n"
        )
        return 130
    save_checkpoint(network, job.out)
    trained_s = time.monotonic() - began
    _report(job, trainer, trained_s, _measure(job))
    return 0


def _train(job: Job, trainer: Trainer, on_step: Told | None) -> None:
    about = job.about()
    if resume(trainer, job.out, about):
        sys.stdout.write(f"going on from step {trainer.step} of {trainer.steps}\n")
    with _bar("training", trainer.steps) as told:

        def done(step: int, loss: float) -> None:
            told(step, loss)
            if on_step is not None:
                on_step(step, loss)
            if step % job.course.save_every == 0 and step < trainer.steps:
                save_state(trainer, job.out, about)

        trainer.run(done)


def _measure(job: Job) -> Figures:
    """By the checkpoint as it was written, rounded weights and all."""
    network = load(job.out, job.reading)
    with _bar("measuring", len(job.split.held_out)) as told:
        scored = score_pairs(
            network, job.split.held_out, job.batch_tokens, lambda done: told(done, 0.0)
        )
    return figures(scored)


def _report(job: Job, trainer: Trainer, trained_s: float, measured: Figures) -> None:
    report = Report(
        base=str(job.base),
        parameters=sum(p.numel() for p in trainer.network.model.parameters()),
        train_pairs=len(job.split.train),
        held_out_pairs=len(job.split.held_out),
        steps=trainer.steps,
        tokens=trainer.tokens,
        trained_s=round(trained_s, 1),
        course=job.course.settings(),
        reading=job.reading.declared(),
        figures=measured,
    )
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
    (job.out / REPORT).write_text(text + "\n", encoding="utf-8")
    (job.out / CARD).write_text(card(report, job.title, job.intro), encoding="utf-8")
    sys.stdout.write("\n".join(lines(measured)) + "\n")


@contextmanager
def _bar(name: str, total: int) -> Iterator[Told]:
    """A progress bar that is told what is done, and a loss, smoothed over some twenty steps."""
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
    )
    with Progress(*columns, refresh_per_second=1) as progress:
        task = progress.add_task(name, total=total, loss=0.0)
        smooth: list[float] = []

        def told(done: int, loss: float) -> None:
            smooth[:] = [smooth[0] + _SMOOTH * (loss - smooth[0]) if smooth else loss]
            progress.update(task, completed=done, loss=smooth[0])

        yield told
