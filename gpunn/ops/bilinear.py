"""A bilinear form of two inputs."""

from __future__ import annotations

from typing import Any

from gpunn.backend import Array
from gpunn.checks import arrays
from gpunn.engine.operators import A, Operand
from gpunn.ops.arithmetic import add, matmul, mul
from gpunn.ops.out import with_out
from gpunn.ops.precision import cast, narrowed, wide_on_cpu
from gpunn.ops.reduce import sum
from gpunn.ops.shape import permute, reshape, unsqueeze


@with_out
def bilinear(x1: Operand, x2: Operand, w: A, bias: Operand | None = None, *, out: Array | None = None) -> A:
    """y[..., k] = x1^T w[k] x2 + bias[k] for x1 (*, I), x2 (*, J), w (K, I, J), bias (K,).

    Raises:
        ValueError: sizes that do not go together. TypeError: dtypes.

    >>> ops.bilinear(np.array([[1.0, 2.0]]), np.array([[3.0]]), np.array([[[1.0], [10.0]]]))
    array([[63.]])
    """
    op = "bilinear"
    x1, x2, w, bias = narrowed(x1, x2, w, bias)
    a, b, weight, shift = arrays(op, x1=x1, x2=x2, w=w, bias=bias)
    given, _ = wide_on_cpu(*(x1, x2, w) if bias is None else (x1, x2, w, bias))
    (x1, x2, w), bias = given[:3], None if bias is None else given[3]
    if weight.ndim != 3:
        raise ValueError(f"{op}: w is {weight.shape}, expected (K, I, J): a matrix an output; reshape it")
    k, i, j = weight.shape
    if a.ndim < 1 or a.shape != (*b.shape[:-1], i) or b.shape[-1:] != (j,):
        raise ValueError(
            f"{op}: x1 is {a.shape} and x2 {b.shape}, expected (*, {i}) and (*, {j}) alike but for the last size "
            f"(w {weight.shape})"
        )
    if shift is not None and shift.shape != (k,):
        raise ValueError(f"{op}: bias is {shift.shape}, expected ({k},): one an output")
    table = reshape(permute(w, (1, 0, 2)), (i, k * j))
    halves = reshape(matmul(x1, table), (*a.shape[:-1], k, j))
    y: Any = sum(mul(halves, unsqueeze(x2, -2)), -1)
    if bias is not None:
        y = add(y, bias)
    return cast(y, a.dtype)
