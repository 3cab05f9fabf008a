"""`longhand train-reward`: arguments to a training that can begin; it must not load a model.

The model libraries are imported once the arguments and the pairs are known to be right.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from rewards.quality.reading import CannotJudge, Reading, Rule, reading_of
from rewards.training.course import Course, Precision
from rewards.training.job import Job
from rewards.training.pairs import read_pairs, split_by_prompt


def main(argv: Sequence[str]) -> int:
    """Trains, or goes on where the same command was interrupted; the exit code.

    2: the arguments, the base or the pairs are wrong, in one sentence. 130: interrupted, with a
    state to go on from.
    """
    try:
        job = plan(argv)
    except ValueError as error:
        sys.stderr.write(f"longhand train-reward: {error}\n")
        return 2
    # Here, not above: it brings torch and transformers.
    from rewards.training.run import run

    return run(job)


def plan(argv: Sequence[str]) -> Job:
    """The training that the arguments ask for, its pairs read and split.

    Raises:
        BadPairs: the file of pairs.
        CannotJudge: the base, or a form or a window that cannot be.
        ValueError: a setting of the course.
    """
    given = _parser().parse_args(argv)
    if not (given.base / "config.json").is_file():
        raise CannotJudge(f"--base {given.base} is no checkpoint folder: it has no config.json")
    course = Course(**{name: getattr(given, name) for name in Course.__dataclass_fields__})
    reading = reading_of(given.base)
    told = {
        name: value
        for name in Reading.__dataclass_fields__
        if (value := getattr(given, name)) is not None
    }
    return Job(
        base=given.base,
        pairs=given.pairs,
        out=given.out,
        split=split_by_prompt(read_pairs(given.pairs), course.held_out_share, course.seed),
        course=course,
        reading=replace(reading, **told),
        batch_tokens=given.batch_tokens,
        threads=given.threads,
        title=given.title,
        intro=given.intro,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="longhand train-reward",
        description="Train a quality model (Bradley-Terry) on pairs of texts.",
    )
    parser.add_argument(
        "--base",
        type=Path,
        required=True,
        metavar="DIR",
        help="a checkpoint: a causal language model or a classifier",
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        required=True,
        metavar="FILE.jsonl",
        help='lines of {"prompt", "chosen", "rejected", "margin"?, "kind"?}',
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where the model, report.json and its card go",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads of torch")
    parser.add_argument(
        "--batch-tokens",
        type=int,
        default=16_384,
        metavar="N",
        help="tokens that go through the model at once, padding included",
    )
    parser.add_argument("--title", default="A quality model", help="of the model's card")
    parser.add_argument("--intro", default="", metavar="TEXT", help="what its card begins with")
    _add_course(parser.add_argument_group("course"))
    _add_reading(parser.add_argument_group("reading (default: what the base says, see its config)"))
    return parser


def _add_course(group: "argparse._ArgumentGroup") -> None:
    told = {
        "epochs": "rounds through the pairs",
        "steps": "steps, instead of epochs",
        "batch": "pairs a step",
        "rate": "the highest learning rate",
        "warm_up_share": "share of the steps in which it rises",
        "weight_decay": "AdamW's",
        "windows": "windows of a long text that a step learns from, at most",
        "center": "weight of the term that keeps the mean score near 0",
        "held_out_share": "share of the prompts that only measure",
        "save_every": "steps between states to resume from",
        "seed": "decides split, order, head and windows",
    }
    group.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="float32",
        help="of the arithmetic (float32)",
    )
    for name, text in told.items():
        default = Course.__dataclass_fields__[name].default
        kind = float if isinstance(default, float) else int
        shown = "" if default is None else f" ({default:g})"
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=default,
            metavar="X" if kind is float else "N",
            help=text + shown,
        )


def _add_reading(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--template", metavar="TEXT", help='such as "{prompt}\\n\\n{answer}"')
    group.add_argument("--window-tokens", type=int, metavar="N", help="what is read at once")
    group.add_argument("--prompt-tokens", type=int, metavar="N", help="of these, for the prompt")
    group.add_argument("--rule", choices=get_args(Rule), help="what becomes of longer answers")
    group.add_argument("--head-share", type=float, metavar="X", help="of head_tail")
