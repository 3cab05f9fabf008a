"""The programs that pods run are run: the download, the waits; and vLLM's arguments looked up."""

import importlib.util
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FAKE_HUB = """
import json, os, pathlib
def snapshot_download(name, revision, ignore_patterns):
    asked = pathlib.Path(os.environ["HF_HOME"], "asked")
    with asked.open("a") as out:
        out.write(json.dumps([name, revision, ignore_patterns]) + "\\n")
    if name == os.environ.get("FAIL"):
        raise OSError("no way to the hub")
"""


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def download(release: Any, folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    (folder / "huggingface_hub.py").write_text(FAKE_HUB, encoding="utf-8")
    container = release.pods["download"].main
    told = {**environment(container), "PYTHONPATH": str(folder), "HF_HOME": str(folder), **more}
    command = [sys.executable, *container["command"][1:], *container["args"]]
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=15)


def mark(release: Any, part: str) -> str:
    """The file that a pod waits for."""
    (wait,) = release.pods[part].spec["initContainers"]
    found = re.search(r'-e "/models/(\S+)"', wait["args"][0])
    assert found
    return found[1]


def test_the_job_downloads_every_model_and_then_lets_the_pods_start(
    example: Any, tmp_path: Path
) -> None:
    release = example("two-h100-tensor-parallel")
    assert download(release, tmp_path).returncode == 0
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    left_out = ["original/*", "*.pth", "*.gguf"]
    assert asked == [
        ["THU-KEG/LongWriter-Zero-32B", None, left_out],
        ["Skywork/Skywork-Reward-V2-Llama-3.1-8B", None, left_out],
    ]
    for part in ("engine", "gateway", "reward"):
        assert (tmp_path / mark(release, part)).exists()


def test_pods_wait_on_where_a_download_failed(example: Any, tmp_path: Path) -> None:
    release = example("two-h100-tensor-parallel")
    failed = download(release, tmp_path, FAIL="Skywork/Skywork-Reward-V2-Llama-3.1-8B")
    assert failed.returncode != 0
    assert not (tmp_path / mark(release, "engine")).exists()


def test_another_revision_is_another_job_and_another_mark(render: Any, tmp_path: Path) -> None:
    values = Path(__file__).parents[2] / "helm/longhand/examples/one-h200.yaml"
    before, after = render(values), render(values, "--set", "model.revision=abc")
    assert {job["metadata"]["name"] for job in (*before.of("Job"), *after.of("Job"))} == {
        f"demo-longhand-download-{mark(one, 'engine').rpartition('-')[2]}"
        for one in (before, after)
    }
    assert mark(before, "engine") != mark(after, "engine")
    assert download(after, tmp_path).returncode == 0
    assert json.loads((tmp_path / "asked").read_text())[1] == "abc"


def test_the_wait_ends_when_the_mark_is_there(example: Any, tmp_path: Path) -> None:
    (wait,) = example("one-h200").pods["engine"].spec["initContainers"]
    (tmp_path / mark(example("one-h200"), "engine")).touch()
    program = wait["args"][0].replace("/models", str(tmp_path))
    subprocess.run([*wait["command"], program], check=True, timeout=10)


def test_the_job_of_a_claim_for_one_node_runs_beside_the_engine(example: Any) -> None:
    release = example("one-h200")
    affinity = release.pods["download"].spec["affinity"]["podAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    engine = release.pods["engine"].labels
    assert term["labelSelector"]["matchLabels"].items() <= engine.items()
    assert "affinity" not in example("two-h100-tensor-parallel").pods["download"].spec


def test_a_worker_ends_only_after_its_leader(example: Any) -> None:
    pod = example("two-nodes-leaderworkerset").pods["engine-worker"]
    command = pod.main["lifecycle"]["preStop"]["exec"]["command"]
    assert pod.spec["terminationGracePeriodSeconds"] >= 900
    with socket.create_server(("127.0.0.1", 0)) as leader:
        told = {"LWS_LEADER_ADDRESS": "127.0.0.1", "RENDEZVOUS": str(leader.getsockname()[1])}
        waiting = subprocess.Popen([sys.executable, *command[1:]], env=told)
        leader.settimeout(10)
        leader.accept()[0].close()
        assert waiting.poll() is None
    assert waiting.wait(timeout=15) == 0


def test_vllm_knows_every_argument_it_is_given(release: Any) -> None:
    found = importlib.util.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        pytest.skip("no vLLM here to look its arguments up in")
    folder = Path(found.submodule_search_locations[0])
    paths = [folder / "engine/arg_utils.py", *folder.glob("entrypoints/**/cli_args.py")]
    source = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    for part in {"engine", "engine-worker", "reward"} & release.pods.keys():
        for arg in release.pods[part].main["args"]:
            if arg.startswith("--"):
                flag = arg.partition("=")[0]
                field = flag.removeprefix("--").replace("-", "_")
                assert f'"{flag}"' in source or re.search(rf"^    {field}: ", source, re.M), flag


def test_redis_keeps_what_it_was_given(example: Any) -> None:
    args = example("everything-else").pods["redis"].main["args"]
    told = dict(zip(args[::2], args[1::2], strict=True))
    assert told["--appendonly"] == "yes"
    assert told["--maxmemory-policy"] == "noeviction"
    assert told["--requirepass"] == "$(REDIS_PASSWORD)"
    assert "--requirepass" not in example("two-h100-tensor-parallel").pods["redis"].main["args"]
