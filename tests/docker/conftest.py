"""The files that make and run images, read as values. It must not build or start anything."""

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A Dockerfile's instructions in order, with their stage; the base images, ARGs put in."""

    path: Path
    steps: tuple[tuple[int, str, str], ...]
    bases: tuple[str, ...]
    environment: dict[str, str]
    labels: dict[str, str]

    def values(self, instruction: str, *, last_stage: bool = True) -> list[str]:
        last = max(stage for stage, _, _ in self.steps)
        return [
            value
            for stage, name, value in self.steps
            if name == instruction and (stage == last) == last_stage
        ]

    def commands(self) -> list[list[str]]:
        """Every command of every RUN, as words; `&&` taken apart, BuildKit's flags left out."""
        runs = [value for _, name, value in self.steps if name == "RUN"]
        return [shlex.split(one) for run in runs for one in run.split("&&")]

    def copied(self) -> list[str]:
        """What it takes from the repository."""
        copies = [shlex.split(value) for _, name, value in self.steps if name == "COPY"]
        return [source for words in copies if "--from" not in words[0] for source in words[:-1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """compose.yaml as `docker compose` reads it where no variable is set."""

    top: dict[str, Any]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        services: dict[str, dict[str, Any]] = self.top["services"]
        return services

    def profile(self, name: str) -> dict[str, dict[str, Any]]:
        return {n: one for n, one in self.services.items() if name in one["profiles"]}

    def of_ours(self) -> dict[str, dict[str, Any]]:
        return {name: one for name, one in self.services.items() if "build" in one}


def read_dockerfile(path: Path) -> Dockerfile:
    parser = DockerfileParser(fileobj=BytesIO(path.read_bytes()))
    stage, steps = -1, []
    for step in parser.structure:
        if step["instruction"] == "COMMENT":
            continue
        stage += step["instruction"] == "FROM"
        steps.append((stage, step["instruction"], step["value"]))
    return Dockerfile(
        path=path,
        steps=tuple(steps),
        bases=tuple(parser.parent_images),
        environment=dict(parser.envs),
        labels=dict(parser.labels),
    )


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one) for one in value]
    return _VARIABLE.sub(r"\2", value) if isinstance(value, str) else value


@cache
def _in_git() -> frozenset[str]:
    """Files that are, or by the next commit would be, in git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return frozenset(listed.stdout.splitlines())


def is_in_git(path: str) -> bool:
    return any(name == path or name.startswith(f"{path}/") for name in _in_git())


DOCKERFILES = {
    path.name.removesuffix(".Dockerfile"): read_dockerfile(path)
    for path in sorted((ROOT / "docker").glob("*.Dockerfile"))
}


@pytest.fixture(params=DOCKERFILES)
def dockerfile(request: pytest.FixtureRequest) -> Dockerfile:
    return DOCKERFILES[request.param]


@pytest.fixture
def dockerfiles() -> dict[str, Dockerfile]:
    return DOCKERFILES


@pytest.fixture
def compose() -> Compose:
    text = (ROOT / "docker/compose.yaml").read_text(encoding="utf-8")
    return Compose(top=_filled(yaml.safe_load(text)))


@pytest.fixture
def in_git() -> Any:
    return is_in_git


@pytest.fixture
def exec_form() -> Any:
    """The words of an instruction in exec form; fails for shell form."""
    return json.loads


@pytest.fixture(scope="session")
def build_commands() -> list[str]:
    """The commands of the gateway's build stage, each as it stands, less Debian's for `tini`."""
    commands = DOCKERFILES["gateway"].values("RUN", last_stage=False)
    return [command for command in commands if not command.startswith("apt-get")]


@pytest.fixture(scope="session")
def copied() -> list[str]:
    """What the gateway's build takes from the repository."""
    return DOCKERFILES["gateway"].copied()


@pytest.fixture(scope="session")
def image_environment() -> dict[str, str]:
    return DOCKERFILES["gateway"].environment
