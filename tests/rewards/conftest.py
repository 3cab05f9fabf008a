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


def save_tokenizer(folder: Path, *, chat: bool) -> int:
    """A byte-level BPE of 320 entries; the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
    if chat:
        fast.chat_template = _CHAT
    fast.save_pretrained(folder)
    return len(fast)


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
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a checkpoint folder: ``checkpoint("CausalLM")``, ``checkpoint(kind, chat=True)``."""
    import torch

    # For networks this small one thread is faster than two, and ten times so on a busy machine.
    torch.set_num_threads(1)

    def make(kind: str, *, chat: bool = False, **config: Any) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        settings = {"num_labels": 1, **config} if kind == "SequenceClassification" else config
        save_model(folder, kind, save_tokenizer(folder, chat=chat), **settings)
        return folder

    return make
