"""Every pod of every example: how it is confined, started, asked, ended."""

from pathlib import Path
from typing import Any

import pytest

RESERVE_S = 30


def seconds(probe: dict[str, Any]) -> int:
    """How long a probe may fail before it counts."""
    return int(probe["periodSeconds"]) * int(probe["failureThreshold"])


def test_no_pod_has_a_token_or_is_told_of_services(release: Any) -> None:
    for pod in release.pods.values():
        assert pod.spec["automountServiceAccountToken"] is False
        # A Service named longhand would set LONGHAND_PORT=tcp://..., which the settings refuse.
        assert pod.spec["enableServiceLinks"] is False
        account = release.named("ServiceAccount")[pod.spec["serviceAccountName"]]
        assert account["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()


def test_every_pod_is_an_unprivileged_user(release: Any) -> None:
    for pod in release.pods.values():
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert min(security["runAsUser"], security["runAsGroup"], security["fsGroup"]) > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert security["fsGroupChangePolicy"] == "OnRootMismatch"


def test_every_container_is_confined(release: Any) -> None:
    for pod in release.pods.values():
        for container in pod.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "privileged": False,
                "readOnlyRootFilesystem": True,
            }


def test_every_container_says_what_it_needs_and_may_take(release: Any) -> None:
    for pod in release.pods.values():
        for container in pod.containers:
            resources = container["resources"]
            assert {"cpu", "memory"} <= resources["requests"].keys(), pod.owner
            # No CPU limit: throttled, a stream stutters.
            assert "memory" in resources["limits"]
            assert "cpu" not in resources["limits"]


def test_every_pod_can_write_where_it_must_and_mounts_what_it_has(release: Any) -> None:
    for pod in release.pods.values():
        volumes = {volume["name"] for volume in pod.spec["volumes"]}
        mounted: set[str] = set()
        for container in pod.containers:
            paths = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert len(set(paths)) == len(paths)
            mounted |= {mount["name"] for mount in container["volumeMounts"]}
        claims = {"data"} if pod.component == "redis" else set()
        assert mounted == volumes | claims
        by_path = {mount["mountPath"]: mount for mount in pod.main["volumeMounts"]}
        assert not by_path["/tmp"].get("readOnly")
        environment = {one["name"]: one.get("value") for one in pod.main["env"]}
        assert environment["HOME"] == "/tmp"


def test_no_variable_is_set_twice(release: Any) -> None:
    for pod in release.pods.values():
        for container in pod.containers:
            names = [one["name"] for one in container.get("env", [])]
            assert len(set(names)) == len(names)


def test_a_pod_ends_after_its_load_balancer_has_heard_and_its_streams_are_done(
    release: Any,
) -> None:
    config = release.named("ConfigMap")[_fullname(release)]["data"]
    drain_s = float(config["LONGHAND_SHUTDOWN_GRACE_S"])
    for pod in release.pods.values():
        if pod.component not in {"gateway", "engine"}:
            continue
        pre_stop_s = pod.main["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pre_stop_s >= 5
        assert pod.spec["terminationGracePeriodSeconds"] >= pre_stop_s + drain_s + RESERVE_S


def test_streams_of_fifteen_minutes_finish_unless_somebody_says_otherwise(example: Any) -> None:
    pods = example("two-h100-tensor-parallel").pods
    assert pods["gateway"].spec["terminationGracePeriodSeconds"] >= 900 + 15 + RESERVE_S
    assert "--shutdown-timeout=900" in pods["engine"].main["args"]


@pytest.mark.parametrize("component", ["gateway", "engine", "reward"])
def test_probes_ask_what_they_are_for(release: Any, component: str) -> None:
    pod = release.pods.get(component)
    if pod is None:
        return
    ours = pod == release.front
    probes = {kind: pod.main[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")}
    paths = {kind: probe["httpGet"]["path"] for kind, probe in probes.items()}
    assert paths["readiness"] == ("/health/ready" if ours else "/health")
    assert paths["liveness"] == ("/health/live" if ours else "/health")
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {"http"}
    # A busy event loop is no reason to end hundreds of streams.
    assert seconds(probes["liveness"]) >= 60


def test_an_engine_may_take_an_hour_to_start_with_65_gb(example: Any) -> None:
    # 65.5 GB at 250 Mbit/s, then from a network disk at 300 MB/s, then 300 s of compiling.
    needed_s = 65.5e9 * 8 / 250e6 + 65.5e9 / 300e6 + 300
    assert 2600 < needed_s < 2650
    for name in ("one-h200", "two-h100-tensor-parallel", "two-nodes-leaderworkerset"):
        assert seconds(example(name).pods["engine"].main["startupProbe"]) >= needed_s
    # The gateway is live long before its engines are.
    gateway = example("two-h100-tensor-parallel").pods["gateway"].main
    assert gateway["startupProbe"]["httpGet"]["path"] == "/health/live"


def test_an_engine_has_the_gpus_that_its_parts_need(release: Any) -> None:
    pod = release.pods.get("engine")
    if pod is None or "args" not in pod.main or pod.main["args"] == ["serve"]:
        return
    given = dict(
        arg.split("=", 1) for arg in pod.main["args"] if arg.startswith("--") and "=" in arg
    )
    nodes = int(given.get("--nnodes", 1))
    parts = int(given["--tensor-parallel-size"]) * int(given["--pipeline-parallel-size"])
    assert parts == nodes * pod.main["resources"]["limits"]["nvidia.com/gpu"]
    shared = {volume["name"]: volume for volume in pod.spec["volumes"]}["shm"]["emptyDir"]
    assert shared["medium"] == "Memory"


def test_a_change_of_settings_starts_the_front_anew_and_leaves_the_engines(render: Any) -> None:
    values = Path(__file__).parents[2] / "helm/longhand/examples/two-h100-tensor-parallel.yaml"
    before, after = render(values), render(values, "--set", "settings.max_running=7")
    assert before.pods["gateway"].annotations != after.pods["gateway"].annotations
    assert before.pods["engine"] == after.pods["engine"]
    more = render(values, "--set", f"auth.keyHashes={{sha256:{'0' * 64}}}")
    assert "checksum/keys" in more.pods["gateway"].annotations


def test_a_new_chart_does_not_restart_engines(release: Any) -> None:
    for pod in release.pods.values():
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & pod.labels.keys()


def _fullname(release: Any) -> str:
    (account,) = release.of("ServiceAccount")
    return str(account["metadata"]["name"])
