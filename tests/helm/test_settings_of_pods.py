"""What Longhand is told by the chart: settings that exist, values that parse, secrets
from Secrets."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from server import __version__
from server.settings import PREFIX, Settings, load

ROOT = Path(__file__).parents[2]
# What an operator's Secrets would hold.
SECRETS = {
    "LONGHAND_API_KEYS": f"sha256:{'0' * 64}",
    "LONGHAND_DRAFTS_URL": "redis://:secret@redis:6379/0",
    "LONGHAND_UPSTREAM_KEY": "secret",
    "LONGHAND_QUALITY_KEY": "secret",
}


def environment(release: Any) -> dict[str, str]:
    """The front's ``LONGHAND_*`` as its process gets them."""
    container = release.front.main
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        found.update(release.named("ConfigMap")[source["configMapRef"]["name"]]["data"])
    for one in container["env"]:
        found[one["name"]] = one["value"] if "value" in one else SECRETS.get(one["name"], "secret")
    return {name: text for name, text in found.items() if name.startswith(PREFIX)}


def test_every_setting_of_the_chart_is_one_and_its_value_parses(release: Any) -> None:
    settings = load({}, environ=environment(release))
    assert settings.port == release.front.main["ports"][0]["containerPort"]
    assert settings.host == "0.0.0.0"


def test_what_values_say_is_what_the_server_is_told(example: Any) -> None:
    settings = load({}, environ=environment(example("everything-else")))
    assert settings.max_running == 64
    assert settings.drafts_max_bytes == 2 * 1024**3
    assert settings.predict_length is True
    assert settings.rewards == {"length": 1, "repetition": 0.5}
    assert settings.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
    assert settings.served_model_name == "zero"
    assert settings.quality_api == "judge"
    assert settings.quality_model == "http://writer-reward.writing.svc:8000"
    assert settings.drafts == "redis"


def test_a_gateway_is_told_of_every_engine(example: Any) -> None:
    told = environment(example("everything-else"))["LONGHAND_UPSTREAM"]
    assert told == "http://writer-engine.writing.svc:8000,https://engines.example.com/v1"
    told = environment(example("engines-elsewhere"))["LONGHAND_UPSTREAM"]
    assert told == "http://raycluster-head.ray.svc:8000"


def test_a_gateway_is_live_while_its_engines_load(release: Any) -> None:
    # It asks them what they serve before it listens, unless it knows name and window already.
    settings = load({}, environ=environment(release))
    if "engine" in release.pods and settings.upstream:
        assert None not in (settings.upstream_model, settings.max_model_len)
        assert (
            f"--served-model-name={settings.upstream_model}" in release.pods["engine"].main["args"]
        )
        assert f"--max-model-len={settings.max_model_len}" in release.pods["engine"].main["args"]


def test_an_engine_in_the_process_gets_the_same_engine_values(example: Any) -> None:
    settings = load({}, environ=environment(example("one-h200")))
    assert (settings.tensor_parallel_size, settings.max_model_len) == (1, 32768)
    assert settings.drafts == "sqlite"
    mounts = {mount["mountPath"] for mount in example("one-h200").front.main["volumeMounts"]}
    assert str(settings.drafts_path.parent) in mounts


def test_keys_come_as_a_file_that_changes_with_its_secret(example: Any) -> None:
    release = example("one-h200")
    settings = load({}, environ=environment(release))
    assert settings.keys_file == Path("/etc/longhand/keys/keys.jsonl")
    (mount,) = [m for m in release.front.main["volumeMounts"] if m["name"] == "keys"]
    # By subPath the file would stay as it was when the pod started.
    assert mount == {"name": "keys", "mountPath": "/etc/longhand/keys", "readOnly": True}


@pytest.mark.parametrize(
    ("name", "open_to_all"), [("cpu-demo", True), ("directory", True), ("one-h200", False)]
)
def test_nobody_is_let_in_without_a_key_unless_said_so(
    example: Any, name: str, open_to_all: bool
) -> None:
    settings = load({}, environ=environment(example(name)))
    assert settings.allow_anonymous is open_to_all
    assert bool(settings.api_keys or settings.keys_file) is not open_to_all


def test_no_config_map_holds_a_secret_setting(release: Any) -> None:
    secret = {
        f"{PREFIX}{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert secret
    for one in release.of("ConfigMap"):
        assert not secret & one["data"].keys()


def test_secrets_are_referred_to_and_never_written_out(release: Any) -> None:
    for pod in release.pods.values():
        for one in pod.main["env"]:
            if one["name"].endswith(("_KEY", "_KEYS", "_TOKEN", "_PASSWORD")):
                assert "secretKeyRef" in one["valueFrom"], one["name"]


def test_both_ends_of_a_connection_have_the_same_key(example: Any) -> None:
    pods = example("everything-else").pods

    def source(part: str, name: str) -> Any:
        (found,) = [one for one in pods[part].main["env"] if one["name"] == name]
        return found["valueFrom"]["secretKeyRef"]

    assert source("gateway", "LONGHAND_UPSTREAM_KEY") == source("engine", "VLLM_API_KEY")
    assert source("gateway", "LONGHAND_QUALITY_KEY") == source("reward", "VLLM_API_KEY")
    assert source("gateway", "REDIS_PASSWORD") == source("redis", "REDIS_PASSWORD")
    (url,) = [one for one in pods["gateway"].main["env"] if one["name"] == "LONGHAND_DRAFTS_URL"]
    # Kubernetes puts a variable in only where it comes earlier in the list.
    assert url["value"] == "redis://:$(REDIS_PASSWORD)@writer-redis.writing.svc:6379/0"
    names = [one["name"] for one in pods["gateway"].main["env"]]
    assert names.index("REDIS_PASSWORD") < names.index("LONGHAND_DRAFTS_URL")


def test_images_are_of_the_versions_that_belong_together(example: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (vllm,) = project["optional-dependencies"]["cuda"]
    pods = example("two-h100-tensor-parallel").pods
    image = f"docker.io/vllm/vllm-openai:v{vllm.partition('==')[2]}"
    assert pods["engine"].main["image"] == pods["reward"].main["image"] == image
    assert pods["gateway"].main["image"] == f"ghcr.io/longhand/longhand-gateway:{__version__}"
    server = example("one-h200").pods["engine"].main["image"]
    assert server == f"ghcr.io/longhand/longhand-server:{__version__}"
    pinned = example("everything-else").pods["gateway"].main["image"]
    assert pinned.startswith("ghcr.io/longhand/longhand-gateway@sha256:")
