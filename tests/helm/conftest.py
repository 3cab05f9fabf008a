"""What the chart's tests share: a real helm, and every example rendered once."""

import runpy
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "longhand"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
VALUES = [*EXAMPLES, *sorted((Path(__file__).parent / "values").glob("*.yaml"))]
RELEASE, NAMESPACE = "demo", "writing"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as a workload makes it: what its labels are, and its spec."""

    owner: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Resource

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    @property
    def containers(self) -> list[Resource]:
        """Those that run first included."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def main(self) -> Resource:
        (container,) = self.spec["containers"]
        assert isinstance(container, dict)
        return container


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a set of values becomes."""

    name: str
    resources: tuple[Resource, ...]

    def of(self, kind: str) -> list[Resource]:
        return [one for one in self.resources if one["kind"] == kind]

    def named(self, kind: str) -> dict[str, Resource]:
        return {one["metadata"]["name"]: one for one in self.of(kind)}

    @property
    def pods(self) -> dict[str, Pod]:
        """By component."""
        found = [pod for one in self.resources for pod in _pods(one)]
        assert len({pod.component for pod in found}) == len(found)
        return {pod.component: pod for pod in found}

    @property
    def front(self) -> Pod:
        """The pod that clients talk to."""
        return self.pods.get("gateway") or self.pods["engine"]


def _pods(resource: Resource) -> Iterator[Pod]:
    spec = resource.get("spec", {})
    group = spec.get("leaderWorkerTemplate", {})
    for template in (spec.get("template"), *map(group.get, ("leaderTemplate", "workerTemplate"))):
        if template:
            yield Pod(
                owner=f"{resource['kind']}/{resource['metadata']['name']}",
                labels=template["metadata"]["labels"],
                annotations=template["metadata"].get("annotations", {}),
                spec=template["spec"],
            )


Helm = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Runs helm; its output as text. Skips where there is none."""
    program = runpy.run_path(str(Path(__file__).with_name("tools.py")))["find"]()
    if program is None:
        pytest.skip("no helm: install it, or run `python -m tests.helm.tools`")

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [str(program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Callable[..., Release]:
    """The chart with a file of values, and more `--set`."""

    def rendered(values: Path, *more: str, chart: Path = CHART) -> Release:
        done = helm("template", RELEASE, chart, "-n", NAMESPACE, "-f", values, *more)
        assert done.returncode == 0, done.stderr
        found = yaml.load_all(done.stdout, yaml.CSafeLoader)
        return Release(name=values.stem, resources=tuple(one for one in found if one))

    return cache(rendered)


@pytest.fixture(params=VALUES, ids=lambda path: path.stem)
def release(request: pytest.FixtureRequest, render: Callable[..., Release]) -> Release:
    """Each example, and each set of values that the tests have beside them."""
    return render(request.param)


@pytest.fixture
def example(render: Callable[..., Release]) -> Callable[[str], Release]:
    """One set of values by its name."""
    by_name = {path.stem: path for path in VALUES}
    return lambda name: render(by_name[name])
