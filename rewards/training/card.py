"""The report on a trained quality model, as JSON and as a model card; it measures nothing."""

from dataclasses import asdict, dataclass
from typing import Any

from rewards.training.figures import Figures, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was trained on what, and what came of it. ``trained_s``: of this run alone."""

    base: str
    parameters: int
    train_pairs: int
    held_out_pairs: int
    steps: int
    tokens: int
    trained_s: float
    course: dict[str, Any]
    reading: dict[str, Any]
    figures: Figures

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)


def lines(figures: Figures) -> list[str]:
    """The figures for a terminal, one a line."""
    told = [("accuracy on held-out pairs", _told(figures.overall))]
    told += [(f"accuracy, {name or 'no kind'}", _told(s)) for name, s in figures.by_kind.items()]
    told += [
        ("calibration error", f"{figures.calibration_error:.3f}"),
        ("log loss", f"{figures.log_loss:.4f} nats"),
        ("mean margin", f"{figures.mean_margin:.2f}"),
        *_length_rows(figures),
    ]
    return [f"{name}: {value}" for name, value in told]


def card(report: Report, title: str, intro: str) -> str:
    """The model card, in Markdown; ``intro`` is a paragraph or nothing."""
    figures, reading = report.figures, report.reading
    what = (
        ("base", report.base),
        ("parameters", f"{report.parameters:,}"),
        ("pairs", f"{report.train_pairs:,} to train on, {report.held_out_pairs:,} held out"),
        ("training", f"{report.steps:,} steps, {report.tokens:,} tokens"),
        ("reads at once", f"{reading['window_tokens']:,} tokens, prompt included"),
        ("long answers", f"`{reading['rule']}`"),
    )
    measured = (
        ("accuracy", _told(figures.overall)),
        ("expected calibration error of sigmoid(margin)", f"{figures.calibration_error:.3f}"),
        ("log loss (ln 2 = 0.693 is a coin)", f"{figures.log_loss:.4f} nats"),
        ("mean margin", f"{figures.mean_margin:.2f}"),
    )
    kinds = tuple(
        (name or "(none)", f"{share.pairs:,}", f"{share.accuracy:.1%}")
        for name, share in figures.by_kind.items()
    )
    return (
        f"{_FRONT}\n# {title}\n\n{intro.strip()}\n\n{_WHAT}\n".replace("\n\n\n\n", "\n\n")
        + _table(("what", "value"), what)
        + "\n## Measured on held-out prompts\n\n"
        + _table(("what", "value"), measured)
        + "\n"
        + _table(("kind of pair", "pairs", "accuracy"), kinds)
        + "\n## Does it look at length?\n\n"
        + _table(("what", "value"), _length_rows(figures))
        + f"\n{_USE}"
    )


def _length_rows(figures: Figures) -> tuple[tuple[str, str], ...]:
    chosen, rejected = figures.mean_words
    return (
        ("correlation of score and words", _number(figures.score_length_correlation)),
        (
            "correlation of difference in score and in words",
            _number(figures.margin_length_correlation),
        ),
        ("accuracy where the chosen text is the shorter one", _told(figures.chosen_shorter)),
        ("accuracy where it is the longer one", _told(figures.chosen_longer)),
        ("accuracy where both are as long", _told(figures.same_length)),
        ("mean words, chosen and rejected", f"{chosen:,.0f} and {rejected:,.0f}"),
    )


def _told(share: Share | None) -> str:
    return "no such pair" if share is None else f"{share.accuracy:.1%} of {share.pairs:,} pairs"


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:+.3f}"


def _table(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    all_rows = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in all_rows)


_FRONT = """---
library_name: transformers
pipeline_tag: text-classification
tags: [reward-model, bradley-terry]
---
"""

_WHAT = """A sequence classifier with one logit, trained on pairs of texts with the Bradley-Terry
loss: the higher the raw logit, the better the text; the difference of two texts' logits is the
log-odds that the first is preferred. `config.json` says under `longhand_reward` how it is read.
"""

_USE = """## Use

In process: `rewards.quality.classifier.open_classifier(folder)`. On vLLM:
`vllm serve FOLDER --runner pooling --convert classify`, then `POST /classify` with
`"use_activation": false`.
"""
