"""The Muon optimizer for weight matrices: momentum made orthogonal by Newton-Schulz steps.

After K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315
_STEPS = 5


class Muon:
    """Muon with Nesterov momentum; takes matrices only, others belong to AdamW."""

    def __init__(self, weights: Sequence[Tensor], *, momentum: float = 0.95) -> None:
        self._weights = weights
        self._momentum = momentum
        self._averages = [torch.zeros_like(weight) for weight in weights]

    def step(self, rate: float) -> None:
        """Moves every weight by its gradient's direction, times `rate`, and drops the gradient."""
        with torch.no_grad():
            for weight, average in zip(self._weights, self._averages, strict=True):
                average.lerp_(weight.grad, 1 - self._momentum)
                update = orthogonal(weight.grad.lerp(average, self._momentum))
                scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.add_(update, alpha=-rate * scale)
                weight.grad = None


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near 1 by five Newton-Schulz steps."""
    wide = matrix.bfloat16() if matrix.shape[0] <= matrix.shape[1] else matrix.bfloat16().T
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(_STEPS):
        square = wide @ wide.T
        wide = _A * wide + (_B * square + _C * square @ square) @ wide
    return (wide if matrix.shape[0] <= matrix.shape[1] else wide.T).to(matrix.dtype)
