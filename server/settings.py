"""Every setting: name, unit, default, reason. The only reader and writer of the environment.

A setting is given, later ones winning, by its default, a TOML file (``--config``), the environment
(``LONGHAND_`` and the name in capitals), the command line. A name that is not known refuses the
start: a misspelt limit must never run as no limit.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from server.caller_settings import CallerSettings
from server.errors import CannotServe
from server.upstream_settings import UpstreamSettings

PREFIX = "LONGHAND_"
LIFELINE = "LONGHAND_LIFELINE"
# Names of ours in the environment that are no settings.
_NOT_SETTINGS = frozenset({LIFELINE})

EngineName = Literal["auto", "vllm", "transformers", "upstream", "scripted"]


class Settings(CallerSettings, UpstreamSettings):
    """How the server runs. Descriptions become the table in README.md."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str = Field("pocket", description="`pocket`, a directory, or a Hugging Face id")
    revision: str | None = Field(None, description="branch, tag or commit of a Hugging Face id")
    served_model_name: str | None = Field(
        None, description="name in the API; by default the last part of `model`"
    )
    engine: EngineName = Field(
        "auto",
        description="`vllm`, `transformers`, `upstream`, `scripted`; `auto`: vLLM if installed",
    )
    script: Path | None = Field(None, description="JSON file that the scripted engine plays")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 picks a free one")

    tensor_parallel_size: int = Field(1, ge=1, description="GPUs (or CPU ranks) that share a layer")
    pipeline_parallel_size: int = Field(1, ge=1, description="stages the layers are divided into")
    max_model_len: int | None = Field(
        None,
        ge=16,
        description="context window in tokens; by default 32,768 or what the model holds",
    )
    quantization: str | None = Field(None, description="vLLM's name of a quantisation, e.g. `fp8`")
    gpu_memory_utilization: float = Field(
        0.9, gt=0, le=1, description="share of GPU memory that vLLM may take"
    )
    kv_cache_dtype: str = Field("auto", description="type of the KV cache, e.g. `fp8`")
    cpu_kv_cache_gib: int = Field(1, ge=1, description="KV cache of the CPU engine, in GiB")
    vllm: dict[str, Any] = Field(
        default_factory=dict, description="any other vLLM engine argument, by name (`[vllm]`)"
    )

    prompt_template: Literal["auto", "readme", "chat", "own"] = Field(
        "auto", description="`readme`, `chat` (tokenizer's), `own`; `auto`: the first there is"
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="where a request names none; by default the checkpoint's, or 0.6",
    )
    top_p: float | None = Field(
        None,
        gt=0,
        le=1,
        description="where a request names none; by default the checkpoint's, or 0.95",
    )
    reasoning_tokens_minimal: int = Field(512, ge=0, description="thinking at effort `minimal`")
    reasoning_tokens_low: int = Field(1024, ge=0, description="thinking at effort `low`")
    reasoning_tokens_medium: int = Field(
        4096, ge=0, description="thinking at effort `medium`; the model settles at 2,000-3,000"
    )
    reasoning_tokens_high: int = Field(8192, ge=0, description="thinking at effort `high`")
    predict_length: bool = Field(
        False,
        description="ask the model how long an answer should be where a request does not say",
    )
    predict_length_timeout_s: float = Field(
        10.0, gt=0, description="after which a request goes without such a length, in seconds"
    )
    ask_outline: Literal["off", "thinking", "always"] = Field(
        "thinking",
        description="ask for an outline to pace by where a plan has none: not, at the end of the "
        "thinking, or also by a call of its own where there is no thinking",
    )
    ask_outline_timeout_s: float = Field(
        60.0, gt=0, description="after which a request goes without that call's, in seconds"
    )
    reasoning_field: Literal["both", "reasoning", "reasoning_content"] = Field(
        "both", description="name of the reasoning field in answers"
    )

    max_n: int = Field(8, ge=1, description="largest `n` of a request")
    best_of: int = Field(
        1, ge=1, description="drafts to choose from where a request does not say; 1: no choice"
    )
    max_best_of: int = Field(16, ge=1, description="largest `writing.best_of` of a request")
    rewards: dict[str, float] = Field(
        default_factory=dict,
        description="weight of each reward where a request names none; by default all there are",
    )
    quality_model: str | None = Field(
        None,
        description="what judges quality: `pocket`, a folder, a URL; none: nothing does",
    )
    quality_model_name: str | None = Field(
        None, description="name of the model at the URL of `quality_model`"
    )
    quality_api: Literal["classify", "judge"] = Field(
        "classify",
        description="how that URL is asked: vLLM's `/classify`, or as a chat model, in pairs",
    )
    quality_key: SecretStr | None = Field(None, description="API key of that URL")
    quality_timeout_s: float = Field(
        120.0, gt=0, description="after which a judgement by that URL has failed, in seconds"
    )
    progress_s: float = Field(
        2.0, gt=0, description="pause between progress reports on candidates, in seconds"
    )
    max_running: int = Field(256, ge=1, description="drafts written at the same time")
    max_queued: int = Field(256, ge=0, description="drafts that may wait for a place")
    kv_tokens: int | None = Field(
        None,
        ge=1,
        description="tokens that the KV cache holds, of all drafts; by default as the engine says",
    )
    max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="largest request body")
    retry_after_s: int = Field(
        10, ge=1, le=60, description="advice of a full server before it has measured how it drains"
    )
    keep_alive_s: float = Field(15.0, gt=0, description="pause between SSE comments, in seconds")
    heartbeat_s: float = Field(
        30.0, gt=0, description="pause between empty chunks while a draft waits, in seconds"
    )

    drafts: Literal["sqlite", "redis", "memory", "off"] = Field(
        "sqlite",
        description="where drafts with `store: true` are kept; `off`: such requests are refused",
    )
    drafts_path: Path = Field(
        Path("longhand-drafts.sqlite"), description="file of the drafts, for `sqlite`"
    )
    drafts_url: SecretStr | None = Field(
        None, description="URL for `redis`; by default redis://127.0.0.1:6379/0"
    )
    drafts_ttl_s: float = Field(
        30 * 24 * 3600.0, ge=0, description="how long a draft is kept, in seconds; 0: for good"
    )
    drafts_max_bytes: int = Field(
        10 * 1024**3, ge=0, description="room for drafts, the longest ended go first; 0: no limit"
    )
    drafts_sync: Literal["process", "power"] = Field(
        "process",
        description="what stored drafts survive: the end of the process, or a power cut too",
    )
    drafts_recover: Literal["carry_on", "mark"] = Field(
        "carry_on", description="what becomes of drafts found interrupted"
    )
    drafts_on_failure: Literal["refuse", "stream"] = Field(
        "refuse", description="drafts while the store is away: refused, or written all the same"
    )
    drafts_lease_s: float = Field(
        15.0, gt=0, description="after which another gateway takes over drafts, in seconds"
    )

    on_engine_death: Literal["exit", "restart"] = Field(
        "exit",
        description="`exit` lets the supervisor start afresh; `restart` tries in the process",
    )
    max_engine_restarts: int = Field(3, ge=1, description="restarts before the process gives up")
    shutdown_grace_s: float = Field(
        900.0, ge=0, description="time that running drafts get at SIGTERM, in seconds"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="log level")
    log_format: Literal["json", "text"] = Field("json", description="form of a log line")
    prometheus_multiproc_dir: Path | None = Field(
        None, description="directory shared by several processes' metrics (prometheus-client)"
    )


def load(
    command_line: Mapping[str, Any], *, config: Path | None = None, environ: Mapping[str, str]
) -> Settings:
    """The settings from all sources.

    Raises:
        CannotServe: an unknown name or a wrong value; the sentence names it and its source.
    """
    values: dict[str, Any] = {}
    given_by: dict[str, str] = {}
    for source, found in (
        (f"{config}", _from_toml(config)),
        ("the environment", _from_environ(environ)),
        ("the command line", dict(command_line)),
    ):
        _refuse_unknown(found, source)
        values.update(found)
        given_by.update(dict.fromkeys(found, source))
    try:
        return Settings(**values)
    except ValidationError as error:
        raise CannotServe(_sentence(error, given_by)) from None


def environment() -> Mapping[str, str]:
    """The process's environment, to be handed to ``load``."""
    return os.environ


def export(variables: Mapping[str, str | None]) -> None:
    """Sets variables for this process and those it starts; None removes one."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def exported(name: str) -> str | None:
    """A variable that ``export`` set, in this process or in the one that started it."""
    return os.environ.get(name)


def masked(settings: Settings) -> dict[str, Any]:
    """Every setting in a form to show: secrets as asterisks."""
    shown = settings.model_dump(mode="json")
    shown["vllm"] = {name: _masked(name, value) for name, value in shown["vllm"].items()}
    return shown


def _masked(name: str, value: Any) -> Any:
    """vLLM's arguments have no types here; ``hf_token`` is one that holds a secret."""
    secret = name.endswith(("_token", "_key", "_secret", "_password")) and isinstance(value, str)
    return "**********" if secret else value


def _from_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotServe(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # TOMLDecodeError, or a file that is not UTF-8
        raise CannotServe(f"{path} is not TOML: {error}") from None


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and variable not in _NOT_SETTINGS:
            name = variable.removeprefix(PREFIX).lower()
            found[name] = _parsed(name, text)
    return found


def _parsed(name: str, text: str) -> Any:
    """Lists and tables come as JSON or, for lists of words, separated by commas."""
    if name in ("vllm", "rewards"):
        try:
            return TypeAdapter(dict[str, Any]).validate_json(text)
        except ValidationError:
            raise CannotServe(f"{PREFIX}{name.upper()} is not a JSON object") from None
    if name in ("api_keys", "trusted_proxies", "cors_origins"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _refuse_unknown(found: Mapping[str, Any], source: str) -> None:
    for name in found:
        if name not in Settings.model_fields:
            raise CannotServe(f"there is no setting {name!r} (from {source}); see README.md")


def _sentence(error: ValidationError, given_by: Mapping[str, str]) -> str:
    """Without the value: it may be a key."""
    first = error.errors(include_url=False, include_input=False)[0]
    source = given_by[str(first["loc"][0])]
    return f"setting {'.'.join(map(str, first['loc']))!r} (from {source}): {first['msg']}"
