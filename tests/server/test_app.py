"""What settings choose: the engine, its card, how prompts are worded, the application's parts."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from server.app import choose, create_app
from server.engine import vllm_options
from server.engine.base import Card
from server.engine.scripted import DEMO
from server.engine.vllm_options import VllmOptions
from server.errors import CannotServe
from server.settings import Settings

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 64,
}
VLLM = "server.engine.vllm_in_process"
LOCAL = "server.engine.local"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint's small files, as they lie in a directory."""
    directory = tmp_path / "letters"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return directory


class Recorded:
    """Stands for an adapter's module: keeps what it was built with, needs no model library."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *given, **named: (name, given, named)


def installed(monkeypatch: pytest.MonkeyPatch, *packages: str) -> list[VllmOptions]:
    """Pretends that these packages, and no others, are there; gives the options that are checked
    against vLLM's own list."""
    adapter: Any = Recorded()
    checked: list[VllmOptions] = []
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: adapter if name in packages else None
    )
    monkeypatch.setitem(sys.modules, VLLM, adapter)
    monkeypatch.setitem(sys.modules, LOCAL, adapter)
    monkeypatch.setattr(vllm_options, "engine_arguments", checked.append)
    return checked


@pytest.mark.parametrize(
    ("packages", "wanted", "engine"),
    [
        (("vllm",), "auto", "vllm"),
        ((), "auto", "transformers"),
        (("vllm",), "transformers", "transformers"),
        (("vllm",), "vllm", "vllm"),
    ],
)
def test_the_engine_is_vllm_where_it_is_installed_unless_another_is_set(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, packages: Any, wanted: str, engine: str
) -> None:
    installed(monkeypatch, *packages)
    serving = choose(Settings(model=str(checkpoint), engine=wanted))
    assert serving.engine_name == engine
    assert serving.card == Card(model="letters", window_tokens=64, vocabulary_tokens=32)


def test_vllm_that_is_asked_for_and_not_installed_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    installed(monkeypatch)
    with pytest.raises(CannotServe, match="vLLM is not installed here"):
        choose(Settings(model=str(checkpoint), engine="vllm"))


def test_vllm_gets_its_arguments_by_name_and_those_of_the_table_win(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    checked = installed(monkeypatch, "vllm")
    settings = Settings(
        model=str(checkpoint),
        engine="vllm",
        revision="main",
        tensor_parallel_size=2,
        pipeline_parallel_size=3,
        quantization="fp8",
        kv_cache_dtype="fp8",
        max_running=5,
        cpu_kv_cache_gib=4,
        vllm={"max_num_seqs": 7, "enforce_eager": True},
    )
    built: Any = choose(settings).build()
    options = VllmOptions(
        card=Card(model="letters", window_tokens=64, vocabulary_tokens=32),
        location=str(checkpoint),
        directory=checkpoint,
        revision="main",
        arguments={
            "tensor_parallel_size": 2,
            "pipeline_parallel_size": 3,
            "quantization": "fp8",
            "gpu_memory_utilization": 0.9,
            "kv_cache_dtype": "fp8",
            "max_num_seqs": 7,
            "enforce_eager": True,
        },
        cpu_kv_cache_gib=4,
    )
    assert built == ("VllmEngine", (options,), {})
    assert checked == [options]


def test_vllm_arguments_are_not_checked_when_none_are_given(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    checked = installed(monkeypatch, "vllm")
    choose(Settings(model=str(checkpoint), engine="vllm"))
    assert checked == []


def test_the_local_engine_gets_the_checkpoint(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    installed(monkeypatch)
    serving = choose(Settings(model=str(checkpoint)))
    built: Any = serving.build()
    assert built == (
        "LocalEngine",
        (),
        {"card": serving.card, "location": str(checkpoint), "directory": checkpoint},
    )


def test_a_window_can_be_smaller_than_the_models_but_not_larger(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    installed(monkeypatch)
    smaller = choose(Settings(model=str(checkpoint), max_model_len=32))
    assert smaller.card.window_tokens == 32
    with pytest.raises(CannotServe) as caught:
        choose(Settings(model=str(checkpoint), max_model_len=65))
    assert str(caught.value) == "max_model_len 65 is over the 64 tokens that letters holds"


def test_sampling_is_the_settings_else_the_checkpoints_else_the_model_cards(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    installed(monkeypatch)
    card = choose(Settings(model=str(checkpoint)))
    assert (card.temperature, card.top_p) == (0.6, 0.95)
    (checkpoint / "generation_config.json").write_text('{"temperature": 0.3, "top_p": 0.4}')
    found = choose(Settings(model=str(checkpoint)))
    assert (found.temperature, found.top_p) == (0.3, 0.4)
    given = choose(Settings(model=str(checkpoint), temperature=0.0, top_p=0.5))
    assert (given.temperature, given.top_p) == (0.0, 0.5)


def test_the_scripted_engine_plays_the_demo_or_the_script_it_is_given(tmp_path: Path) -> None:
    demo: Any = choose(Settings(engine="scripted")).build()
    assert demo.plays == (DEMO,)
    script = tmp_path / "script.json"
    script.write_text('[{"say": "Hi."}]', encoding="utf-8")
    serving = choose(Settings(engine="scripted", script=script, served_model_name="x"))
    engine: Any = serving.build()
    assert [act.text for act in engine.plays[0]] == ["Hi."]
    assert engine.card == serving.card
    assert serving.card.model == "x"


def test_a_key_that_is_neither_a_key_nor_a_hash_refuses_the_start() -> None:
    settings = Settings(engine="scripted", api_keys=("sha256:00",))
    with pytest.raises(CannotServe, match="^api_keys: a hashed key is"):
        create_app(settings, choose(settings), registry=CollectorRegistry())


async def test_n_is_never_allowed_to_be_more_than_can_ever_run(gateway: Any) -> None:
    desk = await gateway(max_n=8, max_running=2)
    response = await desk.chat(n=3)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "n: 3 is over this server's limit of 2"


async def test_leaving_the_application_frees_its_engine(gateway: Any) -> None:
    desk = await gateway()
    async with desk.app.router.lifespan_context(desk.app):
        assert desk.service.engine.ready.is_set()
    assert desk.service.engine.reason == "the server is shutting down"
    assert (await desk.chat()).json()["error"]["code"] == "engine_unavailable"


def test_a_quality_model_is_one_of_the_rewards_that_requests_may_weigh() -> None:
    settings = Settings(
        engine="scripted",
        quality_model="http://127.0.0.1:9",
        quality_model_name="rm",
        quality_key="secret",
    )
    app = create_app(settings, choose(settings), registry=CollectorRegistry())
    jury = app.state.service.desk.answerer.jury
    assert jury.names == ("length", "format", "repetition", "quality")
    assert jury.weights == {"length": 1.0, "quality": 1.0, "format": 0.5, "repetition": 0.5}


def test_without_one_quality_cannot_be_weighed_and_the_start_says_so() -> None:
    settings = Settings(engine="scripted", rewards={"quality": 1.0})
    with pytest.raises(CannotServe, match="quality"):
        create_app(settings, choose(settings), registry=CollectorRegistry())
