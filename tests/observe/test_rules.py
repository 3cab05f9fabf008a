"""The alert rules: read by promtool, fired by it, each with its entry in the runbook."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "helm" / "longhand" / "files" / "rules"
SCENARIOS = Path(__file__).with_name("alerts.test.yaml")
ALERTS = re.findall(r"- alert: (\w+)", (RULES / "alerts.yaml").read_text(encoding="utf-8"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


def promtool(*arguments: str) -> None:
    found = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
@pytest.mark.parametrize("name", ["recording.yaml", "alerts.yaml"])
def test_promtool_finds_nothing_wrong_with_the_rules(name: str) -> None:
    promtool("check", "rules", str(RULES / name))


@needs_promtool
@pytest.mark.timeout(110)
def test_every_scenario_fires_its_alert_and_no_other() -> None:
    promtool("test", "rules", str(SCENARIOS))


def test_every_alert_has_a_scenario_in_which_it_fires() -> None:
    fired = set(re.findall(r'alertname="(\w+)"', SCENARIOS.read_text(encoding="utf-8")))
    assert fired == set(ALERTS)


def anchors(page: str) -> list[str]:
    """The anchors that GitHub gives the headings of a page under docs/."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_alert_has_its_entry_in_the_runbook_and_links_to_it() -> None:
    text = (RULES / "alerts.yaml").read_text(encoding="utf-8")
    linked = re.findall(r"runbook_url: \S+/docs/runbook\.md#(\w+)", text)
    assert linked == [alert.lower() for alert in ALERTS]
    entries = [anchor for anchor in anchors("runbook.md") if anchor.startswith("longhand")]
    assert sorted(entries) == sorted(linked)


def test_every_entry_of_the_runbook_says_what_to_look_at_and_what_to_do() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    entries = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(ALERTS)
    for entry in entries:
        asked = [part for part in ("Means:", "Look:", "Do:") if part not in entry]
        assert asked == [], entry.splitlines()[0]
