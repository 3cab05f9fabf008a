"""Values that are misspelt, or cannot be meant together, are refused with a sentence."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm" / "longhand"
BASE = CHART / "examples" / "two-h100-tensor-parallel.yaml"
ONE = CHART / "examples" / "one-h200.yaml"


@pytest.mark.parametrize(
    ("values", "given", "sentence"),
    [
        (BASE, "auth.existingSecret=", "auth: there are no API keys"),
        (BASE, "auth.allowAnonymous=true", "auth.allowAnonymous serves everybody, and there are"),
        (
            BASE,
            "gateway.hpa.enabled=true,gateway.keda.enabled=true,gateway.keda.serverAddress=http://p",
            "gateway.hpa and gateway.keda would scale the same pods",
        ),
        (BASE, "gateway.keda.enabled=true", "gateway.keda needs serverAddress"),
        (BASE, "engine.keda.enabled=true", "engine.keda needs serverAddress"),
        (
            BASE,
            "engine.pipelineParallel=2",
            "tensorParallel 2 x pipelineParallel 2 = 4 parts do not fit gpusPerNode 2 x nodes 1 "
            "= 2",
        ),
        (BASE, "engine.gpusPerNode=0", "2 parts do not fit gpusPerNode 0"),
        (BASE, "engine.server=longhand", 'engine.server "longhand" is its own gateway'),
        (ONE, "engine.server=vllm", 'engine.server "vllm" needs the gateway'),
        (ONE, "engine.nodes=2,engine.pipelineParallel=2", "serves from one node"),
        (BASE, "engine.enabled=false", "There is no engine"),
        (ONE, "engine.enabled=false", "There is nothing to run"),
        (BASE, "engine.rollout.maxUnavailable=0", "no new version could ever start"),
        (BASE, "redis.enabled=false", 'drafts.store "redis" needs one'),
        (BASE, "drafts.redisUrl.existingSecret=mine", "set redis.enabled to false"),
        (BASE, "drafts.store=off", "starts a Redis that drafts.store"),
        (BASE, "drafts.store=memory,redis.enabled=false", '"memory" is kept by one replica'),
        (ONE, "engine.replicas=2", '"sqlite" is kept by one replica'),
        (ONE, "engine.replicas=2", 'accessMode "ReadWriteOnce" serves one pod, and 2 would'),
        (BASE, "modelCache.accessMode=ReadWriteOnce", "and 4 would mount it"),
        (BASE, "model.id=/srv/model", "is a directory no pod has"),
        (
            BASE,
            "model.id=/models/a,modelCache.shareWithGateway=false",
            "the gateway reads its tokenizer",
        ),
        (BASE, "model.id=pocket", "comes with Longhand's images, not with vLLM's"),
        (BASE, "model.maxLen=null", "model.maxLen is needed with a gateway"),
        (BASE, "settings.upstream_model=a", "in this chart: model.servedName"),
        (BASE, "reward.model=", "reward.enabled needs reward.model"),
        (BASE, "settings.model=other", "settings.model has its own value in this chart: model.id"),
        (BASE, "settings.quality_model=pocket", "in this chart: reward.model"),
        (BASE, "settings.api_keys=secret", "in this chart: auth.existingSecret"),
        (BASE, "ingress.hosts=null", "ingress needs at least one of ingress.hosts"),
        (BASE, "ingress.timeoutSeconds=600", "would cut the streams that a drain waits for"),
        (BASE, "httpRoute.enabled=true", "httpRoute needs at least one of httpRoute.parentRefs"),
    ],
)
def test_contradictions_are_refused(helm: Any, values: Path, given: str, sentence: str) -> None:
    done = helm("template", "demo", CHART, "-f", values, "--set", given)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_all_contradictions_are_told_at_once(helm: Any) -> None:
    done = helm("template", "demo", CHART, "--set", "engine.tensorParallel=2")
    assert "auth: there are no API keys" in done.stderr
    assert "2 parts do not fit" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        "gatway.replicas=2",
        "gateway.replica=2",
        "engine.keda.minReplica=2",
        "monitoring.dashboards.lable=x",
        "gateway.resources.request.cpu=1",
        "gateway.image.name=x",
        "gateway.replicas=0",
        "gateway.upstreams={ftp://engine}",
        "auth.keyHashes={a-key-in-plain-text}",
        "engine.server=sglang",
        "engine.gpuMemoryUtilization=1.5",
        "modelCache.size=lots",
        "httpRoute.timeout=15 minutes",
        "podSecurityContext.runAsUser=0",
        "settings.MAX_RUNNING=3",
    ],
)
def test_a_misspelt_or_impossible_value_is_refused_by_the_schema(helm: Any, given: str) -> None:
    done = helm("template", "demo", CHART, "-f", BASE, "--set", given)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


def objects(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every description of an object in the schema."""
    if "properties" in schema:
        yield path, schema
    for key in ("properties", "definitions"):
        for name, inner in schema.get(key, {}).items():
            yield from objects(inner, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from objects(schema["items"], f"{path}[]")


def test_every_object_of_the_schema_is_closed() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    found = list(objects(schema))
    assert len(found) > 20
    assert [path for path, one in found if one.get("additionalProperties") is not False] == []


def test_the_schema_has_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    # Left out of values.yaml as they are optional: Helm's own, and what few need.
    optional = {".global", ".podSecurityContext.supplementalGroups", ".image.tag", ".env"}

    def compare(described: dict[str, Any], given: dict[str, Any], path: str) -> None:
        if "$ref" in described:
            described = schema["definitions"][described["$ref"].rpartition("/")[2]]
        if "properties" not in described:
            return
        names = {f"{path}.{name}" for name in described["properties"]} - optional
        assert names == {f"{path}.{name}" for name in given}
        for name, inner in given.items():
            if isinstance(inner, dict):
                compare(described["properties"][name], inner, f"{path}.{name}")

    compare(schema, values, "")
