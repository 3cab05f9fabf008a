"""The dashboards as they are shipped: made of their source, and every query has data."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector

from loadtest.stand_in import StandIn
from server.app import choose
from server.engine.base import Engine
from server.engine.scripted import Break, Refuse, Say, Stall
from server.metrics import Metrics
from server.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = ROOT / "helm" / "longhand" / "files"
CHAT = "/v1/chat/completions"
WHOLE = (Say("<think> Plan it well.\n</think>\n<answer> One two three four five six </answer>"),)
UNTAGGED = (Say("<answer> One.</answer>"),)


def boards() -> dict[str, Any]:
    return {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((FILES / "dashboards").glob("*.json"))
    }


def panels(board: Any) -> list[Any]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_the_dashboards_are_those_that_their_source_makes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "helm.dashboards", str(tmp_path)], cwd=ROOT, check=True, timeout=15
    )
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    shipped = {
        path.name: path.read_text(encoding="utf-8") for path in (FILES / "dashboards").iterdir()
    }
    assert shipped == made, "python -m helm.dashboards writes them anew"


def test_panels_lie_side_by_side_and_have_numbers_of_their_own() -> None:
    for board in boards().values():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            covered = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not taken & covered, panel["title"]
            taken |= covered
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(set(numbers)) == len(numbers)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_every_panel_has_a_description_and_links_to_a_page_that_there_is() -> None:
    dead = []
    for board in boards().values():
        for panel in panels(board):
            assert panel["description"], panel["title"]
            page, _, anchor = panel["links"][0]["url"].partition("/docs/")[2].partition("#")
            at = ROOT / "docs" / page
            if not at.is_file() or (anchor and anchor not in anchors(at)):
                dead.append(panel["links"][0]["url"])
    assert dead == []


def names() -> set[str]:
    """Every metric of ours, as Prometheus names it without the endings of its series."""
    registry = CollectorRegistry()
    Metrics(registry)
    collectors: Any = registry._collector_to_names
    return {one._name + ("_total" if one._type == "counter" else "") for one in collectors}


def test_every_metric_of_ours_is_on_a_dashboard(queries: Any) -> None:
    shown = " ".join(asked.promql for asked in queries)
    assert {name for name in names() if not re.search(rf"\b{name}(_|\b)", shown)} == set()


def test_every_metric_that_is_asked_for_is_one_of_ours(queries: Any) -> None:
    rules = "".join(path.read_text() for path in (FILES / "rules").iterdir())
    asked_for = set(re.findall(r"\blonghand_\w+", rules + " ".join(a.promql for a in queries)))
    # The endings of a histogram's series.
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked_for}
    assert {name for name in bare if name not in names()} == set()


def test_every_metric_says_in_the_document_what_to_do() -> None:
    text = (ROOT / "docs" / "observe.md").read_text(encoding="utf-8")
    assert {name for name in names() if f"| `{name}` |" not in text} == set()


class Load:
    """Requests that make every metric of a gateway move, over HTTP."""

    def __init__(self, desk: Any, until: Any) -> None:
        self._desk, self._until = desk, until

    def _plays(self, *plays: Any) -> None:
        engine = self._desk.engine
        engine.plays = [()] * len(engine.jobs) + [*plays]

    async def run(self, name: str) -> None:
        """One round of all; ``name`` sets its keys apart from those of another round."""
        await self._plain()
        await self._kept(name)
        await self._chosen()
        await self._crowded()
        await self._broken()

    async def _plain(self) -> None:
        exact = {"words": [4, 8], "length_control": "off"}
        self._plays(WHOLE)
        assert (await self._desk.chat(writing=exact, service_tier="auto")).status_code == 200
        self._plays(UNTAGGED)
        await self._desk.streamed()
        self._plays(WHOLE)
        await self._desk.chat(max_tokens=4)
        self._plays((Say("<think> a b c d"),), (Say("Once.</answer>"),))
        await self._desk.chat(writing={"reasoning_tokens": 2})

    async def _kept(self, name: str) -> None:
        self._plays(WHOLE)
        body = {"messages": [{"role": "user", "content": "Write."}], "store": True}
        for _ in range(2):
            key = {"Idempotency-Key": name}
            answer = await self._desk.client.post(CHAT, json=body, headers=key)
            assert answer.status_code == 200

    async def _chosen(self) -> None:
        """Of four one is best, one shorter, one goes round, one is refused."""
        gate = asyncio.Event()
        short = "<think>\nIt.\n</think>\n<answer>\nOne two.\n</answer>"
        looping = "<think>\n" + "Round it goes and comes again. " * 60
        self._plays(
            [Stall(gate=gate), *WHOLE],
            [Stall(gate=gate), Say(short)],
            [Say(looping), Stall(gate=asyncio.Event())],
            [Refuse("no such seed")],
        )
        wish = {"words": [4, 8], "length_control": "off", "loop_guard": False, "best_of": 4}
        begun = len(self._desk.engine.jobs)
        asking = asyncio.create_task(self._desk.chat(n=1, writing=wish))
        engine = self._desk.engine
        await self._until(lambda: len(engine.jobs) == begun + 4 and engine.open_streams == 2)
        gate.set()
        assert (await asking).status_code == 200

    async def _crowded(self) -> None:
        """Four drafts are written, one waits, one is refused; then the clients leave."""
        self._plays([Say("<think> a</think><answer> b"), Stall(gate=asyncio.Event())])
        desk = self._desk
        async with desk.stream(n=4) as events:
            await anext(events)
            waiting = asyncio.create_task(desk.chat())
            await self._until(lambda: desk.value("longhand_queue_depth") == 1)
            assert (await desk.chat()).status_code == 503
        self._plays(WHOLE, WHOLE)
        assert (await waiting).status_code == 200
        await self._until(lambda: desk.value("longhand_requests_in_flight") == 0)

    async def _broken(self) -> None:
        self._plays([Say("<think> a</think><answer> b c"), Break()])
        told = await self._desk.streamed()
        assert any("error" in event for event in told if isinstance(event, dict))


async def missing(prometheus: Any, asked: Any, at_s: float) -> str | None:
    """What a query lacks: data, or a label that its legend names."""
    found = await prometheus.ask(asked.promql, at_s=at_s)
    if not found:
        return f"{asked.panel}: no data: {asked.promql}"
    named = re.findall(r"{{(\w+)}}", asked.legend)
    lacking = [label for label in named if label not in found[0]["metric"]]
    return f"{asked.panel}: no {lacking} in {found[0]['metric']}" if lacking else None


@pytest.fixture
async def replicas() -> AsyncIterator[Callable[[], Engine]]:
    """Builds a pool of two servers, each of which breaks its first stream off."""
    text = "<think> Plan it.</think><answer> One two three four five six.</answer>"
    async with (
        StandIn(script=text, faults=["reset"]) as one,
        StandIn(script=text, faults=["reset"]) as other,
    ):
        settings = Settings(
            engine="upstream",
            upstream=(one.url, other.url),
            upstream_model="stand-in",
            max_model_len=4096,
        )
        yield choose(settings).build


@pytest.mark.timeout(120)
async def test_every_query_has_data_of_a_real_run(
    served: Any, until: Any, watching: Any, queries: Any, replicas: Any
) -> None:
    behind = await served(build=replicas)
    desk = await served(WHOLE, max_running=4, max_queued=1)
    # As in the registry of a server that was not made for a test.
    ProcessCollector(registry=desk.registry)
    load = Load(desk, until)
    urls = (str(desk.client.base_url), str(behind.client.base_url))
    async with watching(*urls) as prometheus:
        await prometheus.until("count(longhand_engine_up == 1) == 2")
        # Series that have labels begin with their first value, and a rate needs two.
        await load.run("first")
        await behind.streamed()
        ended = int(desk.value("longhand_drafts_finished_total", reason="stop"))
        await prometheus.until(f'longhand_drafts_finished_total{{reason="stop"}} == {ended}')
        await load.run("second")
        await behind.streamed()
        await prometheus.until(f'longhand_drafts_finished_total{{reason="stop"}} == {2 * ended}')
        # A scrape that is late leaves a gap, so all is asked as of a time that has none.
        at_s = await prometheus.until(
            'longhand:slo_bad:ratio_rate3d{slo="pace"} '
            "and on (job) longhand:format_faults:per_draft1h and on (job) longhand_engine_up == 1"
        )
        ours = [asked for asked in queries if "vllm:" not in asked.promql]
        assert await prometheus.ask("longhand_moves_total > 0", at_s=at_s)
        lacking = [await missing(prometheus, asked, at_s) for asked in ours]
        rules = await prometheus.rules()
        unrecorded = [
            rule["name"]
            for rule in rules
            if rule["type"] == "recording" and not await prometheus.ask(rule["name"], at_s=at_s)
        ]
    assert [each for each in lacking if each] == []
    assert len(ours) > 60
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert unrecorded == []
