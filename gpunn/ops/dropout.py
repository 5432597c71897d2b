"""Dropping elements (Srivastava et al., 2014), channels (Tompson et al., 2015), branches (Huang et al., 2016)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunn import random
from gpunn.backend import Array, capture, streams, twins
from gpunn.backend.contract import Shape
from gpunn.checks import arrays, check_choice
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor
from gpunn.errors import CaptureError
from gpunn.ops.frame import LETTERS
from gpunn.ops.out import with_out
from gpunn.scalars import as_probability


@with_out
def dropout(x: A, p: float = 0.5, training: bool = True, *, out: Array | None = None) -> A:
    """In training each element becomes 0 with probability p, the others grow by 1 / (1 - p); else x itself.

    The mask comes from gpunn.random's global stream, in logical order, and so is equal on every device.

    >>> ops.dropout(np.ones(6), 0.5)
    array([0., 2., 2., 2., 2., 0.])
    >>> ops.dropout(np.ones(6), 0.5, training=False)
    array([1., 1., 1., 1., 1., 1.])
    """
    (a,) = arrays("dropout", x=x)
    return _drop("dropout", x, a, a.shape, p, training, "an element")


@with_out
def dropout2d(x: A, p: float = 0.5, training: bool = True, *, out: Array | None = None) -> A:
    """In training each channel of x (N, C, *) becomes 0 with probability p, the others grow by 1 / (1 - p); else x.

    >>> ops.dropout2d(np.ones((1, 3, 1, 2)), 0.5)[0, :, 0]
    array([[0., 0.],
           [2., 2.],
           [2., 2.]])
    """
    (a,) = arrays("dropout2d", x=x)
    if a.ndim < 3:
        raise ValueError(
            f"dropout2d: x has {a.ndim} dimensions {a.shape}, expected (N, C, H, W) or (N, C, L); "
            "use dropout for vectors"
        )
    return _drop("dropout2d", x, a, (*a.shape[:2], *(1,) * (a.ndim - 2)), p, training, "a channel")


@with_out
def dropout1d(x: A, p: float = 0.5, training: bool = True, *, out: Array | None = None) -> A:
    """dropout2d of x (N, C, L) or (C, L): each channel becomes 0 with probability p.

    >>> ops.dropout1d(np.ones((3, 2)), 0.5)
    array([[0., 0.],
           [2., 2.],
           [2., 2.]])
    """
    return _drop_channels("dropout1d", x, 1, p, training)


@with_out
def dropout3d(x: A, p: float = 0.5, training: bool = True, *, out: Array | None = None) -> A:
    """dropout2d of x (N, C, D, H, W) or (C, D, H, W): each channel becomes 0 with probability p.

    >>> ops.dropout3d(np.ones((1, 3, 1, 1, 2)), 0.5)[0, :, 0, 0]
    array([[0., 0.],
           [2., 2.],
           [2., 2.]])
    """
    return _drop_channels("dropout3d", x, 3, p, training)


def _drop_channels(op: str, x: A, rank: int, p: float, training: bool) -> A:
    """A mask of x's channels, with a batch or without."""
    (a,) = arrays(op, x=x)
    if a.ndim not in (rank + 1, rank + 2):
        letters = LETTERS[rank]
        raise ValueError(
            f"{op}: x has {a.ndim} dimensions {a.shape}, expected ({letters}) or ({letters[3:]}); reshape it"
        )
    return _drop(op, x, a, (*a.shape[:-rank], *(1,) * rank), p, training, "a channel")


@with_out
def stochastic_depth(x: A, p: float, mode: str, training: bool = True, *, out: Array | None = None) -> A:
    """In training x becomes 0 with probability p, by the sample (mode "row") or all of it ("batch"); else grows.

    For the residual branch of a block: with p = 1 - survival probability it is scaled by 1 / (1 - p), as torchvision's,
    so that evaluation, which gives x itself, needs no factor.

    >>> ops.stochastic_depth(np.ones((4, 2)), 0.5, "row")
    array([[0., 0.],
           [2., 2.],
           [2., 2.],
           [2., 2.]])
    """
    (a,) = arrays("stochastic_depth", x=x)
    check_choice("stochastic_depth", "mode", mode, ("row", "batch"))
    if a.ndim == 0:
        raise ValueError("stochastic_depth: x has no dimensions, expected (N, *); reshape it")
    rows = a.shape[0] if mode == "row" else 1
    return _drop("stochastic_depth", x, a, (rows, *(1,) * (a.ndim - 1)), p, training, "a branch")


def _drop(op: str, x: Operand, a: Array, mask_shape: Shape, p: float, training: bool, what: str) -> Any:
    """x times a mask of the generator's next numbers, one for each element of `mask_shape`, which is broadcast."""
    p = as_probability(op, p, what)
    if not training or p == 0:
        return x if isinstance(x, Tensor) else a
    y, backward = twins(a).dropout.drop(a, mask_shape, p, taken(op, a, math.prod(mask_shape)))
    return record(op, y, (x,), lambda gy, needs: (backward(gy),), owned=True)


def taken(op: str, a: Array, numbers: int) -> random.Draw | Array:
    """So many of the generator's next numbers; inside a captured step device memory that says where they begin."""
    if type(a) is np.ndarray:
        capture.refuse(f"{op}: x is on cpu, whose mask would be the same at each replay; move it to the device")
    elif not isinstance(a, np.ndarray) and streams.in_program_capture(a.device.id):
        raise CaptureError(
            f"{op}: the stream captures, and each replay would drop the same elements; capture the step with "
            "gpunn.train.CapturedStep, or multiply by a mask of your own"
        )
    fed = capture.fed(lambda: random.take(numbers).signed, np.int64, (3,))
    return random.take(numbers) if fed is None else fed
