"""The manifests as Kubernetes and the makers of custom resources describe them."""

import functools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils as kubernetes

CHART = Path(__file__).parents[2] / "helm" / "longhand"
FILES = CHART / "files"
# The oldest that Chart.yaml allows, one between, the newest that the package knows.
VERSIONS = ("1.32", "1.35", "1.37")
CUSTOM = {
    "LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
}
VALUES = [
    *sorted((CHART / "examples").glob("*.yaml")),
    *sorted((Path(__file__).parent / "values").glob("*.yaml")),
]


@pytest.fixture(autouse=True, scope="module")
def schemas_read_once() -> Iterator[None]:
    """The package reads 1 MB of definitions for every manifest otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes, "schema_contents", functools.cache(kubernetes.schema_contents))
        yield


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(helm: Any, values: Path) -> None:
    done = helm("lint", "--strict", CHART, "-f", values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(release: Any, version: str) -> None:
    for one in release.resources:
        if one["kind"] not in CUSTOM:
            kubernetes.validate(one, version, strict=True)


def test_a_planted_fault_is_found(example: Any) -> None:
    (service,) = list(example("one-h200").of("Service"))
    wrong = {**service, "spec": {**service["spec"], "selectors": {}}}
    with pytest.raises(kubernetes.ValidationError, match="selectors"):
        kubernetes.validate(wrong, VERSIONS[0], strict=True)


def test_the_chart_asks_for_the_oldest_version_that_is_tested() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["kubeVersion"] == f">={VERSIONS[0]}.0-0"


def test_custom_resources_are_of_the_versions_we_know(release: Any) -> None:
    for one in release.resources:
        if one["kind"] in CUSTOM:
            assert one["apiVersion"] == CUSTOM[one["kind"]]


# The shapes below are those of the published CRDs: LeaderWorkerSet (kubernetes-sigs/lws 060ab4d),
# ScaledObject (kedacore/keda 8b4f083), ServiceMonitor, PodMonitor and PrometheusRule
# (prometheus-operator 6adcebc), HTTPRoute (gateway-api 4564255).


def test_a_group_is_shaped_as_its_controller_wants(example: Any) -> None:
    (group,) = example("two-nodes-leaderworkerset").of("LeaderWorkerSet")
    spec = group["spec"]
    assert spec.keys() == {"replicas", "startupPolicy", "rolloutStrategy", "leaderWorkerTemplate"}
    assert spec["startupPolicy"] in {"LeaderCreated", "LeaderReady"}
    assert spec["rolloutStrategy"]["type"] == "RollingUpdate"
    configuration = spec["rolloutStrategy"]["rollingUpdateConfiguration"]
    assert configuration.keys() == {"maxSurge", "maxUnavailable"}
    template = spec["leaderWorkerTemplate"]
    assert template.keys() == {"size", "restartPolicy", "leaderTemplate", "workerTemplate"}
    assert template["restartPolicy"] == "RecreateGroupOnPodRestart"
    assert template["size"] == 2


def test_the_nodes_of_a_group_find_their_leader(example: Any) -> None:
    release = example("two-nodes-leaderworkerset")
    leader, worker = (release.pods[name].main["args"] for name in ("engine", "engine-worker"))
    both = {"--nnodes=2", "--master-addr=$(LWS_LEADER_ADDRESS)", "--master-port=29501"}
    assert both <= set(leader) & set(worker)
    assert set(leader) - set(worker) == {"--node-rank=0"}
    assert set(worker) - set(leader) == {"--node-rank=$(LWS_WORKER_INDEX)", "--headless"}
    # The controller makes a Service named as the group is.
    assert not release.named("Service").keys() & release.named("LeaderWorkerSet").keys()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_pods_of_a_group_are_valid_pods(example: Any, version: str) -> None:
    (group,) = example("two-nodes-leaderworkerset").of("LeaderWorkerSet")
    for name in ("leaderTemplate", "workerTemplate"):
        template = group["spec"]["leaderWorkerTemplate"][name]
        metadata = {**template["metadata"], "name": "one"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        kubernetes.validate(pod, version, strict=True)


def test_scaled_objects_are_shaped_as_keda_wants(example: Any) -> None:
    for one in example("four-replicas-keda").of("ScaledObject"):
        spec = one["spec"]
        assert spec.keys() == {
            "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "triggers", "advanced",
        }  # fmt: skip
        assert spec["minReplicaCount"] <= spec["maxReplicaCount"]
        assert spec["advanced"].keys() == {"horizontalPodAutoscalerConfig"}
        for trigger in spec["triggers"]:
            assert trigger["type"] == "prometheus"
            assert trigger["metadata"].keys() == {"serverAddress", "query", "threshold"}
            # Trigger metadata is a map of strings.
            assert all(isinstance(text, str) for text in trigger["metadata"].values())


def test_monitors_are_shaped_as_the_operator_wants(example: Any) -> None:
    release = example("two-h100-tensor-parallel")
    for kind, field in (("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")):
        assert release.of(kind)
        for one in release.of(kind):
            assert one["metadata"]["labels"]["release"] == "prometheus"
            assert one["spec"].keys() == {"selector", field}
            (endpoint,) = one["spec"][field]
            assert endpoint.keys() == {"port", "path", "interval", "relabelings"}


def test_a_route_is_shaped_as_the_gateway_api_wants(example: Any) -> None:
    (route,) = example("four-replicas-keda").of("HTTPRoute")
    assert route["spec"].keys() == {"parentRefs", "hostnames", "rules"}
    (rule,) = route["spec"]["rules"]
    assert rule.keys() == {"backendRefs", "timeouts"}
    assert rule["timeouts"].keys() == {"request", "backendRequest"}


def test_rules_reach_prometheus_as_they_were_tested(example: Any) -> None:
    release = example("two-h100-tensor-parallel")
    there = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FILES.glob("rules/*")}
    assert there
    for stem, rules in there.items():
        one = release.named("PrometheusRule")[f"demo-longhand-{stem}"]
        assert one["spec"] == rules
        assert one["metadata"]["labels"]["release"] == "prometheus"


def test_dashboards_reach_grafana_as_they_were_tested(example: Any) -> None:
    release = example("two-h100-tensor-parallel")
    paths = list(FILES.glob("dashboards/*.json"))
    assert paths
    for path in paths:
        one = release.named("ConfigMap")[f"demo-longhand-{path.stem}"]
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(one["data"][path.name]) == json.loads(path.read_text(encoding="utf-8"))
        # etcd takes no object over 1.5 MiB, a ConfigMap none over 1 MiB.
        assert len(one["data"][path.name].encode()) < 1024**2


def test_a_dashboard_or_rule_that_is_added_is_served(render: Any, tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    (chart / "files/dashboards/new.json").write_text('{"title": "{{ new }}"}', encoding="utf-8")
    alert = (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {s: '{{ $labels.job }}'}}]}]"
    )
    (chart / "files/rules/new.yaml").write_text(alert, encoding="utf-8")
    release = render(CHART / "examples/two-h100-tensor-parallel.yaml", chart=chart)
    data = release.named("ConfigMap")["demo-longhand-new"]["data"]
    assert json.loads(data["new.json"]) == {"title": "{{ new }}"}
    assert release.named("PrometheusRule")["demo-longhand-new"]["spec"] == yaml.safe_load(alert)


def test_without_the_operator_there_is_nothing_of_it(example: Any) -> None:
    release = example("one-h200")
    assert not CUSTOM.keys() & {one["kind"] for one in release.resources}
    assert len(release.of("ConfigMap")) == 1
