"""interpolate: images in another size. Separable, so that each axis is resampled by a sparse matrix of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from gpunn import taps as matrices
from gpunn.backend import Array, array_module, twins
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_ints, check_choice
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.out import with_out
from gpunn.taps import Taps

RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}  # spatial axes, where a mode takes one number alone
MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact")
SHAPES = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}
LINEAR = ("linear", "bilinear", "trilinear")
OF_BYTES = ("nearest", "nearest-exact", "bilinear", "bicubic")


@with_out
def interpolate(
    x: A,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    out: Array | None = None,
) -> A:
    """x (N, C, *) with its spatial sizes made `size`, or floor(scale_factor * them); coordinates as in PyTorch.

    Args:
        mode: "nearest" (output i reads input floor(i / scale)), "nearest-exact" (the one whose centre is nearest),
            "area" (means, adaptive_avg_pool) of one to three spatial axes; "linear" of one, "bilinear" and "bicubic" of
            two, "trilinear" of three.
        align_corners: for the four others. True lays corner pixels' centres on each other; False or None their edges.
        recompute_scale_factor: coordinates from the rounded sizes, as if those had been given.
        antialias: bilinear and bicubic, shrinking: every element has its share, as in Pillow.

    uint8 images are taken by nearest, nearest-exact, bilinear and bicubic, and rounded to the nearest.

    Raises:
        ValueError: both or neither of size and scale_factor, an unknown mode, a size below 1, another rank.

    >>> ops.interpolate([[[1.0, 2.0]]], scale_factor=2)
    array([[[1., 1., 2., 2.]]], dtype=float32)
    >>> ops.interpolate([[[0.0, 4.0]]], size=4, mode="linear")
    array([[[0., 1., 3., 4.]]], dtype=float32)
    """
    op = "interpolate"
    check_choice(op, "mode", mode, MODES)
    a = data_of(x)
    if a.dtype != np.uint8 or mode not in OF_BYTES:
        (a,) = arrays(op, x=x)
    _check(op, a, mode, align_corners, antialias)
    sizes, scales = _sizes(op, a.shape[2:], size, scale_factor, bool(recompute_scale_factor))
    wide, along = a.dtype == np.float64, zip(a.shape[2:], sizes, scales, strict=True)
    exact = [1, 2] if mode == "nearest" and a.ndim == 4 else [1] if mode in LINEAR and not antialias else []
    along = [(n, m, None if m in [times * n for times in exact] else factor) for n, m, factor in along]  # as PyTorch's
    axes = tuple([_taps(mode, n, m, factor, bool(align_corners), antialias, wide) for n, m, factor in along])
    if a.dtype == np.uint8 and mode in RANKS:
        return record(op, _of_bytes(a, axes), (x,), lambda gy, needs: (None,))
    twin, turned = twins(a).resample, tuple([one.transposed for one in axes])
    return record(op, twin.resample(a, axes), (x,), lambda gy, needs: (twin.resample(gy, turned),), owned=True)


def _of_bytes(a: Array, axes: tuple[Taps, ...]) -> Array:
    """An image of uint8, rounded and cut to bytes after each axis, rows first; whole numbers in float64 are exact."""
    xp, y = array_module(a), a.astype(np.float64)
    for at in (1, 0):
        taps, bits = matrices.in_bytes(axes[at])
        both = (matrices.same(y.shape[2]), taps) if at else (taps, matrices.same(y.shape[3]))
        y = xp.clip(xp.floor((twins(a).resample.resample(y, both) + (1 << bits >> 1)) / (1 << bits)), 0, 255)
    return y.astype(np.uint8)


def _check(op: str, a: Array, mode: str, align_corners: bool | None, antialias: bool) -> None:
    rank = RANKS.get(mode, a.ndim - 2)
    if a.ndim != rank + 2 or not 1 <= rank <= 3 or 0 in a.shape[1:]:
        wanted = SHAPES[rank] if mode in RANKS else "(N, C, L) to (N, C, D, H, W)"
        raise ValueError(f"{op}: x is {a.shape}, expected {wanted} with no size 0 but N for mode {mode!r}; reshape it")
    if align_corners is not None and mode not in RANKS:
        raise ValueError(f"{op}: align_corners is {align_corners}, expected None for mode {mode!r}; or use 'bilinear'")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"{op}: antialias is True with mode {mode!r}, expected 'bilinear' or 'bicubic'; leave it out")


def _taps(mode: str, n: int, m: int, factor: float | None, align_corners: bool, antialias: bool, wide: bool) -> Taps:
    if mode.startswith("nearest"):
        return matrices.nearest(n, m, factor, mode == "nearest-exact", wide)
    if mode == "area":
        return matrices.area(n, m)
    if antialias:
        return matrices.antialiased(n, m, factor, align_corners, mode == "bicubic")
    return (matrices.cubic if mode == "bicubic" else matrices.linear)(n, m, factor, align_corners)


def _sizes(op: str, sizes: Shape, size: Ints | None, factor: Any, recompute: bool) -> tuple[Shape, list[float | None]]:
    """The output sizes, and the factors by which coordinates are scaled where they were given."""
    if (size is None) == (factor is None):
        raise ValueError(f"{op}: size is {size} and scale_factor is {factor}, expected one of them and None")
    if size is not None:
        if recompute:
            raise ValueError(
                f"{op}: recompute_scale_factor is True with size={size}, expected it beside scale_factor; leave it out"
            )
        return as_ints(op, "size", size, len(sizes), 1), [None] * len(sizes)
    factors = tuple(factor) if isinstance(factor, (tuple, list)) else (factor,) * len(sizes)
    numbers = all(isinstance(f, Real) for f in factors)
    if len(factors) != len(sizes) or not numbers or not all(0 < f < math.inf for f in factors):
        raise ValueError(f"{op}: scale_factor is {factor}, expected a positive number or {len(sizes)} of them")
    out = tuple([math.floor(n * f) for n, f in zip(sizes, factors, strict=True)])
    if min(out) < 1:
        raise ValueError(f"{op}: scale_factor {factor} turns {sizes} into {out}, expected sizes of at least 1")
    return out, [None if recompute else float(f) for f in factors]
