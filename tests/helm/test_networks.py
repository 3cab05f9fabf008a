"""Who may talk to whom: the policies of a release, read as a cluster reads them."""

from itertools import product
from typing import Any

import pytest

OUTSIDE = {"kubernetes.io/metadata.name": "elsewhere"}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items()) and all(
        labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", [])
    )


def allows(rule: dict[str, Any], side: str, peer: dict[str, str], port: str | int) -> bool:
    """Whether a rule lets a pod of this namespace through, by its labels and the port's name."""
    peers, ports = rule.get(side), rule.get("ports")
    by_peer = peers is None or any(
        "podSelector" in one
        and "namespaceSelector" not in one
        and selects(one["podSelector"], peer)
        for one in peers
    )
    return by_peer and (ports is None or port in [one["port"] for one in ports])


def passes(release: Any, source: str, target: str, port: str | int) -> bool:
    """Policies add up: some rule of the source's egress and some of the target's ingress."""
    policies = [one["spec"] for one in release.of("NetworkPolicy")]
    pods = release.pods

    def some(pod: str, rules: str, side: str, peer: str) -> bool:
        return any(
            allows(rule, side, pods[peer].labels, port)
            for policy in policies
            if selects(policy["podSelector"], pods[pod].labels)
            for rule in policy.get(rules, [])
        )

    return some(source, "egress", "to", target) and some(target, "ingress", "from", source)


def ways(release: Any) -> set[tuple[str, str, str]]:
    found = set()
    for source, target in product(release.pods, repeat=2):
        for port in [one["name"] for one in release.pods[target].main.get("ports", [])]:
            if passes(release, source, target, port):
                found.add((source, target, port))
    return found


def leaving(release: Any, part: str) -> list[dict[str, Any]]:
    """Peers of a part's egress that are no pods of this namespace, DNS aside."""
    labels = release.pods[part].labels
    return [
        peer
        for one in release.of("NetworkPolicy")
        if selects(one["spec"]["podSelector"], labels)
        for rule in one["spec"].get("egress", [])
        if 53 not in [port["port"] for port in rule.get("ports", [])]
        for peer in rule.get("to", [{}])
        if "podSelector" not in peer
    ]


def test_every_pod_is_denied_everything_but_dns_by_default(release: Any) -> None:
    if release.name == "directory":
        assert release.of("NetworkPolicy") == []
        return
    (default,) = [
        one for n, one in release.named("NetworkPolicy").items() if n.endswith("-default")
    ]
    spec = default["spec"]
    assert all(selects(spec["podSelector"], pod.labels) for pod in release.pods.values())
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec
    (dns,) = spec["egress"]
    assert [(one["protocol"], one["port"]) for one in dns["ports"]] == [("UDP", 53), ("TCP", 53)]
    assert dns["to"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one-h200", set()),
        ("cpu-demo", set()),
        (
            "two-h100-tensor-parallel",
            {
                ("gateway", "engine", "http"),
                ("gateway", "reward", "http"),
                ("gateway", "redis", "redis"),
            },
        ),
        ("four-replicas-keda", {("gateway", "engine", "http")}),
        ("engines-elsewhere", set()),
    ],
)
def test_parts_reach_what_they_need_and_nothing_else(
    example: Any, name: str, expected: set[tuple[str, str, str]]
) -> None:
    assert ways(example(name)) == expected


def test_nodes_of_a_group_reach_each_other_at_any_port(example: Any) -> None:
    release = example("two-nodes-leaderworkerset")
    for source, target in product(("engine", "engine-worker"), repeat=2):
        assert passes(release, source, target, 43210)
    assert not passes(release, "engine", "redis", "redis")
    assert not passes(release, "gateway", "engine-worker", 43210)


def test_ports_of_policies_are_names_of_the_pods_they_protect(release: Any) -> None:
    for one in release.of("NetworkPolicy"):
        pods = [p for p in release.pods.values() if selects(one["spec"]["podSelector"], p.labels)]
        assert pods
        names = {port["name"] for pod in pods for port in pod.main.get("ports", [])}
        for rule in one["spec"].get("ingress", []):
            assert {port["port"] for port in rule.get("ports", [])} <= names


def test_a_reward_model_with_its_weights_at_hand_reaches_nobody(example: Any) -> None:
    assert leaving(example("two-h100-tensor-parallel"), "reward") == []
    # Without a cache it has to download.
    (hub,) = leaving(example("everything-else"), "reward")
    assert "10.0.0.0/8" in hub["ipBlock"]["except"]


def test_where_a_job_downloads_nothing_else_leaves_the_cluster(example: Any) -> None:
    release = example("two-h100-tensor-parallel")
    going = {part for part in release.pods if leaving(release, part)}
    assert going == {"download"}
    for part in ("gateway", "engine", "reward"):
        environment = {one["name"]: one.get("value") for one in release.pods[part].main["env"]}
        assert environment["HF_HUB_OFFLINE"] == "1"
        (mount,) = [m for m in release.pods[part].main["volumeMounts"] if m["name"] == "models"]
        assert mount["readOnly"] is True


def test_the_demo_never_leaves_its_namespace(example: Any) -> None:
    assert leaving(example("cpu-demo"), "engine") == []


def test_callers_can_be_narrowed_without_shutting_prometheus_out(example: Any) -> None:
    release = example("everything-else")
    policy = release.named("NetworkPolicy")["writer-gateway"]["spec"]
    names = [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in policy["ingress"]
        for peer in rule["from"]
    ]
    assert names == ["ingress-nginx", "monitoring"]
