"""Linear layers on CUDA and emulated arrays: the twin of gpunn.cpu.linear. One launch forward, one back."""

from __future__ import annotations

from functools import lru_cache

from gpunn.asked import of_floats
from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays
from gpunn.cuda.gemm import ROWS
from gpunn.cuda.layout import cast
from gpunn.cuda.operands import is_wide, readable, row_major, side
from gpunn.cuda.plans import KEPT, Output, Plan
from gpunn.cuda.products import LinearBackward, Product, Side
from gpunn.cuda.signature import Layout, layouts
from gpunn.cuda.variants import Asked, Operation, forced

FORWARD = Operation("linear.forward", *ROWS)
BACKWARD = Operation("linear.backward", *ROWS)
Gradients = tuple[Array | None, Array | None, Array | None]


def _side(x: Layout, lines: int, depth: int) -> tuple[Side, bool]:
    """How kernels read x, and whether 16 bytes at a time."""
    found = side(x, lines, depth)
    assert found is not None
    return found, is_wide(x, found, lines, depth)


def _dense(given: tuple) -> Layout:
    """A row-major matrix, copied at the call where it is none."""
    x = Layout(*given)
    return x if x.row_major else row_major(x)


def _across(x: Layout) -> Layout:
    """A matrix beside which a column of ones can stand: rows in memory, copied at the call where it has columns."""
    found = side(x, 1, 0)
    return row_major(x) if found is None or (found.deep and x.shape[1] > 1) else x


@lru_cache(KEPT)
def _forward(x: tuple, weight: tuple, bias: tuple | None, activation: str | None, asked: Asked) -> Plan:
    below, w = readable(Layout(*x), 0, 1), readable(Layout(*weight), 0, 1)
    b = None if bias is None else cast(Layout(*bias), Layout(*bias).dtype)
    dtype = check_arrays("linear.forward", x=below, w=w, b=b)
    (a, wide_a), (of_w, wide_w) = _side(below, 0, 1), _side(w, 0, 1)
    (m, k), n = below.shape, w.shape[0]
    precision = of_floats(asked, dtype)
    job = Product(dtype, wide_a and wide_w, m, n, k, 1, a, of_w, activation=activation, precision=precision)
    return FORWARD.plan(job, {"a": below, "b": w, "bias": b}, {"c": Output((m, n), below.dtype)}, empty=not m * n)


@lru_cache(KEPT)
def _backward(
    gy: tuple, x: tuple | None, weight: tuple | None, y: tuple | None, activation: str | None, bias: bool, asked: Asked
) -> Plan:
    above, kept = _dense(gy), None if y is None else _dense(y)  # read along both axes, and side by side
    w = None if weight is None else readable(Layout(*weight), 0, 1)
    below = None if x is None else _across(Layout(*x)) if bias else readable(Layout(*x), 0, 1)
    dtype = check_arrays("linear.backward", gy=above, x=below, w=w, y=kept)
    (m, n), gx, gw, outputs = above.shape, None, None, {}
    wide = kept is None or kept.aligned
    if w is not None:
        (a, wide_a), (b, wide_b) = _side(above, 0, 1), _side(w, 1, 0)
        outputs["gx"] = Output((m, w.shape[1]), above.dtype)
        if w.shape[1]:
            gx, wide = Product(dtype, True, m, w.shape[1], n, 1, a, b), wide and wide_a and wide_b
    if below is not None or bias:
        features = 0 if below is None else below.shape[1]
        (a, wide_a), (b, wide_b) = _side(above, 1, 0), (Side(1, 0, deep=False), True)
        if below is not None:
            b, wide_b = _side(below, 1, 0)
            if bias and b.deep:  # of one column
                b, wide_b = Side(1, below.strides[0] // below.dtype.itemsize, deep=False), False
            outputs["gw"] = Output((n, features), above.dtype)
        if bias:
            outputs["gb"] = Output((n,), above.dtype)
        if features or bias:
            gw, wide = Product(dtype, True, n, features, m, 1, a, b, ones=bias), wide and wide_a and wide_b
    job = LinearBackward(dtype, wide, m, n, max([one.shape[1] for one in (below, w) if one is not None], default=0),
                         (gx is not None) + (gw is not None), gx, gw, activation, of_floats(asked, dtype))  # fmt: skip
    inputs = {"gy": above, "x": below, "weight": w, "y": kept}
    return BACKWARD.plan(job, inputs, outputs, empty=not (above.size and job.products))


def forward(x: Array, w: Array, b: Array | None, activation: str | None) -> Array:
    """y (N, K) = activation(x (N, C) times w (K, C) transposed, plus b (K,))."""
    return _forward(*layouts(x, w, b), activation, forced())(x, w, b)


def backward(
    gy: Array, x: Array | None, w: Array | None, y: Array | None, activation: str | None, bias: bool
) -> Gradients:
    """gx where w is given, gw where x is, gb where ``bias``; ``y`` is forward's result where it had an activation."""
    keys = layouts(gy, x, w, y)
    made = _backward(*keys, activation, bias, forced())(gy, x, w, y)
    found = iter(made if isinstance(made, tuple) else (made,))
    return (
        None if w is None else next(found),
        None if x is None else next(found),
        next(found) if bias else None,
    )
