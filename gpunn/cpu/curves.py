"""Activations and their gradients in blocks that stay in the cache, shared by threads.

A block's function writes what it makes into the arrays that it gets last; every name is told in gpunn.cuda.dtypes, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpunn.cpu.elementwise import select
from gpunn.cpu.layout import scratch
from gpunn.cpu.threads import parallel_for

_BLOCK = 1 << 14  # elements: of float32 five arrays are 320 KB, and a call of NumPy's costs a twentieth of its work
_SELU, _SELU_LOW = 1.0507009873554804934, 1.7580993408473768600  # the scale; that times alpha


def forward(name: str, x: np.ndarray, options: tuple[float, ...], wanted: bool) -> tuple[np.ndarray, np.ndarray]:
    """y, and what backward takes: the slope itself where that costs an exponential, else x or y."""
    if name not in _WITH_SLOPE:
        (y,) = over(lambda a, y: _FORWARD[name](a, y, *options), x)
        return y, y if name in ("selu", "celu") else x
    curve = _WITH_SLOPE[name]
    if not wanted:
        (y,) = over(lambda a, y: curve(a, y, None), x)
        return y, y
    return over(curve, x, count=2)  # type: ignore[return-value]


def backward(name: str, gy: np.ndarray, kept: np.ndarray, options: tuple[float, ...]) -> np.ndarray:
    """gx, from what forward kept."""
    if name in _WITH_SLOPE:
        return gy * kept
    return over(lambda a, above, gx: _BACKWARD[name](above, a, gx, *options), kept, gy)[0]


def over(task: Callable[..., None], x: np.ndarray, *others: np.ndarray, count: int = 1) -> tuple[np.ndarray, ...]:
    """`count` new arrays that lie in memory as x does: the task's, of blocks of x, of the others and of these."""
    axes = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    given = [np.ascontiguousarray(a.transpose(axes)) for a in (x, *others)]
    made = [np.empty(given[0].shape, x.dtype) for _ in range(count)]
    flat = [a.reshape(-1) for a in (*given, *made)]

    def block(i: int) -> None:
        task(*[a[i * _BLOCK : (i + 1) * _BLOCK] for a in flat])

    parallel_for(block, -(-x.size // _BLOCK), 8 * x.size)
    back = np.argsort(axes)
    return tuple([a.reshape(given[0].shape).transpose(back) if x.ndim > 1 else a.reshape(x.shape) for a in made])


def _like(a: np.ndarray, name: str) -> np.ndarray:
    """Memory of a block's own."""
    return scratch(f"curve {name}", a.shape, a.dtype)


# ---------------------------------------------------------------- forward
def _hardsigmoid(a, y):
    np.clip(np.add(a, 3, out=y), 0, 6, out=y)
    y /= 6


def _hardswish(a, y):
    np.clip(np.add(a, 3, out=y), 0, 6, out=y)
    y *= a
    y /= 6


def _hardshrink(a, y, width):
    select(a, ~(np.abs(a, out=y) <= width), y)


def _softshrink(a, y, width):
    np.subtract(a, np.clip(a, -width, width, out=y), out=y)


def _threshold(a, y, at, value):
    low = a <= at
    select(a, ~low, y)
    if value:
        y += np.multiply(low, value, out=_like(a, "low"))


def _selu(a, y):
    np.expm1(np.minimum(a, 0, out=y), out=y)
    y *= _SELU_LOW
    y += np.multiply(np.maximum(a, 0, out=(up := _like(a, "up"))), _SELU, out=up)


def _celu(a, y, alpha):
    np.divide(np.minimum(a, 0, out=y), alpha, out=y)
    np.expm1(y, out=y)
    y *= alpha
    y += np.maximum(a, 0, out=_like(a, "up"))


def _softsign(a, y):
    np.abs(a, out=y)
    y += 1
    np.divide(a, y, out=y)


def _mish(a, y, slope):
    """x tanh(log(1 + q)), q = exp(x): with n = q (q + 2) the tanh is n / (n + 2), and 1 to rounding from x = 20 on."""
    u, q, n, part = (_like(a, name) for name in ("u", "q", "n", "part"))
    np.exp(np.minimum(a, 20, out=u), out=q)
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


def _tanhshrink(a, y, slope):
    t = np.tanh(a, out=_like(a, "t"))
    np.subtract(a, t, out=y)
    if slope is not None:
        np.multiply(t, t, out=slope)


# ---------------------------------------------------------------- backward
def _hardsigmoid_back(gy, a, gx):
    select(np.divide(gy, 6, out=_like(a, "part")), np.abs(a, out=gx) < 3, gx)


def _hardswish_back(gy, a, gx):
    slope = np.divide(a, 3, out=_like(a, "slope"))
    slope += 0.5
    above = a >= 3
    select(slope, ~above, slope)
    slope += above
    slope *= gy
    select(slope, ~(a <= -3), gx)


def _shrink_back(gy, a, gx, width):
    select(gy, ~(np.abs(a, out=gx) <= width), gx)


def _threshold_back(gy, a, gx, at, value):
    select(gy, ~(a <= at), gx)


def _selu_back(gy, y, gx):
    np.minimum(y, 0, out=gx)
    gx += _SELU_LOW
    gx += np.multiply(y > 0, _SELU - _SELU_LOW, out=_like(y, "up"))
    gx *= gy


def _celu_back(gy, y, gx, alpha):
    np.divide(np.minimum(y, 0, out=gx), alpha, out=gx)
    gx += 1
    gx *= gy


def _softsign_back(gy, a, gx):
    np.abs(a, out=gx)
    gx += 1
    np.divide(gy, gx, out=(part := _like(a, "part")))
    np.divide(part, gx, out=gx)


_FORWARD: dict[str, Callable[..., None]] = {
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "hardshrink": _hardshrink,
    "softshrink": _softshrink,
    "threshold": _threshold,
    "selu": _selu,
    "celu": _celu,
    "softsign": _softsign,
}
_WITH_SLOPE: dict[str, Callable[..., None]] = {"mish": _mish, "tanhshrink": _tanhshrink}
_BACKWARD: dict[str, Callable[..., None]] = {
    "hardsigmoid": _hardsigmoid_back,
    "hardswish": _hardswish_back,
    "hardshrink": _shrink_back,
    "softshrink": _shrink_back,
    "threshold": _threshold_back,
    "selu": _selu_back,
    "celu": _celu_back,
    "softsign": _softsign_back,
}
NAMES = frozenset((*_FORWARD, *_WITH_SLOPE))
