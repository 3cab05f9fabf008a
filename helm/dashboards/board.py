"""A dashboard as values: rows of panels, each with what it asks Prometheus. It knows no JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

DOCS = "https://github.com/longhand/longhand/blob/main/docs/"

Kind = Literal["timeseries", "stat", "heatmap"]
# Grafana's names of units (packages/grafana-data/src/valueFormats/categories.ts, 11.6).
Unit = Literal[
    "none", "short", "s", "percentunit", "bytes", "reqps", "ops", "cps", "wps", "tokens/s", "words"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. ``docs``: a page and anchor under ``docs/`` that says more. lines: PromQL by the
    name that its series get, a text with ``{{label}}`` in it.

    warn_over: a line is drawn there, and a stat turns orange above it. columns: its width, of
    Grafana's 24.
    """

    title: str
    description: str
    docs: str
    unit: Unit
    lines: Mapping[str, str]
    kind: Kind = "timeseries"
    warn_over: float | None = None
    stacked: bool = False
    columns: int = 8
    rows: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a reader may choose: ``$name`` in queries, all values at first. of: PromQL of it."""

    name: str
    label: str
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard; ``uid`` is its file name and its place in links."""

    uid: str
    title: str
    description: str
    choices: tuple[Choice, ...]
    rows: tuple[Row, ...]


def stat(
    title: str,
    description: str,
    docs: str,
    unit: Unit,
    promql: str,
    *,
    warn_over: float | None = None,
) -> Panel:
    """One figure, four columns wide."""
    return Panel(
        title=title,
        description=description,
        docs=docs,
        unit=unit,
        lines={title: promql},
        kind="stat",
        warn_over=warn_over,
        columns=4,
        rows=4,
    )
