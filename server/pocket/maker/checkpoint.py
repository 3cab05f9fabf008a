"""The small files of the checkpoint: what vLLM and transformers read beside the weights."""

import json
from pathlib import Path

from server.pocket.maker.mix import TEMPERATURE
from server.pocket.maker.network import Shape
from server.pocket.maker.tokenizer import MAX_POSITIONS

TOP_P = 0.95


def write_configs(folder: Path, shape: Shape, end_id: int) -> None:
    """Writes config.json and generation_config.json for weights of this shape."""
    config: dict[str, object] = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "vocab_size": shape.vocabulary,
        "hidden_act": "silu",
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta,
        "max_position_embeddings": MAX_POSITIONS,
        "use_sliding_window": True,
        "sliding_window": shape.window,
        "max_window_layers": 0,
        "layer_types": ["sliding_attention"] * shape.layers,
        "tie_word_embeddings": True,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "bos_token_id": end_id,
        "eos_token_id": end_id,
        "torch_dtype": "bfloat16",
    }
    generation: dict[str, object] = {
        "bos_token_id": end_id,
        "eos_token_id": end_id,
        "pad_token_id": end_id,
        "do_sample": True,
        "temperature": TEMPERATURE,
        "top_p": TOP_P,
    }
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", generation)


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
