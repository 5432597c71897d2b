"""Activations beyond those of `activation`: bent lines, curves of several constants, gates, random slopes.

`inplace`, where PyTorch has it: x itself, with the result's values; see gpunn.ops.in_place.
"""

from __future__ import annotations

import math

import numpy as np

from gpunn import random
from gpunn.backend import Array, array_module, asarray, capture, device_of, streams
from gpunn.checks import arrays, as_axis
from gpunn.cpu import glu as cpu_glu
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.errors import CaptureError
from gpunn.ops.activation import activate, leaky_relu
from gpunn.ops.arithmetic import neg
from gpunn.ops.comparison import less_equal
from gpunn.ops.elementwise import applied
from gpunn.ops.in_place import into
from gpunn.ops.joining import joined
from gpunn.ops.out import with_out
from gpunn.ops.softmax import softmax
from gpunn.scalars import as_number


@with_out
def selu(x: A, inplace: bool = False, *, out: Array | None = None) -> A:
    """1.0507 (x where x > 0, else 1.6733 (exp(x) - 1)) (Klambauer et al., 2017).

    >>> ops.selu([-1.0, 2.0]).round(3)
    array([-1.111,  2.101], dtype=float32)
    """
    return activate("selu", "selu", x, inplace=inplace)


@with_out
def celu(x: A, alpha: float = 1.0, inplace: bool = False, *, out: Array | None = None) -> A:
    """x where x > 0, else alpha (exp(x / alpha) - 1) (Barron, 2017).

    ValueError: alpha is 0.

    >>> ops.celu([-1.0, 2.0], 0.5).round(3)
    array([-0.432,  2.   ], dtype=float32)
    """
    number = as_number("celu", "alpha", alpha)
    if number == 0:
        raise ValueError("celu: alpha is 0, expected another number: x is divided by it; the usual value is 1")
    return activate("celu", "celu", x, number, inplace=inplace)


@with_out
def mish(x: A, inplace: bool = False, *, out: Array | None = None) -> A:
    """x tanh(softplus(x)) (Misra, 2019).

    >>> ops.mish([-1.0, 2.0]).round(3)
    array([-0.303,  1.944], dtype=float32)
    """
    return activate("mish", "mish", x, inplace=inplace)


@with_out
def hardswish(x: A, inplace: bool = False, *, out: Array | None = None) -> A:
    """x min(max(x + 3, 0), 6) / 6 (Howard et al., 2019); the slope is 0 at -3 and 1 at 3.

    >>> ops.hardswish([-4.0, 0.0, 1.0, 4.0]).round(3)
    array([-0.   ,  0.   ,  0.667,  4.   ], dtype=float32)
    """
    return activate("hardswish", "hardswish", x, inplace=inplace)


@with_out
def hardsigmoid(x: A, inplace: bool = False, *, out: Array | None = None) -> A:
    """min(max(x + 3, 0), 6) / 6; the slope is 0 at -3 and 3.

    >>> ops.hardsigmoid([-4.0, 0.0, 1.5])
    array([0.  , 0.5 , 0.75], dtype=float32)
    """
    return activate("hardsigmoid", "hardsigmoid", x, inplace=inplace)


@with_out
def logsigmoid(x: A, *, out: Array | None = None) -> A:
    """log(1 / (1 + exp(-x))), without overflow.

    >>> ops.logsigmoid([-100.0, 0.0]).round(3)
    array([-100.   ,   -0.693], dtype=float32)
    """
    return activate("logsigmoid", "softplus", x, -1.0, math.inf)


@with_out
def softsign(x: A, *, out: Array | None = None) -> A:
    """x / (1 + |x|) (Bergstra et al., 2009).

    >>> ops.softsign([-1.0, 0.0, 3.0])
    array([-0.5 ,  0.  ,  0.75], dtype=float32)
    """
    return activate("softsign", "softsign", x)


@with_out
def tanhshrink(x: A, *, out: Array | None = None) -> A:
    """x - tanh(x).

    >>> ops.tanhshrink([-1.0, 2.0]).round(3)
    array([-0.238,  1.036], dtype=float32)
    """
    return activate("tanhshrink", "tanhshrink", x)


@with_out
def softshrink(x: A, lambd: float = 0.5, *, out: Array | None = None) -> A:
    """x moved towards 0 by lambd, and no further than 0, where the slope is 0.

    ValueError: lambd is below 0.

    >>> ops.softshrink([-2.0, 0.25, 1.0])
    array([-1.5,  0. ,  0.5], dtype=float32)
    """
    width = as_number("softshrink", "lambd", lambd)
    if not 0 <= width < math.inf:
        raise ValueError(f"softshrink: lambd is {lambd}, expected a finite number from 0 on; the usual value is 0.5")
    return activate("softshrink", "softshrink", x, width)


@with_out
def hardshrink(x: A, lambd: float = 0.5, *, out: Array | None = None) -> A:
    """x, but 0 where |x| <= lambd.

    >>> ops.hardshrink([-2.0, 0.25, 1.0])
    array([-2.,  0.,  1.], dtype=float32)
    """
    return activate("hardshrink", "hardshrink", x, as_number("hardshrink", "lambd", lambd))


@with_out
def threshold(x: A, threshold: float, value: float, inplace: bool = False, *, out: Array | None = None) -> A:
    """x where x > threshold, else value; the slope there is 0.

    >>> ops.threshold([-2.0, 0.25, 1.0], 0.5, 9.0)
    array([9., 9., 1.], dtype=float32)
    """
    options = as_number("threshold", "threshold", threshold), as_number("threshold", "value", value)
    return activate("threshold", "threshold", x, *options, inplace=inplace)


@with_out
def softmin(x: A, dim: int, *, out: Array | None = None) -> A:
    """Softmax of -x along dim.

    >>> ops.softmin([[0.0, 0.0], [0.0, 1000.0]], 1)
    array([[0.5, 0.5],
           [1. , 0. ]], dtype=float32)
    """
    (a,) = arrays("softmin", x=x)
    as_axis("softmin", a, dim)
    return softmax(neg(x), dim)


@with_out
def glu(x: A, dim: int = -1, *, out: Array | None = None) -> A:
    """The first half of x along dim times the sigmoid of the second (Dauphin et al., 2017).

    ValueError: dim has an odd size.

    >>> ops.glu([[1.0, 2.0, 0.0, 100.0]])
    array([[0.5, 2. ]], dtype=float32)
    """
    (a,) = arrays("glu", x=x)
    axis = as_axis("glu", a, dim)
    if a.ndim == 0 or a.shape[axis] % 2:
        raise ValueError(f"glu: x is {a.shape}, expected an even size along dim {dim}: half of it gates the other")
    width = a.shape[axis] // 2
    first, gate = (a[(slice(None),) * axis + (half,)] for half in (slice(width), slice(width, None)))

    def backward(gy: Array, needs: Needs) -> Gradients:
        if type(gy) is np.ndarray:
            return (cpu_glu.backward(gy, a, axis),)
        halves = [applied("glu", gy, gate), applied("glu_slope", gy, first, gate)]
        return (joined(halves, axis),)

    return record("glu", applied("glu", first, gate), (x,), backward)


@with_out
def rrelu(
    x: A,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """x where x > 0, else r x (Xu et al., 2015): r random from lower to upper in training, else their mean.

    The numbers come from gpunn.random's global stream, in logical order, and so are equal on every device.
    ValueError: lower above upper; CaptureError: in training, inside a capture of the program's own.

    >>> ops.rrelu([-3.0, 2.0], 0.0, 0.5)
    array([-0.75,  2.  ], dtype=float32)
    """
    (a,) = arrays("rrelu", x=x)
    low, high = as_number("rrelu", "lower", lower), as_number("rrelu", "upper", upper)
    if not low <= high:
        raise ValueError(f"rrelu: lower is {low} and upper {high}, expected lower up to upper; swap them")
    if not training:
        y = leaky_relu(x, (low + high) / 2)
        return into(x, y, "rrelu") if inplace else y
    wide = np.dtype(np.float64 if a.dtype == np.float64 else np.float32)

    def drawn() -> np.ndarray:
        return random.uniform(a.shape, low, high, wide)

    if isinstance(a, np.ndarray):
        capture.refuse("rrelu: x is on cpu, whose slopes would be the same at each replay; move it to the device")
    elif streams.in_program_capture(a.device.id):
        raise CaptureError(
            "rrelu: the stream captures, and each replay would repeat the slopes; capture the step with "
            "gpunn.train.CapturedStep"
        )
    fed = capture.fed(drawn, wide, a.shape)
    xp, slopes = array_module(a), asarray(drawn(), device=device_of(a)) if fed is None else fed
    factor = xp.where(less_equal(a, 0), slopes, 1).astype(a.dtype)
    y = record("rrelu", applied("multiply", a, factor), (x,), lambda gy, needs: (applied("multiply", gy, factor),))
    return into(x, y, "rrelu") if inplace else y
