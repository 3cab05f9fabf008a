"""The table of values in the chart's README, made from values.yaml and its comments.

python -m tests.helm.values_table          prints it
python -m tests.helm.values_table --write  puts it into helm/longhand/README.md
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

CHART = Path(__file__).parents[2] / "helm" / "longhand"
MARK = "# -- "
BEGIN, END = "<!-- values -->\n", "<!-- end of values -->\n"
# What needs no words of its own wherever it comes.
USUAL = {
    "affinity": "as in a pod",
    "annotations": "annotations",
    "className": "class of the Ingress",
    "digest": "`sha256:...`, stronger than the tag",
    "enabled": "whether it is there",
    "existingClaim": "a claim that is there already",
    "existingSecret": "name of the Secret",
    "extraEnv": "further environment variables, as in a container",
    "fsGroup": "group of volumes",
    "hostnames": "host names",
    "interval": "how often Prometheus scrapes",
    "label": "label that the sidecar looks for",
    "labelValue": "its value",
    "maxReplicas": "most replicas",
    "maxSurge": "over the wished number",
    "maxUnavailable": "under the wished number",
    "minReplicas": "fewest replicas",
    "nodeSelector": "as in a pod",
    "podAnnotations": "annotations of the pods",
    "priorityClassName": "as in a pod",
    "pullPolicy": "as in a container",
    "replicas": "replicas",
    "repository": "repository",
    "resources": "as in a container",
    "revision": "branch, tag or commit",
    "runAsGroup": "group",
    "runAsUser": "user",
    "secretKey": "key in that Secret",
    "serverAddress": "URL of Prometheus",
    "size": "size of the claim",
    "storageClass": "class of the claim; by default the cluster's",
    "tag": "tag; by default the version that belongs to this chart",
    "tolerations": "as in a pod",
    "cpuPercent": "use of the requested CPU that is aimed at",
    "requestsPerReplica": "requests in flight that one replica is for",
    "waitingPerReplica": "waiting requests for which one more engine is started",
    "kvCachePercent": "use of the KV cache that is aimed at",
    "gpus": "GPUs of each replica; `tensor-parallel-size` goes into `args`",
}


def rows() -> Iterator[tuple[str, str, str]]:
    """Each value by its path: default (empty for a group) and meaning."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    yield from _rows(root, text.splitlines(), "")


def _rows(group: yaml.MappingNode, lines: list[str], path: str) -> Iterator[tuple[str, str, str]]:
    for key, value in group.value:
        name = f"{path}{key.value}"
        told = _comment(lines, key.start_mark.line)
        nested = isinstance(value, yaml.MappingNode) and value.value and not _literal(key.value)
        if not nested:
            yield name, _default(value), told or USUAL[key.value]
            continue
        if told:
            yield name, "", told
        yield from _rows(value, lines, f"{name}.")


def _literal(name: str) -> bool:
    """Groups that are one value: their keys are Kubernetes' own."""
    return name == "resources"


def _comment(lines: list[str], line: int) -> str:
    """The comment that ends right above a line, from its ``--`` on."""
    found: list[str] = []
    for above in reversed(lines[:line]):
        text = above.strip()
        if not text.startswith("#"):
            return ""
        if text.startswith(MARK):
            return " ".join([text.removeprefix(MARK), *reversed(found)])
        found.append(text.removeprefix("#").strip())
    return ""


def _default(node: yaml.Node) -> str:
    return f"`{json.dumps(yaml.safe_load(yaml.serialize(node)))}`"


def table() -> str:
    cells = [("value", "default", "meaning"), ("---", "---", "---")]
    cells += [(f"`{name}`", default, told.replace("|", "\\|")) for name, default, told in rows()]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def with_table(readme: str) -> str:
    """The README with the table as it should be."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    assert pattern.search(readme)
    return pattern.sub(lambda _: f"{BEGIN}{table()}{END}", readme)


def main() -> int:
    if "--write" in sys.argv:
        readme = CHART / "README.md"
        readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
