"""The bundled checkpoint: its files, its size, its prompts."""

import hashlib
import json
import struct

import pytest

from server.pocket import checkpoint
from server.pocket.maker.lexicon import Language, lexicon

HASHES = {
    Language.ENGLISH: "0986f5251dbdee9b5f2f3a6355356a6246b92f2694a1bab90e3742fac325a1ba",
    Language.CHINESE: "cce917094a3908e56637ea2f976224e22365935c9e604c3c07e87d03098b0b65",
}


def test_the_checkpoint_has_every_file_and_at_most_sixteen_megabytes() -> None:
    files = {path.name: path.stat().st_size for path in checkpoint().iterdir()}
    wanted = {"config.json", "generation_config.json", "model.safetensors", "README.md"}
    assert wanted | {"tokenizer.json", "tokenizer_config.json"} <= set(files)
    assert sum(files.values()) <= 16 * 10**6


@pytest.mark.parametrize("language", list(Language))
def test_the_card_carries_the_template_with_the_fixed_hash(language: Language) -> None:
    template = lexicon(language).surface["template"]
    assert hashlib.sha256(template.encode()).hexdigest() == HASHES[language]
    assert template in (checkpoint() / "README.md").read_text(encoding="utf-8").splitlines()


def test_the_configuration_can_be_split_over_two_devices_and_slides_in_every_layer() -> None:
    config = json.loads((checkpoint() / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert config["num_attention_heads"] % 2 == config["num_key_value_heads"] % 2 == 0
    assert set(config["layer_types"]) == {"sliding_attention"}
    assert config["max_window_layers"] == 0
    assert config["max_position_embeddings"] == 131_072


def test_the_weights_are_bf16_and_the_vocabulary_is_that_of_the_tokenizer() -> None:
    with (checkpoint() / "model.safetensors").open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    header.pop("__metadata__")
    assert {tensor["dtype"] for tensor in header.values()} == {"BF16"}
    tokenizer = json.loads((checkpoint() / "tokenizer.json").read_text(encoding="utf-8"))
    assert header["model.embed_tokens.weight"]["shape"][0] == len(tokenizer["model"]["vocab"])


def test_the_tags_and_role_markers_are_ordinary_text() -> None:
    tokenizer = json.loads((checkpoint() / "tokenizer.json").read_text(encoding="utf-8"))
    assert [token["content"] for token in tokenizer["added_tokens"]] == ["<|endoftext|>"]
    tags = {"<think>", "</think>", "<answer>", "</answer>", "<|user|>", "<|assistant|>"}
    assert not tags & set(tokenizer["model"]["vocab"])


@pytest.mark.parametrize(
    "question", ["Write 900 words on tea {here}.", "写一篇2000字的散文，写茶馆"]
)
def test_the_chat_template_renders_the_cards_prompt(question: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    path = checkpoint() / "tokenizer_config.json"
    template = json.loads(path.read_text(encoding="utf-8"))["chat_template"]
    rendered = (
        jinja2.Environment()
        .from_string(template)
        .render(messages=[{"role": "user", "content": question}], add_generation_prompt=True)
    )
    language = Language.CHINESE if "写" in question else Language.ENGLISH
    assert rendered == lexicon(language).surface["template"].replace("{question}", question)
