"""Prints what the documents repeat of the code: settings, metrics, help.

    python -m tests.tables settings    the settings table of README.md
    python -m tests.tables help        the help block of README.md
    python -m tests.tables metrics     the metrics table of docs/metrics.md

test_habits.py fails when a document has fallen behind.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from unittest import mock

from prometheus_client import CollectorRegistry

from server import cli
from server.metrics import Metrics
from server.settings import PREFIX, Settings

_HELP_COLUMNS = "100"


def settings_table() -> str:
    """Every setting with its variable, default and meaning."""
    defaults = Settings().model_dump(mode="json")
    return _table(
        ("setting", "environment", "default", "meaning"),
        (
            (f"`{name}`", f"`{PREFIX}{name.upper()}`", _shown(defaults[name]), field.description)
            for name, field in Settings.model_fields.items()
        ),
    )


def metrics_table() -> str:
    """Every metric as Prometheus names it, with its type, labels and meaning."""
    return _table(("metric", "type", "labels", "meaning"), _metrics())


def _metrics() -> Iterator[tuple[str, str, str, str]]:
    registry = CollectorRegistry()
    Metrics(registry)
    # prometheus-client shows the labels of a metric only once it has a value for them.
    collectors: Iterable[Any] = registry._collector_to_names
    for collector in collectors:
        name = collector._name + ("_total" if collector._type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in collector._labelnames)
        yield f"`{name}`", collector._type, labels, collector._documentation


def serve_help() -> str:
    """What ``longhand serve --help`` prints on a terminal of 100 columns."""
    out = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS=_HELP_COLUMNS),
        contextlib.redirect_stdout(out),
        contextlib.suppress(SystemExit),
    ):
        cli.main(["serve", "--help"])
    return out.getvalue()


def _shown(default: Any) -> str:
    """A default as an operator would write it; nothing where there is none."""
    return "" if default in (None, [], {}) else f"`{default}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str | None, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = [[(cell or "").replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


if __name__ == "__main__":
    made = {"settings": settings_table, "metrics": metrics_table, "help": serve_help}
    sys.stdout.write(made[sys.argv[1]]())
