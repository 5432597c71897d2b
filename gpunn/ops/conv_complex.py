"""Complex convolutions, each by three real ones.

Every pass of a convolution is linear in both its operands. So with x = a + ib and w = c + id, * one of those passes,

    p = (a + b) * c,  q = a * (d - c),  r = b * (c + d):  x * w = (p - r) + i (p + q)

which Gauss is said to have found: three products for four. Each part of the result is as exact as a real convolution of
numbers as large as |a| + |b| and |c| + |d|: where one part of an operand, or of the result, is far smaller than the
other, it has the other's rounding errors. What is infinite or NaN in either part of an operand makes both parts of what
it reaches infinite or NaN, and nothing else. Under gpunn.precision("tf32") it is the three products' operands, sums of
parts among them, that are rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Shape
from gpunn.backend.contract.conv import Conv
from gpunn.restored import restored
from gpunn.window import Window


class ComplexConv:
    """The twin Conv for complex arrays, on a device's own for real ones; no operand is conjugated."""

    def __init__(self, real: Conv):
        self._real = real

    def in_memory_order(self, x: Array) -> Array:
        """x itself: its parts are read in any order."""
        return x

    def forward(
        self, x: Array, w: Array, b: Array | None, win: Window, groups: int, activation: str | None = None,
        residual: Array | None = None,
    ) -> Array:  # fmt: skip
        """y = x correlated with w, plus b (K,), plus a residual like y; an activation is refused before."""
        y = _three_products(lambda x, w: self._real.forward(x, w, None, win, groups), x, w)
        if b is not None:
            y += b.reshape(-1, *[1] * win.rank)
        if residual is not None:
            y += residual
        return y

    def grad_input(self, gy: Array, w: Array, x_shape: Shape, win: Window, groups: int) -> Array:
        """Each gy spread over its window, weighted by w."""
        return _three_products(lambda gy, w: self._real.grad_input(gy, w, x_shape, win, groups), gy, w)

    def grad_weight(
        self, gy: Array, x: Array, w_shape: Shape, win: Window, groups: int, bias: bool = False
    ) -> tuple[Array, Array | None]:
        """The sum over images and positions of gy times its window; with ``bias`` also gb, else None."""
        gw = _three_products(lambda gy, x: self._real.grad_weight(gy, x, w_shape, win, groups)[0], gy, x)
        return gw, self.grad_bias(gy) if bias else None

    def grad_bias(self, gy: Array) -> Array:
        """gb (K,): gy summed over all but the channels."""
        return _joined(*map(self._real.grad_bias, _parts(gy)))


def conv_of(a: Array) -> Conv:
    """The convolutions for arrays of this device and kind of numbers."""
    real = twins(a).conv
    return ComplexConv(real) if a.dtype.kind == "c" else real


def conjugate(a: Array) -> Array:
    """The complex conjugate; real numbers as they are."""
    return a.conj() if a.dtype.kind == "c" else a


@restored
def _three_products(product: Callable[[Array, Array], Array], x: Array, w: Array) -> Array:
    (a, b), (c, d) = _parts(x), _parts(w)
    with np.errstate(over="ignore", invalid="ignore"):
        p, q, r = product(a + b, c), product(a, d - c), product(b, c + d)
        q += p
        p -= r  # in place, which keeps the products' memory order
    return _joined(p, q)


def _parts(a: Any) -> tuple[Array, Array]:
    """Views of the real and the imaginary parts."""
    return a.real, a.imag


def _joined(real: Array, imag: Array) -> Array:
    """real + i imag, in real's memory order."""
    y = array_module(real).empty_like(real, dtype=np.result_type(real.dtype, np.complex64))
    for part, values in zip(_parts(y), (real, imag), strict=True):
        part[...] = values
    return y
