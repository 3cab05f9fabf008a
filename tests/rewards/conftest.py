"""Small random checkpoints, made here: a causal model and a classifier, by transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TEXT = (
    "The lighthouse keeper wrote 一封长信 every evening about the ships that passed. "
    "A good stew begins with patience: brown the onions slowly, then leave it alone. "
)
_CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def save_model(folder: Path, kind: str, vocabulary: int, **config: Any) -> None:
    """Random weights of a small Qwen2: ``kind`` is "CausalLM" or "SequenceClassification"."""
    import torch
    import transformers

    torch.manual_seed(0)
    made = transformers.Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        eos_token_id=0,
        bos_token_id=0,
        pad_token_id=0,
        **config,
    )
    model = getattr(transformers, f"Qwen2For{kind}")(made)
    if kind == "SequenceClassification":
        # Random heads give logits near 0, all alike.
        torch.nn.init.normal_(model.score.weight, std=1.0)
    model.save_pretrained(folder)


@pytest.fixture(scope="session")
def checkpoint(
    tmp_path_factory: pytest.TempPathFactory, small_tokenizer: Callable[..., Any]
) -> Callable[..., Path]:
    """Makes a checkpoint folder: ``checkpoint("CausalLM")``, ``checkpoint(kind, chat=True)``."""
    import torch

    # For networks this small one thread is faster than two, and ten times so on a busy machine.
    torch.set_num_threads(1)

    def make(kind: str, *, chat: bool = False, **config: Any) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        settings = {"num_labels": 1, **config} if kind == "SequenceClassification" else config
        tokenizer = small_tokenizer(folder, TEXT, chat=_CHAT if chat else None)
        save_model(folder, kind, len(tokenizer), **settings)
        return folder

    return make
