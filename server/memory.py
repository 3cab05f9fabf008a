"""Arithmetic of model memory: weights and KV cache. It must not ask the machine."""

from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A decoder's dimensions, as in its config.json."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    bytes_per_weight: int = 2
    sliding_window_tokens: int | None = None


def num_parameters(shape: Shape) -> int:
    """Parameters of a Qwen2-type decoder (biases on q, k and v; two norms a layer and a last one).

    Worked number: Qwen2.5-32B (64 layers, hidden 5120, intermediate 27648, 40 heads of 128,
    8 KV heads, vocabulary 152064, untied) has 32,763,876,352.
    """
    query = shape.heads * shape.head_dim
    key_value = shape.kv_heads * shape.head_dim
    attention = shape.hidden * (query + 2 * key_value) + (query + 2 * key_value)
    attention += query * shape.hidden
    layer = attention + 3 * shape.hidden * shape.intermediate + 2 * shape.hidden
    embeddings = shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    return embeddings + shape.layers * layer + shape.hidden


def kv_bytes_per_token(shape: Shape, *, bytes_per_value: int = 2) -> int:
    """KV cache of one token in every layer: keys and values.

    Worked number: Qwen2.5-32B in bf16: 2 * 64 * 8 * 128 * 2 = 262,144 bytes (256 KiB).
    """
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * bytes_per_value


def kv_bytes_of_window(shape: Shape, window_tokens: int, *, bytes_per_value: int = 2) -> int:
    """KV cache of one draft that fills the window; sliding layers keep their own window only.

    Worked number: Qwen2.5-32B, 32,768 tokens, bf16: 8 GiB.
    """
    kept = window_tokens
    if shape.sliding_window_tokens is not None:
        kept = min(kept, shape.sliding_window_tokens)
    return kept * kv_bytes_per_token(shape, bytes_per_value=bytes_per_value)
