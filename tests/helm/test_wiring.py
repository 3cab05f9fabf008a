"""What refers to what: selectors and labels, ports and names, policies and pods."""

from collections.abc import Iterator
from typing import Any

import pytest


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """A label selector, as Kubernetes reads it."""
    return all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items()) and all(
        rule["operator"] == "In" and labels.get(rule["key"]) in rule["values"]
        for rule in selector.get("matchExpressions", [])
    )


def components(release: Any, selector: dict[str, Any]) -> set[str]:
    return {name for name, pod in release.pods.items() if selects(selector, pod.labels)}


def ports(pod: Any) -> dict[str, int]:
    return {one["name"]: one["containerPort"] for one in pod.main.get("ports", [])}


def test_names_are_one_each_and_short_enough(release: Any) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in release.resources]
    assert len(set(names)) == len(names)
    assert max(len(name) for _, name in names) <= 63


def test_everything_carries_the_recommended_labels(release: Any) -> None:
    for one in release.resources:
        labels = one["metadata"]["labels"]
        assert {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/version",
            "app.kubernetes.io/part-of",
            "app.kubernetes.io/managed-by",
            "helm.sh/chart",
        } <= labels.keys(), one["kind"]


def test_a_workload_selects_its_own_pods_alone(release: Any) -> None:
    for kind in ("Deployment", "StatefulSet"):
        for one in release.of(kind):
            selector = one["spec"]["selector"]
            assert len(components(release, selector)) == 1
            assert selects(selector, one["spec"]["template"]["metadata"]["labels"])


def test_every_service_reaches_one_part_at_a_port_it_has(release: Any) -> None:
    for service in release.of("Service"):
        (found,) = components(release, {"matchLabels": service["spec"]["selector"]})
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports(release.pods[found])
            if service["spec"].get("clusterIP") == "None":
                # Nothing translates the port of a headless Service.
                assert port["port"] == ports(release.pods[found])[port["targetPort"]]


def test_clients_reach_the_front(release: Any) -> None:
    (account,) = release.of("ServiceAccount")
    service = release.named("Service")[account["metadata"]["name"]]
    assert selects({"matchLabels": service["spec"]["selector"]}, release.front.labels)


def test_every_budget_lets_one_pod_go_and_counts_the_right_ones(release: Any) -> None:
    for budget in release.of("PodDisruptionBudget"):
        part = budget["metadata"]["labels"]["app.kubernetes.io/component"]
        found = components(release, budget["spec"]["selector"])
        assert found - {"engine-worker"} == {part}
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert {"gateway", "engine"} & release.pods.keys() == {
        one["metadata"]["labels"]["app.kubernetes.io/component"]
        for one in release.of("PodDisruptionBudget")
    }


def test_replicas_are_spread_over_nodes_and_zones(release: Any) -> None:
    for part in {"gateway", "engine"} & release.pods.keys():
        constraints = release.pods[part].spec["topologySpreadConstraints"]
        keys = [one["topologyKey"] for one in constraints]
        assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        for one in constraints:
            assert components(release, one["labelSelector"]) == {part}


def referred(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """ConfigMaps, claims and the like by the fields that name them, anywhere below."""
    fields = {"configMapRef": "name", "persistentVolumeClaim": "claimName"}
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in fields:
                yield key, inner[fields[key]]
            yield from referred(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from referred(inner)


def test_what_a_pod_mounts_is_there_or_was_named_by_the_operator(release: Any) -> None:
    given = {"weights", "my-drafts"}
    for pod in release.pods.values():
        for field, name in referred(pod.spec):
            kind = "ConfigMap" if field == "configMapRef" else "PersistentVolumeClaim"
            assert name in release.named(kind).keys() | given


def test_claims_outlive_the_release(release: Any) -> None:
    for claim in release.of("PersistentVolumeClaim"):
        assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_what_scales_scales_something_that_does_not_fix_its_replicas(release: Any) -> None:
    scaled = [*release.of("HorizontalPodAutoscaler"), *release.of("ScaledObject")]
    for one in scaled:
        target = one["spec"]["scaleTargetRef"]
        found = release.named(target["kind"])[target["name"]]
        assert found["apiVersion"] == target["apiVersion"]
        assert "replicas" not in found["spec"]
    targets = [one["spec"]["scaleTargetRef"]["name"] for one in scaled]
    assert len(set(targets)) == len(targets)
    for kind in ("Deployment", "LeaderWorkerSet"):
        for name, one in release.named(kind).items():
            assert ("replicas" in one["spec"]) == (name not in targets)


def test_scaling_down_takes_one_pod_in_the_time_a_stream_may_take(example: Any) -> None:
    hpa = example("everything-else").of("HorizontalPodAutoscaler")[0]["spec"]["behavior"]
    (keda, _) = example("four-replicas-keda").of("ScaledObject")
    configured = keda["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    policy = {"type": "Pods", "value": 1, "periodSeconds": 900}
    for behavior in (hpa, configured):
        assert behavior["scaleDown"]["policies"] == [policy]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300


def test_keda_asks_for_series_that_the_monitors_make(example: Any) -> None:
    release = example("four-replicas-keda")
    jobs = set()
    for kind, endpoints in (("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")):
        for monitor in release.of(kind):
            (endpoint,) = monitor["spec"][endpoints]
            (label,) = [r for r in endpoint["relabelings"] if r["targetLabel"] == "job"]
            jobs.add(label["replacement"])
    queries = [
        trigger["metadata"]["query"]
        for one in release.of("ScaledObject")
        for trigger in one["spec"]["triggers"]
    ]
    assert {query.split("{")[0].split("(")[1] for query in queries} == {
        "longhand_requests_in_flight",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
    }
    assert all('namespace="writing",job="' in query for query in queries)
    assert {query.split('job="')[1].split('"')[0] for query in queries} <= jobs


def test_monitors_find_the_pods_they_are_for(release: Any) -> None:
    for monitor in release.of("PodMonitor"):
        (found,) = components(release, monitor["spec"]["selector"])
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in ports(release.pods[found])
    for monitor in release.of("ServiceMonitor"):
        services = [
            one
            for one in release.of("Service")
            if selects(monitor["spec"]["selector"], one["metadata"]["labels"])
        ]
        (service,) = services
        named = [port["name"] for port in service["spec"]["ports"]]
        assert monitor["spec"]["endpoints"][0]["port"] in named


@pytest.mark.parametrize("kind", ["Ingress", "HTTPRoute"])
def test_a_way_in_leads_to_the_service_and_lasts_an_hour(release: Any, kind: str) -> None:
    (account,) = release.of("ServiceAccount")
    front = account["metadata"]["name"]
    for one in release.of(kind):
        if kind == "HTTPRoute":
            (rule,) = one["spec"]["rules"]
            assert rule["timeouts"] == {"request": "1h", "backendRequest": "1h"}
            port = release.named("Service")[front]["spec"]["ports"][0]["port"]
            assert rule["backendRefs"] == [{"name": front, "port": port}]
            continue
        prefix = "nginx.ingress.kubernetes.io/proxy-"
        told = {k.removeprefix(prefix): v for k, v in one["metadata"]["annotations"].items()}
        assert told["buffering"] == "off"
        assert min(int(told["read-timeout"]), int(told["send-timeout"])) >= 3600
        for rule in one["spec"]["rules"]:
            backend = rule["http"]["paths"][0]["backend"]["service"]
            assert backend == {"name": front, "port": {"name": "http"}}


def test_an_operator_may_overrule_what_the_ingress_is_told(example: Any) -> None:
    (ingress,) = example("everything-else").of("Ingress")
    told = ingress["metadata"]["annotations"]
    assert told["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "7200"
    assert told["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
