"""CosineSimilarity and PairwiseDistance."""

from __future__ import annotations

from gpunn import ops
from gpunn.engine.operators import A, Operand, Value
from gpunn.nn.module import Module


class CosineSimilarity(Module):
    """ops.cosine_similarity of two arrays along dim.

    >>> nn.CosineSimilarity()(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]))
    array([0.])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: A, x2: Operand) -> A:
        return ops.cosine_similarity(x1, x2, self.dim, self.eps)

    def extra_repr(self) -> str:
        return f"dim {self.dim}, eps {self.eps}"


class PairwiseDistance(Module):
    """ops.pairwise_distance: the norm of order p of x1 - x2 + eps along the last axis.

    >>> nn.PairwiseDistance(eps=0.0)(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]]))
    array([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: A, x2: Value) -> A:
        return ops.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)

    def extra_repr(self) -> str:
        return f"order {self.norm}, eps {self.eps}" + ", keepdim" * self.keepdim
