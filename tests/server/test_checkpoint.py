"""What a checkpoint says of itself."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from planner.prompts import RawPrompter
from server import checkpoint
from server.chat_template import ChatTemplatePrompter
from server.checkpoint import Checkpoint, find, prompter
from server.errors import CannotServe
from server.memory import Shape

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
    "dtype": "float32",
}
POCKET_CARD = (
    'en = "A user asks for a piece of writing and a writer delivers it. The writer first plans '
    "inside <think> </think>, then gives the finished work inside <answer> </answer>, that is: "
    '<think> plan </think> <answer> work </answer>. <|user|>: {question} <|assistant|>:"\n'
    'zh = "用户提出写作任务，作者完成作品。作者先在 <think> </think> 中构思，再在 '
    "<answer> </answer> 中写出成品，即：<think> 构思 </think> <answer> 成品 </answer>。"
    '<|用户|>: {question} <|助手|>:"\n'
)


def write(directory: Path, name: str, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (directory / name).write_text(text, encoding="utf-8")


def found(directory: Path, name: str | None = None, **changes: Any) -> Checkpoint:
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    write(directory, "config.json", config)
    return find(str(directory), revision=None, name=name)


def test_a_directory_is_read_for_its_facts(tmp_path: Path) -> None:
    write(tmp_path, "README.md", "# A writer")
    write(tmp_path, "generation_config.json", {"temperature": 0.7, "top_p": 0.8})
    write(tmp_path, "model.safetensors", "x" * 10)
    write(tmp_path, "model-2.safetensors", "x" * 5)
    assert found(tmp_path) == Checkpoint(
        name=tmp_path.name,
        location=str(tmp_path),
        directory=tmp_path,
        architecture="Qwen2ForCausalLM",
        shape=Shape(
            layers=2, hidden=8, intermediate=16, heads=4, kv_heads=2, head_dim=2, vocabulary=100,
            tied=True, bytes_per_weight=4,
        ),
        window_tokens=131_072,
        default_window_tokens=32_768,
        weights_bytes=15,
        temperature=0.7,
        top_p=0.8,
        readme="# A writer",
    )  # fmt: skip


def test_what_a_checkpoint_does_not_say_has_the_models_defaults(tmp_path: Path) -> None:
    plain = found(
        tmp_path, architectures=None, num_key_value_heads=None, dtype=None,
        tie_word_embeddings=None, max_position_embeddings=4096,
    )  # fmt: skip
    assert (plain.temperature, plain.top_p, plain.readme) == (0.6, 0.95, "")
    assert (plain.architecture, plain.shape.kv_heads, plain.shape.tied) == ("unknown", 4, False)
    assert plain.default_window_tokens == plain.window_tokens == 4096
    # bfloat16: two bytes for each of the parameters of the shape.
    attention = 8 * 24 + 24 + 8 * 8
    layer = attention + 3 * 8 * 16 + 2 * 8
    assert plain.weights_bytes == 2 * (2 * 100 * 8 + 2 * layer + 8)


@pytest.mark.parametrize(
    ("changes", "bytes_per_weight"),
    [({"dtype": None, "torch_dtype": "float16"}, 2), ({"dtype": "float8_e4m3fn"}, 1),
     ({"dtype": "int3"}, 2)],
)  # fmt: skip
def test_the_type_of_the_weights_has_its_size(
    tmp_path: Path, changes: dict[str, Any], bytes_per_weight: int
) -> None:
    assert found(tmp_path, **changes).shape.bytes_per_weight == bytes_per_weight


def test_an_index_tells_the_size_of_weights_that_are_not_here(tmp_path: Path) -> None:
    write(tmp_path, "model.safetensors.index.json", {"metadata": {"total_size": 77}})
    assert found(tmp_path).weights_bytes == 77


def test_a_sliding_window_in_every_layer_leaves_room_for_longer_texts(tmp_path: Path) -> None:
    sliding = {"use_sliding_window": True, "max_window_layers": 0, "sliding_window": 512}
    slides = found(tmp_path, **sliding)
    assert slides.shape.sliding_window_tokens == 512
    assert (slides.window_tokens, slides.default_window_tokens) == (131_072, 65_536)
    for partly in ({"max_window_layers": 1}, {"use_sliding_window": False}):
        assert found(tmp_path, **{**sliding, **partly}).shape.sliding_window_tokens is None


def test_a_head_may_have_a_size_of_its_own(tmp_path: Path) -> None:
    assert found(tmp_path, head_dim=64).shape.head_dim == 64


def test_a_checkpoint_is_called_by_its_directory_unless_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(tmp_path, "writer").name == "writer"
    monkeypatch.chdir(tmp_path)
    assert find(".", revision=None, name=None).name == tmp_path.name


def test_a_fast_tokenizer_is_there_or_not(tmp_path: Path) -> None:
    assert not found(tmp_path).has_tokenizer
    write(tmp_path, "tokenizer.json", "{}")
    assert found(tmp_path).has_tokenizer


@pytest.mark.parametrize("config", [None, "[1]", "{", '"a"'])
def test_a_directory_without_a_readable_config_is_no_checkpoint(
    tmp_path: Path, config: str | None
) -> None:
    if config is not None:
        write(tmp_path, "config.json", config)
    with pytest.raises(CannotServe, match="is no checkpoint: it has no readable config.json"):
        find(str(tmp_path), revision=None, name=None)


@pytest.mark.parametrize(
    "missing", ["num_hidden_layers", "hidden_size", "vocab_size", "max_position_embeddings"]
)
def test_a_config_that_is_no_decoders_says_what_is_missing(tmp_path: Path, missing: str) -> None:
    with pytest.raises(CannotServe, match=f"config.json does not say '{missing}'"):
        found(tmp_path, **{missing: None})


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """No hub, no cache; who tries the network all the same is noted."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from huggingface_hub import constants

    # The library may have been imported by another test before.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    tried: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in a test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


@pytest.mark.parametrize("model", ["nobody/nothing", "no such/na me", "nothing"])
def test_a_hub_id_that_cannot_be_fetched_is_a_sentence(_offline: list[Any], model: str) -> None:
    with pytest.raises(CannotServe) as caught:
        find(model, revision=None, name=None)
    assert str(caught.value).startswith(
        f"model {model!r} is neither 'pocket', nor a directory here, nor could it be fetched"
    )
    assert _offline == []


def test_a_hub_id_in_the_cache_is_read_from_there(_offline: list[Any], tmp_path: Path) -> None:
    repository = tmp_path / "cache" / "models--nobody--writer"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    write(repository / "refs", "main", "0" * 40)
    write(snapshot, "config.json", CONFIG)
    cached = find("nobody/writer", revision="main", name=None)
    assert (cached.name, cached.location, cached.directory) == (
        "writer",
        "nobody/writer",
        snapshot,
    )
    assert _offline == []


def test_the_pocket_writer_is_found_by_its_name(tmp_path: Path) -> None:
    directory = checkpoint.pocket.checkpoint()
    assert directory.parent.name == "pocket"
    if not (directory / "config.json").is_file():
        with pytest.raises(CannotServe, match="is no checkpoint"):
            find("pocket", revision=None, name=None)
        return
    pocket = find("pocket", revision=None, name=None)
    assert (pocket.name, pocket.location) == ("pocket", str(directory))


# How prompts are worded.


def test_a_card_whose_hash_is_known_words_the_prompts(tmp_path: Path) -> None:
    write(tmp_path, "README.md", POCKET_CARD)
    write(tmp_path, "chat_template.jinja", "{{ messages }}")
    for choice in ("auto", "readme"):
        chosen = prompter(found(tmp_path), choice)
        assert isinstance(chosen, RawPrompter)
        assert chosen.source == "the checkpoint's README.md (pocket writer, by hash)"


def test_a_card_that_is_not_known_is_refused_if_it_must_be(tmp_path: Path) -> None:
    write(tmp_path, "README.md", POCKET_CARD.replace("plans", "thinks"))
    with pytest.raises(CannotServe, match="holds no prompt template whose hash is known"):
        prompter(found(tmp_path), "readme")


@pytest.mark.parametrize("choice", ["auto", "chat"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat_template.jinja", "{{ messages }}"),
        ("tokenizer_config.json", {"chat_template": "{{ messages }}"}),
    ],
)
def test_a_chat_template_words_the_prompts_where_there_is_one(
    tmp_path: Path, choice: str, name: str, content: Any
) -> None:
    write(tmp_path, name, content)
    assert isinstance(prompter(found(tmp_path), choice), ChatTemplatePrompter)


@pytest.mark.parametrize("content", [None, {}, {"chat_template": [{"name": "a"}]}])
def test_without_any_template_ours_words_the_prompts(tmp_path: Path, content: Any) -> None:
    if content is not None:
        write(tmp_path, "tokenizer_config.json", content)
    for choice in ("auto", "own"):
        assert prompter(found(tmp_path), choice).source.startswith("Longhand's own template")
    with pytest.raises(CannotServe, match="has no chat template"):
        prompter(found(tmp_path), "chat")


def test_our_own_template_is_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "README.md", POCKET_CARD)
    assert prompter(found(tmp_path), "own").source.startswith("Longhand's own template")
