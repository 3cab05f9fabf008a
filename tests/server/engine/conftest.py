"""Small checkpoints that have learnt two texts by heart, and engines that serve them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from server import pocket

# Greedy text of a random network hangs on rounding: its best two logits are often equal in
# bfloat16. One that knows a text by heart is sure of every token.
LEARNT = (
    "The lighthouse keeper wrote 一封长信 every evening, naïve and precise, about 🌊 and 🐚. "
    "He counted the ships that passed, the gulls that stayed, and the words he had left. "
    "When the oil ran low he trimmed the lamp; when the ink ran low he wrote smaller. "
    "In March a stranger rowed out and asked what all the paper was for. «To be read», "
    "said the keeper, «once there is enough of it». 后来 the stranger stayed for supper.",
    "A good stew begins with patience. Brown the onions slowly, add the roots, the barley, "
    "two cups of stock and one bay leaf; then leave it alone 🍲. Nothing improves by being "
    "watched. After an hour taste it, salt it, and call whoever is hungry: 开饭了! Serve it in "
    "deep bowls with dark bread, and keep a ladle back for the cook — that is the rule.",
)
WINDOW_TOKENS = 2048


def _learn(directory: Path, tokenizer: Any, window: Mapping[str, Any]) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=WINDOW_TOKENS,
        tie_word_embeddings=True,
        eos_token_id=0,
        bos_token_id=0,
        **window,
    )
    network = Qwen2ForCausalLM(config)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    ids = [[*tokenizer.encode(text), 0] for text in LEARNT]
    longest = max(map(len, ids))
    inputs = torch.tensor([text + [0] * (longest - len(text)) for text in ids])
    labels = torch.tensor([text + [-100] * (longest - len(text)) for text in ids])
    for _ in range(150):
        loss = network(input_ids=inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1, "the fixture did not learn its texts"
    network.to(torch.bfloat16).save_pretrained(directory)


@pytest.fixture(scope="session")
def checkpoint(
    tmp_path_factory: pytest.TempPathFactory, small_tokenizer: Callable[..., Any]
) -> Callable[[str], Path]:
    """The directory of a checkpoint by name: ``plain``, ``sliding`` or ``pocket``."""
    import torch

    # For networks this small one thread is faster than two, and ten times so on a busy machine.
    torch.set_num_threads(1)
    made: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name == "pocket":
            if not pocket.checkpoint().is_dir():
                pytest.skip("the pocket writer has not been made")
            return pocket.checkpoint()
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            window = {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 0}
            # The first text alone: in the second more characters are spread over several tokens.
            tokenizer = small_tokenizer(made[name], LEARNT[0])
            _learn(made[name], tokenizer, window if name == "sliding" else {})
        return made[name]

    return find


@pytest.fixture(scope="session")
def learnt() -> tuple[str, ...]:
    """The texts that ``plain`` and ``sliding`` write once given their first words."""
    return LEARNT
