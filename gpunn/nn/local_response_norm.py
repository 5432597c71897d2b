"""Local response normalisation (Krizhevsky et al., 2012)."""

from __future__ import annotations

from gpunn import ops
from gpunn.checks import as_count
from gpunn.engine.operators import A
from gpunn.nn.module import Module


class LocalResponseNorm(Module):
    """ops.local_response_norm over `size` neighbouring channels.

    >>> nn.LocalResponseNorm(3, alpha=3.0)(np.ones((1, 3, 1))).round(3)[0, :, 0]
    array([0.439, 0.354, 0.439])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size = as_count("LocalResponseNorm", "size", size)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, x: A) -> A:
        return ops.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size} channels, alpha {self.alpha}, beta {self.beta}, k {self.k}"
