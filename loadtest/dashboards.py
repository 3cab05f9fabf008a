"""Draws the shipped dashboards from a running Prometheus, as HTML that needs no Grafana.

    python -m loadtest.dashboards --prometheus http://127.0.0.1:9090 --out shots

It must not know metrics: it asks what the dashboards ask.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import httpx

BOARDS = Path(__file__).parents[1] / "helm" / "longhand" / "files" / "dashboards"
_ALL = {"$job": ".*", "$instance": ".*", "$model": ".*"}
_COLUMN_PX, _ROW_PX, _HEAD_PX = 64, 34, 46
_STEPS = 120
_COLOURS = ("#3274d9", "#37872d", "#fa6400", "#8f3bb8", "#e02f44", "#0a8f8f", "#b08a00", "#555")
_PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 13px sans-serif; margin: 12px; background: #f4f5f5; width: {width}px }}
.board {{ position: relative; height: {height}px }}
.panel, .row {{ position: absolute; box-sizing: border-box }}
.panel {{ background: #fff; border: 1px solid #ddd; padding: 6px; overflow: hidden }}
.row {{ font-weight: bold; padding-top: 10px }} .big {{ font-size: 26px; color: #37872d }}
.unit, .legend {{ color: #666; font-size: 11px }} h1 {{ font-size: 18px; margin: 0 0 8px }}
</style><h1>{title}</h1><div class="board">{panels}</div>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series: its name, and values at times in seconds since 1970."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that is drawn, in seconds since 1970."""

    start_s: float
    end_s: float

    @property
    def step_s(self) -> float:
        return (self.end_s - self.start_s) / _STEPS


def ask(client: httpx.Client, target: Any, span: Span, window: str) -> list[Line]:
    """What Prometheus has for one query of a panel over the span.

    Raises:
        httpx.HTTPError: Prometheus does not answer, or not this.
    """
    promql = target["expr"].replace("$__rate_interval", window)
    for name, value in _ALL.items():
        promql = promql.replace(name, value)
    answer = client.get(
        "/api/v1/query_range",
        params={"query": promql, "start": span.start_s, "end": span.end_s, "step": span.step_s},
    )
    answer.raise_for_status()
    return [_line(one, target["legendFormat"]) for one in answer.json()["data"]["result"]]


def _line(series: Any, legend: str) -> Line:
    name = legend
    for label, value in series["metric"].items():
        name = name.replace(f"{{{{{label}}}}}", value)
    read = ((float(at), float(value)) for at, value in series["values"])
    return Line(name=name, points=tuple(point for point in read if math.isfinite(point[1])))


def shown(value: float, unit: str) -> str:
    """A number as a panel shows it.

    >>> shown(0.1234, "percentunit"), shown(12345, "short"), shown(0.02, "s")
    ('12.3 %', '12.3 k', '20 ms')
    """
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}" + (" s" if unit == "s" else "")


def curves(lines: Sequence[Line], unit: str, span: Span, size: tuple[int, int]) -> str:
    """The lines as SVG, from 0 to the highest, and their legend."""
    wide, high = size
    top = max((value for line in lines for _, value in line.points), default=0.0) or 1.0
    paths = []
    for number, line in enumerate(lines):
        points = " ".join(
            f"{(at - span.start_s) / (span.end_s - span.start_s) * wide:.1f},"
            f"{high - 2 - max(value, 0.0) / top * (high - 6):.1f}"
            for at, value in line.points
        )
        colour = _COLOURS[number % len(_COLOURS)]
        paths.append(f'<polyline fill="none" stroke="{colour}" points="{points}"/>')
    legend = " &nbsp; ".join(
        f'<span style="color:{_COLOURS[at % len(_COLOURS)]}">&#9632;</span> {escape(line.name)} '
        f"{shown(line.points[-1][1], unit) if line.points else 'no value'}"
        for at, line in enumerate(lines[:8])
    )
    return (
        f'<div class="unit">{shown(top, unit)}</div><svg width="{wide}" height="{high}" '
        f'style="border-bottom:1px solid #999">{"".join(paths)}</svg>'
        f'<div class="legend">{legend}</div>'
    )


def cells(lines: Sequence[Line], span: Span, size: tuple[int, int]) -> str:
    """Cumulative buckets as a heatmap: darker cells hold more."""
    wide, high = size
    ordered = sorted(lines, key=lambda line: float(line.name))
    before: dict[float, float] = {}
    inside: list[list[tuple[float, float]]] = []
    for line in ordered:
        inside.append([(at, max(0.0, value - before.get(at, 0.0))) for at, value in line.points])
        before = dict(line.points)
    most = max((value for row in inside for _, value in row), default=0.0) or 1.0
    tall = high / max(1, len(ordered))
    drawn = [
        f'<rect x="{(at - span.start_s) / (span.end_s - span.start_s) * wide:.1f}" '
        f'y="{high - (number + 1) * tall:.1f}" width="{wide / _STEPS + 0.5:.1f}" '
        f'height="{tall:.1f}" fill="#fa6400" fill-opacity="{value / most:.2f}"/>'
        for number, row in enumerate(inside)
        for at, value in row
        if value
    ]
    ends = f"{escape(ordered[0].name)} to {escape(ordered[-1].name)}" if ordered else "no value"
    return (
        f'<svg width="{wide}" height="{high}" style="border:1px solid #ccc">{"".join(drawn)}</svg>'
        f'<div class="legend">buckets {ends}, upwards</div>'
    )


def panel(found: Any, lines: Sequence[Line], span: Span) -> str:
    """One panel where its dashboard puts it."""
    place = found["gridPos"]
    box = (place["w"] * _COLUMN_PX - 4, place["h"] * _ROW_PX - 4)
    unit = found["fieldConfig"]["defaults"]["unit"]
    size = (box[0] - 16, max(20, box[1] - 2 * _HEAD_PX))
    if found["type"] == "stat":
        drawn = "".join(
            f'<div class="big">{shown(line.points[-1][1], unit)}</div>'
            + (f'<div class="legend">{escape(line.name)}</div>' if len(lines) > 1 else "")
            for line in lines
            if line.points
        )
    elif found["type"] == "heatmap":
        drawn = cells(lines, span, size)
    else:
        drawn = curves(lines, unit, span, size)
    return (
        f'<div class="panel" style="left:{place["x"] * _COLUMN_PX}px;'
        f'top:{place["y"] * _ROW_PX}px;width:{box[0]}px;height:{box[1]}px">'
        f"<b>{escape(found['title'])}</b>{drawn or ' no value'}</div>"
    )


def page(client: httpx.Client, board: Any, span: Span, window: str) -> str:
    """A dashboard as HTML."""

    def parts() -> Iterator[str]:
        for found in board["panels"]:
            if found["type"] == "row":
                top = found["gridPos"]["y"] * _ROW_PX
                yield f'<div class="row" style="top:{top}px">{escape(found["title"])}</div>'
                continue
            asked = [ask(client, target, span, window) for target in found["targets"]]
            yield panel(found, [line for lines in asked for line in lines], span)

    bottom = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in board["panels"])
    return _PAGE.format(
        title=escape(board["title"]),
        width=24 * _COLUMN_PX,
        height=bottom * _ROW_PX,
        panels="".join(parts()),
    )


def main() -> None:
    """A file for each dashboard in the folder that is named."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.dashboards", description=__doc__)
    parser.add_argument("--prometheus", required=True, help="its URL")
    parser.add_argument("--out", type=Path, required=True, help="folder for the HTML files")
    parser.add_argument("--minutes", type=float, default=60.0, help="how far back (60)")
    parser.add_argument("--window", default="2m", help="of rates, at least four scrapes (2m)")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    now_s = time.time()  # noqa: TID251  Prometheus is asked by the time of day
    span = Span(start_s=now_s - given.minutes * 60, end_s=now_s)
    with httpx.Client(base_url=given.prometheus, timeout=30) as client:
        for path in sorted(BOARDS.glob("*.json")):
            board = json.loads(path.read_text(encoding="utf-8"))
            to = given.out / f"{path.stem}.html"
            to.write_text(page(client, board, span, given.window), encoding="utf-8")
            print(to)


if __name__ == "__main__":
    main()
