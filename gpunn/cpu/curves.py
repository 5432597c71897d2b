"""Activations in blocks that stay in the cache; curve_slopes has their gradients.

A block's function writes what it makes into the arrays that it gets last; every name is told in gpunn.cuda.dtypes, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunn.cpu.logistic import into
from gpunn.cpu.over import held, like, over, pick_beyond, zeros
from gpunn.pointwise import reads_x

SELU, SELU_LOW = 1.0507009873554804934, 1.7580993408473768600  # the scale; that times alpha


def forward(name: str, x: np.ndarray, options: tuple[float, ...], wanted: bool) -> tuple[np.ndarray, np.ndarray]:
    """y, and what backward takes: the slope itself where that costs an exponential, else x or y."""
    if name not in WITH_SLOPE:
        (y,) = over(lambda a, y: _FORWARD[name](a, y, *options), x)
        return y, x if reads_x(name, options) else y
    curve = WITH_SLOPE[name]
    if not wanted:
        (y,) = over(lambda a, y: curve(a, y, None), x)
        return y, y
    return over(curve, x, count=2)  # type: ignore[return-value]


# ---------------------------------------------------------------- forward
def _relu(a, y):
    np.maximum(a, zeros(a), out=y)


def _leaky_relu(a, y, slope):
    np.multiply(a, slope, out=y)
    if 0 < slope <= 1:
        np.maximum(a, y, out=y)  # the larger of the two lines is the right one
    else:
        np.copyto(y, a, where=a > 0)


def _softplus(a, y, beta, threshold):
    """log(1 + exp(z)) is max(z, 0) + log1p(exp(-|z|))."""
    z = np.multiply(a, beta, out=like(a, "z"))
    np.exp(np.negative(np.abs(z, out=y), out=y), out=y)
    np.log1p(y, out=y)
    far = z > threshold
    y += np.maximum(z, zeros(z), out=z)
    y /= beta
    if far.any():
        np.copyto(y, a, where=far)


def _hardtanh(a, y, low, high):
    held(a, low, high, y)


def _elu(a, y, alpha):
    np.expm1(np.minimum(a, zeros(a), out=y), out=y)
    y *= alpha
    y += np.maximum(a, zeros(a), out=like(a, "up"))


def _hardsigmoid(a, y):
    held(np.add(a, 3, out=y), 0.0, 6.0, y)
    y *= 1 / 6  # 6 becomes 1


def _hardswish(a, y):
    _hardsigmoid(a, y)
    y *= a


def _hardshrink(a, y, width):
    pick_beyond(a, a, width, y)


def _softshrink(a, y, width):
    np.subtract(a, held(a, -width, width, y), out=y)


def _threshold(a, y, at, value):
    """a's bits, but where a <= at with those turned over that `value` has otherwise: products would make inf NaN."""
    kind = np.dtype(f"i{a.dtype.itemsize}")
    bits, own = y.view(kind), a.view(kind)
    bits[...] = (a <= at).view(np.int8)
    bits *= np.bitwise_xor(own, np.asarray(value, a.dtype).view(kind), out=like(a, "other").view(kind))
    bits ^= own


def _selu(a, y):
    np.expm1(np.minimum(a, zeros(a), out=y), out=y)
    y *= SELU_LOW
    y += np.multiply(np.maximum(a, zeros(a), out=(up := like(a, "up"))), SELU, out=up)


def _celu(a, y, alpha):
    np.divide(np.minimum(a, zeros(a), out=y), alpha, out=y)
    np.expm1(y, out=y)
    y *= alpha
    y += np.maximum(a, zeros(a), out=like(a, "up"))


def _softsign(a, y):
    np.abs(a, out=y)
    y += 1
    np.divide(a, y, out=y)


def _mish(a, y, slope):
    """x tanh(log(1 + q)), q = exp(x): with n = q (q + 2) the tanh is n / (n + 2), and 1 to rounding from x = 20 on."""
    u, q, n, part = (like(a, name) for name in ("u", "q", "n", "part"))
    np.exp(held(a, -np.inf, 20.0, u), out=q)
    np.add(q, 2, out=n)
    n *= q
    np.add(n, 2, out=part)
    np.divide(1, part, out=part)
    n *= part
    np.multiply(a, n, out=y)
    if slope is not None:  # of the tanh 4 q (q + 1) / (n + 2)^2
        np.add(q, 1, out=slope)
        slope *= q
        slope *= part
        slope *= part
        slope *= 4
        slope *= u
        slope += n


def _silu(a, y, slope):
    s = like(a, "s") if slope is None else slope
    into(s, a)
    np.multiply(a, s, out=y)
    if slope is not None:  # s + y (1 - s)
        rest = np.subtract(1, s, out=like(a, "rest"))
        rest *= y
        slope += rest


def _tanhshrink(a, y, slope):
    t = np.tanh(a, out=like(a, "t"))
    np.subtract(a, t, out=y)
    if slope is not None:
        np.multiply(t, t, out=slope)


_FORWARD: dict[str, Callable[..., None]] = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "sigmoid": lambda a, y: into(y, a),
    "softplus": _softplus,
    "hardtanh": _hardtanh,
    "elu": _elu,
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "hardshrink": _hardshrink,
    "softshrink": _softshrink,
    "threshold": _threshold,
    "selu": _selu,
    "celu": _celu,
    "softsign": _softsign,
}
WITH_SLOPE: dict[str, Callable[..., None]] = {"silu": _silu, "mish": _mish, "tanhshrink": _tanhshrink}
NAMES = frozenset((*_FORWARD, *WITH_SLOPE))
