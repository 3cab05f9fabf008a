"""A board as Grafana's dashboard JSON (schema 39, Grafana 10.3 to 12). It must not know metrics."""

from collections.abc import Iterator
from typing import Any

from helm.dashboards.board import DOCS, Board, Choice, Panel, Row

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_GRID_COLUMNS = 24
# Units of ours that Grafana has no id for are written behind the number.
_SUFFIXES = {"tokens/s": "suffix: tokens/s", "words": "suffix: words"}


def dashboard(board: Board) -> dict[str, Any]:
    """What Grafana imports, or finds in a folder or a ConfigMap that it is provisioned from."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["longhand"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [_link_to_boards(), _link("What each metric means", "observe.md")],
        "templating": {"list": [_source_choice(), *map(_choice, board.choices)]},
        "annotations": {"list": []},
        "panels": list(_panels(board)),
    }


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    """Rows from the top down, panels from the left; ids count from 1."""
    y, number = 0, 0
    for row in board.rows:
        number += 1
        yield _heading(row, number, y)
        y += 1
        x = height = 0
        for panel in row.panels:
            if x + panel.columns > _GRID_COLUMNS:
                x, y, height = 0, y + height, 0
            number += 1
            place = {"x": x, "y": y, "w": panel.columns, "h": panel.rows}
            yield _panel(panel, number, place)
            x, height = x + panel.columns, max(height, panel.rows)
        y += height


def _heading(row: Row, number: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": y, "w": _GRID_COLUMNS, "h": 1},
        "panels": [],
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "links": [_link("Documentation", panel.docs)],
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            _target(promql, legend, at, panel)
            for at, (legend, promql) in enumerate(panel.lines.items())
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(promql: str, legend: str, at: int, panel: Panel) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + at),
        "datasource": _SOURCE,
        "expr": promql,
        "legendFormat": legend,
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        # A figure is what it is now, a curve what it was.
        "instant": panel.kind == "stat",
        "range": panel.kind != "stat",
    }


def _field(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.warn_over is not None:
        steps.append({"color": "orange", "value": panel.warn_over})
    field: dict[str, Any] = {
        "unit": "short" if panel.kind == "heatmap" else _SUFFIXES.get(panel.unit, panel.unit),
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.kind == "timeseries":
        field["min"] = 0
        field["custom"] = _curve(panel)
    return field


def _options(panel: Panel) -> dict[str, Any]:
    options = _OPTIONS[panel.kind]
    if panel.kind == "heatmap":
        # The unit of the buckets; what a cell counts has none.
        unit = _SUFFIXES.get(panel.unit, panel.unit)
        options = {**options, "yAxis": {"axisPlacement": "left", "unit": unit}}
    return options


def _curve(panel: Panel) -> dict[str, Any]:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 8,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if panel.warn_over is None else "line"},
    }


_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
        "legend": {"show": True},
        "tooltip": {"mode": "single"},
    },
}


def _link(title: str, page: str) -> dict[str, Any]:
    return {"title": title, "type": "link", "url": DOCS + page, "targetBlank": True}


def _link_to_boards() -> dict[str, Any]:
    return {
        "title": "Longhand",
        "type": "dashboards",
        "tags": ["longhand"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
    }


def _source_choice() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "name": choice.name,
        "label": choice.label,
        "type": "query",
        "datasource": _SOURCE,
        "definition": choice.of,
        "query": {"query": choice.of, "refId": choice.name},
        # When the time range changes: a server that is gone is then no choice any more.
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        # Also what has no such label at all.
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
