"""Matrix products on CUDA and emulated arrays: the twin of gpunn.cpu.matmul."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from gpunn.asked import of_floats
from gpunn.backend import Array, array_module
from gpunn.cuda.checks import check_devices
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.gemm import ROWS
from gpunn.cuda.operands import batches, is_wide, readable, row_major, side
from gpunn.cuda.plans import KEPT, Output, Plan
from gpunn.cuda.products import Product
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, forced

PRODUCT = Operation("matmul.product", *ROWS)


def _as_matrix(x: Layout, first: bool) -> Layout:
    """A vector as the matrix that it stands for."""
    if x.shape[1:]:
        return x
    n, stride, size = x.shape[0], x.strides[0], x.dtype.itemsize
    shape, strides = ((1, n), (n * size, stride)) if first else ((n, 1), (stride, size))
    return x._replace(shape=shape, strides=strides)


@lru_cache(KEPT)
def _product(left: tuple, right: tuple, asked: Asked) -> Plan | Callable[[Array, Array], Array]:
    """The plan; for integers and mixed types the array library's own function."""
    a, b = Layout(*left), Layout(*right)
    check_devices("matmul.product", a=a, b=b)
    if a.dtype != b.dtype or a.dtype.name not in STORAGE:
        return lambda u, v: array_module(u).matmul(u, v)
    vector_a, vector_b = len(a.shape) == 1, len(b.shape) == 1
    a, b = readable(_as_matrix(a, True), -2, -1), readable(_as_matrix(b, False), -1, -2)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    joined = batches(batch, a, b)
    if joined is None:
        a, b = (row_major(x, (*batch, *x.shape[-2:])) for x in (a, b))
        joined = batches(batch, a, b)
        assert joined is not None
    outer, inner = ((1, 0, 0), (1, 0, 0), *joined)[-2:]
    of_a, of_b = side(a, -2, -1, (outer[1], inner[1])), side(b, -1, -2, (outer[2], inner[2]))
    assert of_a is not None and of_b is not None
    wide = is_wide(a, of_a, -2, -1) and is_wide(b, of_b, -1, -2)
    (m, k), n = a.shape[-2:], b.shape[-1]
    precision = of_floats(asked, a.dtype.name)
    job = Product(a.dtype.name, wide, m, n, k, math.prod(batch), of_a, of_b, inner[0], precision=precision)
    shape = (*batch, *([] if vector_a else [m]), *([] if vector_b else [n]))
    outputs = {"c": Output(shape, a.dtype)}
    return PRODUCT.plan(job, {"a": a, "b": b, "bias": None}, outputs, empty=not math.prod(shape))


def matmul(a: Array, b: Array) -> Array:
    """``numpy.matmul(a, b)``."""
    plan = _product(layout(a), layout(b), forced())
    return plan(a, b, None) if isinstance(plan, Plan) else plan(a, b)
