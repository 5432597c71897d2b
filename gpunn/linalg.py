"""PyTorch's torch.linalg, as far as it is here: norms and products. Decompositions are NumPy's and CuPy's."""

from __future__ import annotations

from typing import Any

from gpunn import ops
from gpunn.engine.operators import A, Axis
from gpunn.engine.tensor import data_of
from gpunn.naming import named

_vector_norm = named(ops.vector_norm, "x ord dim keepdim dtype", x="x")


def vector_norm(x: A, ord: float = 2, dim: Axis = None, keepdim: bool = False, *, dtype: Any = None) -> A:
    """The norm of order `ord` over dimensions, all by default.

    Examples:
        >>> gpunn.linalg.vector_norm(gpunn.tensor([3.0, 4.0]))
        Tensor(5.)
    """
    return _vector_norm(x, ord, dim, keepdim, dtype)


def norm(A: A, ord: float | str | None = None, dim: Axis = None, keepdim: bool = False, *, dtype: Any = None) -> A:
    """The 2-norm of all elements, or of order `ord` of vectors along one dimension; of matrices the Frobenius norm.

    Raises:
        ValueError: another norm of matrices.

    Examples:
        >>> gpunn.linalg.norm(gpunn.tensor([[3.0, 4.0], [0.0, 0.0]]), dim=1)
        Tensor([5., 0.])
    """
    dims = data_of(A).ndim if dim is None else 1 if isinstance(dim, int) else len(dim)
    if ord in (None, "fro") or dims == 1:
        return vector_norm(A, 2 if ord in (None, "fro") else ord, dim, keepdim, dtype=dtype)  # type: ignore[arg-type]
    raise ValueError(
        f"norm: ord is {ord!r} for matrices {data_of(A).shape}, expected None or 'fro'; take numpy.linalg.norm of "
        "A.numpy(), which records no gradient"
    )


def matmul(input: A, other: A) -> A:
    """The product of matrices: `ops.matmul`."""
    return ops.matmul(input, other)  # type: ignore[return-value]


def __getattr__(name: str) -> object:
    raise AttributeError(
        f"gpunn.linalg has no {name!r}; take numpy.linalg's or cupy.linalg's of x.numpy(), which records no gradient"
    )
