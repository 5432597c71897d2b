"""interpolate: images in another size. Separable, so that each axis is resampled on its own, from one or two taps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.constants import constant
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_ints, check_choice
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.tensor import record
from gpunn.ops.out import with_out
from gpunn.ops.reduce import wide

MODES = ("nearest", "bilinear")


class Tap(NamedTuple):
    """For one axis: which input each output reads, and how much of it (None: all)."""

    index: np.ndarray
    weight: np.ndarray | None


@with_out
def interpolate(
    x: A,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    *,
    out: Array | None = None,
) -> A:
    """x (N, C, *) with its spatial sizes made `size`, or floor(scale_factor * them); coordinates as in PyTorch.

    Args:
        mode: "nearest" (output i reads input floor(i / scale)), or "bilinear" for x (N, C, H, W).
        align_corners: for bilinear only. True lays corner pixels' centres on each other; False or None their edges.

    Raises:
        ValueError: both or neither of size and scale_factor, an unknown mode, a size below 1, another rank.

    >>> ops.interpolate([[[1.0, 2.0]]], scale_factor=2)
    array([[[1., 1., 2., 2.]]], dtype=float32)
    """
    op = "interpolate"
    (a,) = arrays(op, x=x)
    check_choice(op, "mode", mode, MODES)
    rank = a.ndim - 2
    if rank < 1 or (mode == "bilinear" and rank != 2) or 0 in a.shape[1:]:
        wanted = "(N, C, H, W)" if mode == "bilinear" else "(N, C, L) or more"
        raise ValueError(f"{op}: x is {a.shape}, expected {wanted} with no size 0 but N for mode {mode!r}; reshape it")
    if align_corners is not None and mode == "nearest":
        raise ValueError(f"{op}: align_corners is {align_corners}, expected None for mode 'nearest'; or use 'bilinear'")
    sizes, scales = _sizes(op, a.shape[2:], size, scale_factor)
    plans = [
        _nearest(n, m, s) if mode == "nearest" else _linear(n, m, s, bool(align_corners))
        for n, m, s in zip(a.shape[2:], sizes, scales, strict=True)
    ]
    y = a if mode == "nearest" else wide(a)
    # The last axis first where images grow: its elements are copied one by one, those of the others row by row.
    for axis in range(a.ndim - 1, 1, -1):
        y = _read(y, axis, plans[axis - 2])
    before = a.shape

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = wide(gy)
        for axis, taps in enumerate(plans, start=2):
            gx = _spread(gx, axis, taps, before[axis])
        return (gx.astype(gy.dtype, copy=False),)

    return record(op, y.astype(a.dtype, copy=False), (x,), backward)


def _sizes(op: str, sizes: Shape, size: Ints | None, factor: Any) -> tuple[Shape, list[float | None]]:
    """The output sizes, and the factors by which coordinates are scaled where they were given."""
    if (size is None) == (factor is None):
        raise ValueError(f"{op}: size is {size} and scale_factor is {factor}, expected one of them and None")
    if size is not None:
        return as_ints(op, "size", size, len(sizes), 1), [None] * len(sizes)
    factors = tuple(factor) if isinstance(factor, (tuple, list)) else (factor,) * len(sizes)
    numbers = all(isinstance(f, Real) for f in factors)
    if len(factors) != len(sizes) or not numbers or not all(0 < f < math.inf for f in factors):
        raise ValueError(f"{op}: scale_factor is {factor}, expected a positive number or {len(sizes)} of them")
    out = tuple([math.floor(n * f) for n, f in zip(sizes, factors, strict=True)])
    if min(out) < 1:
        raise ValueError(f"{op}: scale_factor {factor} turns {sizes} into {out}, expected sizes of at least 1")
    return out, [float(f) for f in factors]


def _nearest(n: int, m: int, factor: float | None) -> list[Tap]:
    """Input floor(i / factor), in float32 as PyTorch computes it: at odd factors the last bit decides."""
    step = np.float32(n / m if factor is None else 1 / factor)
    index = np.floor(np.arange(m, dtype=np.float32) * step).astype(np.int64)
    return [Tap(np.minimum(index, n - 1), None)]


def _linear(n: int, m: int, factor: float | None, align_corners: bool) -> list[Tap]:
    """The two neighbours of each output's place, weighted by nearness."""
    if align_corners:
        place = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        place = np.maximum((np.arange(m) + 0.5) * (n / m if factor is None else 1 / factor) - 0.5, 0)
    low = np.minimum(np.floor(place).astype(np.int64), n - 1)
    weight = np.minimum(place - low, 1.0)
    return [Tap(low, 1 - weight), Tap(np.minimum(low + 1, n - 1), weight)]


def _read(a: Array, axis: int, taps: list[Tap]) -> Array:
    """Outputs along one axis."""
    y = None
    for tap in taps:
        part = a.take(constant(tap.index, a), axis=axis)
        if tap.weight is not None:
            part *= _along(tap.weight, part, axis)
        y = part if y is None else y + part
    assert y is not None  # there is a tap
    return y


def _spread(gy: Array, axis: int, taps: list[Tap], n: int) -> Array:
    """The transpose of _read: each output's gradient added to the inputs that it read.

    Indices rise, so that the j-th outputs of all inputs can be added at once without two meeting at one place.
    """
    gx = array_module(gy).zeros_like(gy, shape=(*gy.shape[:axis], n, *gy.shape[axis + 1 :]))
    lead = (slice(None),) * axis
    for index, weight in taps:
        part = gy if weight is None else gy * _along(weight, gy, axis)
        turn = np.arange(len(index)) - np.searchsorted(index, index)
        for j in range(int(turn.max()) + 1):
            chosen = np.flatnonzero(turn == j)
            to, source = (constant(i, gy) for i in (index[chosen], chosen))
            gx[(*lead, to)] += part[(*lead, source)]
    return gx


def _along(values: np.ndarray, like: Array, axis: int) -> Array:
    """A vector laid along one axis, in the dtype and on the device of `like`."""
    shaped = values.astype(like.dtype).reshape(-1, *(1,) * (like.ndim - axis - 1))
    return constant(shaped, like)
