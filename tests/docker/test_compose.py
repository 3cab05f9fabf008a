"""compose.yaml: its schema, and what holds for every service of a profile."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from server.settings import PREFIX, Settings, load

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
BIN = Path(sys.executable).parent
PROFILES = ("gpu", "replicas", "demo")
UNITS_S = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> int:
    return int(text[:-1]) * UNITS_S[text[-1]]


def document(path: str) -> Any:
    return yaml.safe_load((DOCKER / path).read_text(encoding="utf-8"))


def settings(service: dict[str, Any], dockerfile: Any) -> Settings:
    """What a service runs with: its image's environment under its own."""
    environ = dockerfile.environment | service["environment"]
    return load({}, environ={n: v for n, v in environ.items() if n.startswith(PREFIX)})


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest, compose: Any) -> Any:
    return compose.profile(request.param)


@pytest.fixture(params=("longhand", "gateway", "demo"))
def ours(request: pytest.FixtureRequest, compose: Any, dockerfiles: Any) -> Any:
    """A service that runs Longhand, with its settings."""
    service = compose.services[request.param]
    name = Path(service["build"]["dockerfile"]).name.removesuffix(".Dockerfile")
    return service, settings(service, dockerfiles[name])


def test_it_keeps_to_the_compose_specification() -> None:
    found = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        cwd=DOCKER,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout


def test_a_planted_error_is_no_compose_file(tmp_path: Path) -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    (tmp_path / "compose.yaml").write_text(text.replace("stop_grace_period:", "stop_grace:"))
    found = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert found.returncode == 1


def test_every_variable_has_a_default() -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    assert re.findall(r"\$\{\w+(?!\w|:-)", text) == []


def test_every_profile_serves_keeps_measures_and_shows(profile: dict[str, Any]) -> None:
    assert {"redis", "prometheus", "grafana"} < set(profile)
    assert sum("build" in one for one in profile.values()) == 1


def test_every_service_says_how_it_is(profile: dict[str, Any]) -> None:
    for one in profile.values():
        assert one["healthcheck"]["test"][0] == "CMD"
        assert "start_period" in one["healthcheck"]


def test_every_image_is_pinned(profile: dict[str, Any]) -> None:
    assert [
        one["image"] for one in profile.values() if not re.search(r":v?\d+\.\d+\.\d+", one["image"])
    ] == []


def test_every_service_is_confined(profile: dict[str, Any]) -> None:
    for one in profile.values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in one and "cap_add" not in one
        assert one["restart"] == "unless-stopped"


def test_who_waits_for_whom_is_in_the_same_profile(profile: dict[str, Any]) -> None:
    waits = [(name, on) for name, one in profile.items() for on in one.get("depends_on", {})]
    assert ("grafana", "prometheus") in waits
    assert [wait for wait in waits if wait[1] not in profile] == []


def test_names_are_declared(compose: Any) -> None:
    used: dict[str, set[str]] = {"volumes": set(), "networks": set(), "secrets": set()}
    for one in compose.services.values():
        used["networks"] |= set(one["networks"])
        used["secrets"] |= set(one.get("secrets", ()))
        sources = [volume.split(":")[0] for volume in one.get("volumes", ())]
        used["volumes"] |= {source for source in sources if not source.startswith(".")}
    assert used == {kind: set(compose.top[kind]) for kind in used}


def test_what_is_mounted_from_the_repository_is_in_git(compose: Any, in_git: Any) -> None:
    mounts = [volume for one in compose.services.values() for volume in one.get("volumes", ())]
    ours = [mount for mount in mounts if mount.startswith(".")]
    assert len(ours) == 5
    assert [mount for mount in ours if not mount.endswith(":ro")] == []
    paths = [(DOCKER / mount.split(":")[0]).resolve().relative_to(ROOT) for mount in ours]
    assert [path for path in paths if not in_git(str(path))] == []


def test_secrets_are_made_by_the_script_and_kept_out_of_git(compose: Any, tmp_path: Path) -> None:
    shutil.copy(DOCKER / "secrets.sh", tmp_path)
    folder = tmp_path / "secrets"

    def run(token: str) -> None:
        environ = {"PATH": "/usr/bin:/bin", "HF_TOKEN": token}
        subprocess.run([tmp_path / "secrets.sh"], env=environ, check=True)

    run("hf_first")
    made = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert set(made) == set(compose.top["secrets"])
    assert made["hub_token"] == "hf_first"
    assert re.fullmatch("[0-9a-f]{32}", made["grafana_password"])
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert folder.stat().st_mode & 0o777 == 0o700
    run("hf_second")
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == made
    for secret in compose.top["secrets"].values():
        ignored = subprocess.run(["git", "check-ignore", "-q", secret["file"]], cwd=DOCKER)
        assert ignored.returncode == 0


def test_settings_are_settings_and_drafts_are_shared(ours: Any) -> None:
    service, settings = ours
    assert settings.drafts == "redis"
    assert settings.drafts_url is not None
    assert urlsplit(settings.drafts_url.get_secret_value()).hostname == "redis"
    assert service["depends_on"]["redis"] == {"condition": "service_healthy"}


def test_who_is_open_is_open_to_this_machine_only(ours: Any) -> None:
    service, settings = ours
    assert settings.allow_anonymous != (settings.keys_file is not None)
    assert [port.split(":")[0] for port in service["ports"]] == ["127.0.0.1"]


def test_the_drain_ends_before_patience_does(ours: Any) -> None:
    service, settings = ours
    assert seconds(service["stop_grace_period"]) >= settings.shutdown_grace_s + 30
    assert settings.shutdown_grace_s >= 900


def test_ports_match(ours: Any) -> None:
    service, settings = ours
    assert [int(port.split(":")[-1]) for port in service["ports"]] == [settings.port]
    assert service["healthcheck"]["test"][3:] == [f"127.0.0.1:{settings.port}", "/health/ready"]


def test_what_it_writes_is_a_volume(ours: Any) -> None:
    service, settings = ours
    targets = [volume.split(":")[1] for volume in service["volumes"]]
    written = [settings.drafts_path, settings.keys_file or settings.drafts_path]
    assert [path for path in written if not str(path).startswith(tuple(targets))] == []
    assert any(one.startswith("/tmp") for one in service["tmpfs"])


def test_the_gateway_reaches_every_replica_and_drains_before_them(
    compose: Any, dockerfiles: Any
) -> None:
    gateway = compose.services["gateway"]
    replicas = {
        name for name, one in compose.profile("replicas").items() if "vllm/" in one["image"]
    }
    upstream = gateway["environment"]["LONGHAND_UPSTREAM"].split(",")
    assert {urlsplit(url).hostname for url in upstream} == replicas
    assert {urlsplit(url).port for url in upstream} == {8000}
    assert replicas < set(gateway["depends_on"])
    for name in replicas:
        assert set(compose.services[name]["networks"]) & set(gateway["networks"])
        assert seconds(compose.services[name]["stop_grace_period"]) > 900
    assert settings(gateway, dockerfiles["gateway"]).engine == "upstream"


def test_replicas_have_a_gpu_each_and_the_server_as_many_as_share_a_layer(compose: Any) -> None:
    def devices(name: str) -> list[dict[str, Any]]:
        deploy: dict[str, Any] = compose.services[name]["deploy"]
        found: list[dict[str, Any]] = deploy["resources"]["reservations"]["devices"]
        return found

    taken = [devices(name)[0]["device_ids"] for name in ("vllm-0", "vllm-1")]
    assert taken == [["0"], ["1"]]
    server = compose.services["longhand"]
    assert devices("longhand")[0]["count"] == server["environment"]["LONGHAND_TENSOR_PARALLEL_SIZE"]
    assert server["shm_size"] == "16gb"


def test_redis_is_reached_by_who_serves_and_nobody_else(compose: Any) -> None:
    reaching = {name for name, one in compose.services.items() if "store" in one["networks"]}
    assert reaching == {"redis", *compose.of_ours()}
    assert compose.top["networks"]["store"] == {"internal": True}


def test_prometheus_finds_every_server_that_tells_metrics(compose: Any) -> None:
    jobs = document("prometheus/prometheus.yaml")["scrape_configs"]
    looked_for = {
        name: sd["port"] for job in jobs for sd in job["dns_sd_configs"] for name in sd["names"]
    }
    told = {
        alias: 8000
        for name, one in compose.services.items()
        if name not in ("redis", "prometheus", "grafana")
        for alias in one["networks"]["watch"]["aliases"]
    }
    assert looked_for == told
    assert "watch" in compose.services["prometheus"]["networks"]


def test_prometheus_takes_its_configuration_and_rules(compose: Any, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: apt-get install prometheus")
    for volume in compose.services["prometheus"]["volumes"]:
        source, target, *_ = volume.split(":")
        if target.startswith("/etc/prometheus/"):
            (tmp_path / Path(target).name).symlink_to((DOCKER / source).resolve())
    assert list((tmp_path / "rules").glob("*.yaml"))
    found = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus.yaml"], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_grafana_is_given_the_source_and_the_dashboards(compose: Any) -> None:
    (source,) = document("grafana/datasources.yaml")["datasources"]
    (provider,) = document("grafana/dashboards.yaml")["providers"]
    at = urlsplit(source["url"])
    published = compose.services["prometheus"]["ports"][0].split(":")[-1]
    assert (at.hostname, str(at.port)) == ("prometheus", published)
    targets = {v.split(":")[1]: v.split(":")[0] for v in compose.services["grafana"]["volumes"]}
    assert list((DOCKER / targets[provider["options"]["path"]]).glob("*.json"))


def test_redis_takes_its_command(compose: Any, tmp_path: Path) -> None:
    """As it stands in compose.yaml, by a real Redis: a wrong option ends it."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server: apt-get install redis-server")
    command = compose.services["redis"]["command"]
    socket = tmp_path / "redis.sock"
    server = subprocess.Popen(
        [*command, "--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if "Ready to accept connections" in line or "accept connections at" in line:
                break
        got = subprocess.run(
            ["redis-cli", "-s", socket, "CONFIG", "GET", "append*", "maxmemory-policy", "save"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    finally:
        server.kill()
        server.communicate()
    told = got.stdout.splitlines()
    kept = dict(zip(told[::2], told[1::2], strict=False))
    assert (kept["appendonly"], kept["appendfsync"]) == ("yes", "everysec")
    assert (kept["maxmemory-policy"], kept["save"]) == ("noeviction", "")
