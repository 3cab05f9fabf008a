"""Plants copying in a network: three heads that find where the last two tokens stood before.

A small network takes millions of tokens to grow this circuit, on which topics, counters and
titles depend (Olsson et al., "In-context Learning and Induction Heads", 2022). Its parts are
known, so they are written into the weights and training goes on from there. Layer 0, heads 0 and
1: a position also holds its last and last but one tokens. Layer 1, head 0: look where those two
match; head 1: where the last one matches. Both add the embedding of the token that came next.
"""

import torch
from torch import Tensor
from torch.nn import functional as nnf

from server.pocket.maker.network import EMBEDDING, Shape, Weights, forward_layers

_NEAR, _FAR = 14, 10
_CODE = _NEAR + _FAR
_SLOW_FROM = 20
_FAST = 12
_SHARPNESS = 60.0
_MATCH = 5.3
_WRITE = 0.5
_RIDGE = 1e-2


def plant_copying(weights: Weights, shape: Shape, tokens: Tensor, seed: int) -> None:
    """Writes the three heads into the weights, in place.

    `tokens` [batch, length] are sample text: the reading matrices are fitted to it.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        codes = _token_codes(weights, shape, random)
        _plant_lookback(weights, shape, tokens, codes)
        _plant_match(weights, shape, tokens, codes)


def _token_codes(weights: Weights, shape: Shape, random: torch.Generator) -> Tensor:
    """A linear map [head, hidden] from layer 0's normed input to white codes of the tokens."""
    inputs = _normed_embedding(weights, shape)
    covariance = inputs.T @ inputs / len(inputs)
    values, vectors = torch.linalg.eigh(covariance)
    white = vectors @ torch.diag((values + values.mean() * 0.05).rsqrt()) @ vectors.T
    turn = torch.linalg.qr(torch.randn(shape.hidden, shape.hidden, generator=random)).Q
    return turn[: shape.head] @ white


def _normed_embedding(weights: Weights, shape: Shape) -> Tensor:
    scale = weights["model.layers.0.input_layernorm.weight"]
    return nnf.rms_norm(weights[EMBEDDING], scale.shape, scale, shape.epsilon)


def _plant_lookback(weights: Weights, shape: Shape, tokens: Tensor, codes: Tensor) -> None:
    """Layer 0: heads look back 1, 2, 0 and 3 tokens, whatever stands there, and note its code.

    The directions they write to are the quietest of the stream behind layer 0.
    """
    name, head = "model.layers.0.self_attn", shape.head
    frequencies = torch.pow(shape.theta, -torch.arange(_FAST) * 2 / head)
    half, size = head // 2, _SHARPNESS**0.5
    key = torch.zeros(head)
    key[:_FAST] = size
    weights[f"{name}.k_proj.weight"].zero_()
    weights[f"{name}.k_proj.bias"].copy_(key.repeat(shape.kv_heads))
    weights[f"{name}.v_proj.weight"].copy_(codes.repeat(shape.kv_heads, 1))
    weights[f"{name}.v_proj.bias"].zero_()
    weights[f"{name}.q_proj.weight"].zero_()
    weights[f"{name}.o_proj.weight"].zero_()
    states = forward_layers(weights, shape, tokens, 1)[1].flatten(0, 1)
    quiet = torch.linalg.eigh(states.T @ states).eigenvectors
    strength = _WRITE * states.norm(dim=-1).mean() / _CODE**0.5
    used = 0
    noted = ((1, slice(0, _CODE)), (2, slice(_NEAR, _CODE)), (0, slice(0, head)), (3, slice(0, 0)))
    for number, (distance, part) in enumerate(noted):
        bias = torch.zeros(head)
        bias[:_FAST] = size * torch.cos(distance * frequencies)
        bias[half : half + _FAST] = -size * torch.sin(distance * frequencies)
        weights[f"{name}.q_proj.bias"][number * head : (number + 1) * head] = bias
        width = part.stop - part.start
        columns = slice(number * head + part.start, number * head + part.stop)
        weights[f"{name}.o_proj.weight"][:, columns] = quiet[:, used : used + width] * strength
        used += width


def _plant_match(weights: Weights, shape: Shape, tokens: Tensor, codes: Tensor) -> None:
    """Heads 0 and 1 of layer 1: compare codes, and pass on the token behind the match."""
    name, head = "model.layers.1.self_attn", shape.head
    states = forward_layers(weights, shape, tokens, 1)[-1]
    scale = weights["model.layers.1.input_layernorm.weight"]
    inputs = nnf.rms_norm(states, scale.shape, scale, shape.epsilon)[:, 2:].flatten(0, 1)
    code = _normed_embedding(weights, shape) @ codes.T
    code = code - code.mean(dim=0)
    here, back, far = (code[tokens[:, 2 - d : tokens.shape[1] - d]].flatten(0, 1) for d in range(3))
    query = torch.cat((here[:, :_NEAR], back[:, _NEAR:_CODE]), dim=-1)
    key = torch.cat((back[:, :_NEAR], far[:, _NEAR:_CODE]), dim=-1)
    slow = torch.arange(_SLOW_FROM, head // 2)
    slow = torch.cat((slow, slow + head // 2))
    for part, heads, target in (("q_proj", 2, query), ("k_proj", 1, key)):
        matrix, offset = _fit(inputs, target * _MATCH**0.5)
        for number in range(heads):
            rows = slow + number * head
            every = slice(number * head, (number + 1) * head)
            weights[f"{name}.{part}.weight"][every] = 0.0
            weights[f"{name}.{part}.bias"][every] = 0.0
            weights[f"{name}.{part}.weight"][rows] = matrix
            weights[f"{name}.{part}.bias"][rows] = offset
    alone = slow[_NEAR:] + head
    weights[f"{name}.q_proj.weight"][alone] = 0.0
    weights[f"{name}.q_proj.bias"][alone] = 0.0
    weights[f"{name}.v_proj.weight"][:head], weights[f"{name}.v_proj.bias"][:head] = _fit(
        inputs, here
    )
    back_to_embedding, _ = _fit(code, weights[EMBEDDING])
    strength = (
        _WRITE * states.norm(dim=-1).mean() / (code @ back_to_embedding.T).norm(dim=-1).mean()
    )
    for number in range(2):
        columns = slice(number * head, (number + 1) * head)
        weights[f"{name}.o_proj.weight"][:, columns] = back_to_embedding * strength


def _fit(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression: matrix [targets, inputs] and offset [targets]."""
    middle, goal = inputs.mean(dim=0), targets.mean(dim=0)
    centred = inputs - middle
    square = centred.T @ centred
    square += torch.eye(len(square)) * square.diagonal().mean() * _RIDGE
    matrix = torch.linalg.solve(square, centred.T @ (targets - goal)).T
    return matrix, goal - matrix @ middle
