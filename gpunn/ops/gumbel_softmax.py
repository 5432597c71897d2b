"""Samples of categories through which gradients flow (Jang et al., 2017; Maddison et al., 2017)."""

from __future__ import annotations

import math

import numpy as np

from gpunn import random
from gpunn.backend import Array, capture, device_of, to_device, twins
from gpunn.backend.constants import constant
from gpunn.checks import arrays, as_axis
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.arithmetic import add, div
from gpunn.ops.out import with_out
from gpunn.ops.precision import cast
from gpunn.ops.softmax import softmax
from gpunn.scalars import as_number


@with_out
def gumbel_softmax(
    logits: A, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1, *, out: Array | None = None
) -> A:
    """softmax((logits + noise) / tau) along dim, the noise Gumbel's: -log(-log(u)), u from gpunn.random's stream.

    Args:
        tau: the temperature; small ones come close to one category.
        hard: the largest becomes 1 and all others 0, with the gradient of the soft values.
        eps: not used, as in PyTorch.

    Raises:
        ValueError: a tau of 0 or less. TypeError: integers. IndexError: a dim that there is not.

    >>> ops.gumbel_softmax(np.zeros((2, 3)), hard=True).sum(1)
    array([1., 1.])
    """
    op = "gumbel_softmax"
    (a,) = arrays(op, logits=logits)
    axis, tau = as_axis(op, a, dim, "logits"), as_number(op, "tau", tau)
    if not tau > 0:
        raise ValueError(f"{op}: tau is {tau}, expected more than 0; a small one, for example 0.1, is almost hard")
    wide = np.dtype(np.float32) if a.dtype.itemsize == 2 else a.dtype

    def noise() -> np.ndarray:
        unit = (random.random_uint32(a.shape) + 0.5) * 2.0**-32
        return (-np.log(-np.log(unit))).astype(wide)

    if type(a) is np.ndarray:
        capture.refuse(f"{op}: x is on cpu, whose noise would be the same at each replay; move it to the device")
    fed = capture.fed(noise, wide, a.shape)
    soft = softmax(div(add(cast(logits, wide), to_device(noise(), device_of(a)) if fed is None else fed), tau), axis)
    soft = cast(soft, a.dtype)
    return _one_hot(soft, axis) if hard else soft


def _one_hot(soft: A, axis: int) -> A:
    """1 at the largest along the axis, the first of equal ones, else 0; the gradient passes as it is."""
    y = data_of(soft)
    if not math.prod(y.shape):
        return soft
    _, place = twins(y).reduce.extreme("max", y, (axis,) if y.ndim else ())
    numbers = np.arange(y.shape[axis] if y.ndim else 1).reshape(-1, *(1,) * (y.ndim - axis - 1))
    hot = place == constant(numbers if y.ndim else numbers.reshape(()), y)
    return record("gumbel_softmax", hot.astype(y.dtype), (soft,), lambda gy, needs: (gy,))
