"""The network in plain torch, Qwen2's arithmetic with a sliding window; trains nothing itself.

Every layer looks back `window` tokens, so no relative position leaves the trained range however
long the text grows. Attention runs in chunks of queries: a chunk needs only the keys in reach.
Weights are tensors by the names that Qwen2 checkpoints use.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as nnf

Weights = dict[str, Tensor]
EMBEDDING = "model.embed_tokens.weight"
_NEVER = -1e4
_CHUNK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of the network."""

    vocabulary: int = 4_096
    hidden: int = 256
    intermediate: int = 704
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    window: int = 512
    theta: float = 10_000.0
    epsilon: float = 1e-6

    @property
    def head(self) -> int:
        """The width of one head: 256 / 4 = 64."""
        return self.hidden // self.heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What attention needs to know of a batch: rotary angles and the masks of its chunks."""

    cosine: Tensor
    sine: Tensor
    masks: list[Tensor]


def fresh_weights(shape: Shape) -> Weights:
    """Random weights: 0.02 for the embedding, 0.04 for matrices, less into the residual stream."""
    weights = {EMBEDDING: torch.randn(shape.vocabulary, shape.hidden) * 0.02}
    for layer in range(shape.layers):
        weights |= _fresh_layer(f"model.layers.{layer}", shape)
    weights["model.norm.weight"] = torch.ones(shape.hidden)
    for weight in weights.values():
        weight.requires_grad_()
    return weights


def forward(weights: Weights, shape: Shape, tokens: Tensor, pieces: Tensor) -> Tensor:
    """Last normed states [batch, length, hidden] for ids and piece numbers [batch, length]."""
    states = nnf.embedding(tokens, weights[EMBEDDING])
    reach = _reach(pieces, shape)
    for layer in range(shape.layers):
        states = _layer(weights, layer, shape, states, reach)
    return _norm(states, weights["model.norm.weight"], shape)


def forward_layers(weights: Weights, shape: Shape, tokens: Tensor, layers: int) -> list[Tensor]:
    """The residual stream [batch, length, hidden] before and after each of the first layers."""
    stream = [nnf.embedding(tokens, weights[EMBEDDING])]
    reach = _reach(torch.ones_like(tokens), shape)
    for layer in range(layers):
        stream.append(_layer(weights, layer, shape, stream[-1], reach))
    return stream


def _reach(pieces: Tensor, shape: Shape) -> Reach:
    cosine, sine = angles(pieces.shape[1], shape)
    return Reach(cosine=cosine, sine=sine, masks=chunk_masks(pieces, shape.window))


def _layer(weights: Weights, layer: int, shape: Shape, states: Tensor, reach: Reach) -> Tensor:
    name = f"model.layers.{layer}"
    normed = _norm(states, weights[f"{name}.input_layernorm.weight"], shape)
    states = states + _attend(weights, f"{name}.self_attn", shape, normed, reach)
    normed = _norm(states, weights[f"{name}.post_attention_layernorm.weight"], shape)
    return states + _feed_forward(weights, f"{name}.mlp", normed)


def angles(length: int, shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines [length, head] of the rotary embedding."""
    steps = torch.arange(0, shape.head, 2, dtype=torch.float32) / shape.head
    frequencies = torch.pow(shape.theta, -steps)
    turns = torch.arange(length, dtype=torch.float32)[:, None] * frequencies[None]
    turns = torch.cat((turns, turns), dim=-1)
    return turns.cos(), turns.sin()


def chunk_masks(pieces: Tensor, window: int) -> list[Tensor]:
    """For each chunk of queries the keys in reach: [batch, 1, queries, keys], 0 = may look.

    A key is in reach when it is at most window - 1 tokens back and in the same piece.
    """
    length = pieces.shape[1]
    masks = []
    for start in range(0, length, _CHUNK):
        stop = min(start + _CHUNK, length)
        low = max(0, start - window + 1)
        back = torch.arange(start, stop)[:, None] - torch.arange(low, stop)[None]
        near = (back >= 0) & (back < window)
        same = pieces[:, start:stop, None] == pieces[:, None, low:stop]
        hidden = ~(near[None] & same)[:, None]
        masks.append(torch.zeros(hidden.shape).masked_fill_(hidden, _NEVER))
    return masks


def _fresh_layer(name: str, shape: Shape) -> Weights:
    kv = shape.kv_heads * shape.head
    sizes = {
        "self_attn.q_proj": (shape.hidden, shape.hidden),
        "self_attn.k_proj": (kv, shape.hidden),
        "self_attn.v_proj": (kv, shape.hidden),
        "self_attn.o_proj": (shape.hidden, shape.hidden),
        "mlp.gate_proj": (shape.intermediate, shape.hidden),
        "mlp.up_proj": (shape.intermediate, shape.hidden),
        "mlp.down_proj": (shape.hidden, shape.intermediate),
    }
    inward = float((2 * shape.layers) ** -0.5)
    weights = {
        f"{name}.{part}.weight": torch.randn(size)
        * (0.04 * (inward if part.endswith(("o_proj", "down_proj")) else 1.0))
        for part, size in sizes.items()
    }
    for part in ("q_proj", "k_proj", "v_proj"):
        size = sizes[f"self_attn.{part}"][0]
        weights[f"{name}.self_attn.{part}.bias"] = torch.zeros(size)
    for part in ("input_layernorm", "post_attention_layernorm"):
        weights[f"{name}.{part}.weight"] = torch.ones(shape.hidden)
    return weights


def _norm(states: Tensor, weight: Tensor, shape: Shape) -> Tensor:
    return nnf.rms_norm(states, weight.shape, weight.to(states.dtype), shape.epsilon)


def _attend(weights: Weights, name: str, shape: Shape, states: Tensor, reach: Reach) -> Tensor:
    """Grouped-query attention over the last `window` tokens of the same piece."""
    batch, length, _ = states.shape

    def heads(part: str, count: int) -> Tensor:
        projected = nnf.linear(
            states, weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"]
        )
        return projected.view(batch, length, count, shape.head).transpose(1, 2)

    query = _rotate(heads("q_proj", shape.heads), reach)
    key = _rotate(heads("k_proj", shape.kv_heads), reach)
    repeat = shape.heads // shape.kv_heads
    key = key.repeat_interleave(repeat, dim=1)
    value = heads("v_proj", shape.kv_heads).repeat_interleave(repeat, dim=1)
    chunks, start = [], 0
    for mask in reach.masks:
        stop = start + mask.shape[-2]
        low = stop - mask.shape[-1]
        scores = query[:, :, start:stop] @ key[:, :, low:stop].transpose(-1, -2)
        shares = torch.softmax(scores * shape.head**-0.5 + mask.to(scores.dtype), dim=-1)
        chunks.append(shares @ value[:, :, low:stop])
        start = stop
    joined = torch.cat(chunks, dim=2).transpose(1, 2).reshape(batch, length, shape.hidden)
    return nnf.linear(joined, weights[f"{name}.o_proj.weight"])


def _feed_forward(weights: Weights, name: str, states: Tensor) -> Tensor:
    gate = nnf.silu(nnf.linear(states, weights[f"{name}.gate_proj.weight"]))
    up = nnf.linear(states, weights[f"{name}.up_proj.weight"])
    return nnf.linear(gate * up, weights[f"{name}.down_proj.weight"])


def _rotate(states: Tensor, reach: Reach) -> Tensor:
    """The rotary embedding applied to [batch, heads, length, head]."""
    left, right = states.chunk(2, dim=-1)
    turned = torch.cat((-right, left), dim=-1)
    return states * reach.cosine.to(states.dtype) + turned * reach.sine.to(states.dtype)
