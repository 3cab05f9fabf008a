"""The chart's README, version and comments keep up with the chart."""

import json
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from server import __version__

CHART = Path(__file__).parents[2] / "helm" / "longhand"
TABLE = runpy.run_path(str(Path(__file__).with_name("values_table.py")))


def test_the_table_of_values_is_current() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    assert TABLE["with_table"](readme) == readme


def test_every_value_says_what_it_is() -> None:
    rows = list(TABLE["rows"]())
    assert len(rows) > 120
    assert [name for name, _, told in rows if not told.strip()] == []


def test_a_comment_of_several_lines_is_one_cell() -> None:
    (told,) = [told for name, _, told in TABLE["rows"]() if name == "engine.startupSeconds"]
    assert told.startswith("Seconds until an engine must have loaded.")
    assert told.endswith("3,600 hold all three")


def test_the_readme_names_every_example() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    examples = sorted(path.name for path in CHART.glob("examples/*.yaml"))
    assert len(examples) == 5
    assert [name for name in examples if f"(examples/{name})" not in readme] == []


def test_the_chart_is_of_the_servers_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["version"] == chart["appVersion"] == __version__


@pytest.mark.parametrize(("name", "is_open"), [("cpu-demo", True), ("one-h200", False)])
def test_the_notes_tell_how_to_call_and_warn(helm: Any, name: str, is_open: bool) -> None:
    values = CHART / "examples" / f"{name}.yaml"
    done = helm("install", "demo", CHART, "-n", "writing", "-f", values, "--dry-run=client")
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert "port-forward svc/demo-longhand 8000:80" in notes
    assert ("authorization: Bearer $KEY" in notes) is not is_open
    assert ("WARNING: anybody" in notes) is is_open
    command = notes[notes.index("curl") :].partition("\n\n")[0]
    # One command: every line but the last goes on.
    assert all(line.endswith(" \\") for line in command.splitlines()[:-1])
    words = shlex.split(command.replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1])["stream"] is True
