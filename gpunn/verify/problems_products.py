"""Problems of what multiplies: convolutions and matrix products, in every precision that may be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from gpunn.cuda.conv_norm_variants import ConvNorm
from gpunn.cuda.conv_pool_variants import ConvPool
from gpunn.cuda.problem import Conv, Problem
from gpunn.cuda.products import LinearBackward, Product, Side
from gpunn.reference import cases
from gpunn.reference.conv_pool import CONV_POOL, NETWORK_CONV_POOLS

BOTH = (True, False)


def convolutions(dtype: str, rank: int) -> Iterator[Problem]:
    """Every light case of this rank."""
    for case, aligned in product(cases.light([*cases.ALL_CONV2D, *cases.CONV3D]), BOTH):
        for precision in _precisions(dtype) if len(case.stride) == rank else ():
            yield Conv(dtype, aligned, case.x, case.w, case.y, case.window(), case.groups, precision=precision)


def normed_convolutions(dtype: str) -> Iterator[Problem]:
    """The same with batch normalisation behind it."""
    return (ConvNorm(**vars(job)) for job in convolutions(dtype, 2))


def pooled_convolutions(dtype: str) -> Iterator[Problem]:
    """Every case with an activation and a pooling behind it."""
    for case in [*CONV_POOL, *NETWORK_CONV_POOLS]:
        conv = case.conv
        how = conv.x, conv.w, conv.y, conv.window(), conv.groups
        yield ConvPool(dtype, True, *how, activation=case.activation, pool=case.pooling(), wanted=True)


def products(dtype: str) -> Iterator[Product]:
    """Sizes that fill the largest tile, in every order of memory; no macro depends on more."""
    m, n, k = 4096, 2048, 512
    for aligned, deep_a, deep_b in product(BOTH, BOTH, BOTH):
        a, b = Side(k, 1) if deep_a else Side(1, m, deep=False), Side(k, 1) if deep_b else Side(1, n, deep=False)
        for precision in _precisions(dtype):
            yield Product(dtype, aligned, m, n, k, 1, a, b, precision=precision)


def backward_products(dtype: str) -> Iterator[LinearBackward]:
    """A layer's two gradients at once."""
    m, n, k = 4096, 2048, 512
    for aligned in BOTH:
        gx = Product(dtype, aligned, m, k, n, 1, Side(n, 1), Side(1, k, deep=False))
        gw = Product(dtype, aligned, n, k, m, 1, Side(1, n, deep=False), Side(1, k, deep=False), ones=True)
        for precision in _precisions(dtype):
            yield LinearBackward(dtype, aligned, m, n, k, 2, gx, gw, "relu", precision)


def _precisions(dtype: str) -> tuple[str, ...]:
    """What products of this type may be asked for in: the variants of TF32 take no other problem."""
    return ("fp32", "tf32") if dtype == "float32" else ("fp32",)
