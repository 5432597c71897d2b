"""Numbers held between bounds, which may be numbers or arrays. PyTorch's gradients, which reach the bounds too."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from gpunn.backend import Array, is_array
from gpunn.engine.operators import A, Value
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.ops.broadcast import combined
from gpunn.ops.elementwise import applied
from gpunn.ops.out import with_out
from gpunn.restored import restored


@with_out
@restored
def clip(x: A, min: Value | None = None, max: Value | None = None, *, out: Array | None = None) -> A:
    """x held between ``min`` and ``max``, either of which may be None; the gradient passes where x was inside.

    Bounds are numbers, or arrays that broadcast with x, whose gradients come from where they were taken; where min is
    above max, max is. Integers beside a float become float32.

    Raises:
        ValueError: both bounds are None, or one cannot be held by x's dtype.

    >>> ops.clip([-1.0, 0.5, 2.0], 0, 1)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    if min is None and max is None:
        raise ValueError("clip: got neither min nor max, expected at least one; pass for example min=0")
    if any(isinstance(bound, Tensor) or is_array(bound) for bound in (min, max)):
        return _between(x, min, max)
    min, max = _bound("min", min), _bound("max", max)
    a = data_of(x)
    if a.dtype.kind in "biu":
        a, min, max = _among_integers(a, min, max)
    with np.errstate(over="ignore"):  # a bound past float16 is infinite
        y = applied("clip", a, min, max)
    return record("clip", y, (x,), lambda gy, needs: (applied("clip_slope", gy, a, min, max),))


def _bound(name: str, bound: Any) -> float | None:
    """A bound of clip as a Python number: a NumPy one would widen float32 to float64."""
    if bound is not None and not isinstance(bound, int | float | np.generic):
        raise TypeError(
            f"clip: {name} is a {type(bound).__name__}, expected a number, an array, a Tensor or None; pass one"
        )
    return bound.item() if isinstance(bound, np.generic) else bound


def _among_integers(a: Array, min: float | None, max: float | None) -> tuple[Array, float | None, float | None]:
    """Integers to be clipped: as float32 beside a float, PyTorch's rule; else with bounds that their dtype holds."""
    if isinstance(min, float) or isinstance(max, float):
        return a.astype(np.float32), min, max
    a = a.astype(np.int64) if a.dtype.kind == "b" else a
    low, high = np.iinfo(a.dtype).min, np.iinfo(a.dtype).max
    for name, bound, reached in (("min", min, min is None or min <= high), ("max", max, max is None or max >= low)):
        if not reached:
            raise _unheld(name, bound, a.dtype)
    return a, min if min is None or min > low else low, max if max is None or max < high else high


def _unheld(name: str, bound: object, dtype: np.dtype) -> ValueError:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return ValueError(
        f"clip: {name} is {bound}, which {dtype} cannot hold; expected {low} to {high}, or convert x first, for "
        "example with .to('int64')"
    )


def _between(x: A, low: Value | None, high: Value | None) -> A:
    """clip by arrays, one at least."""
    a = data_of(x)
    if a.dtype.kind in "iu":
        for name, bound in (("min", low), ("max", high)):
            if isinstance(bound, int) and not np.iinfo(a.dtype).min <= bound <= np.iinfo(a.dtype).max:
                raise _unheld(name, bound, a.dtype)

    def inside(xp: ModuleType, u: Array, *bounds: Array) -> Array:
        above, below = _pair(bounds, low is not None)
        return u <= below if above is None else u >= above if below is None else (u >= above) & (u <= below)

    def at_low(xp: ModuleType, u: Array, *bounds: Array) -> Array:
        above, below = _pair(bounds, True)
        return (u < above) if below is None else (u < above) & xp.less(above, below)

    def at_high(xp: ModuleType, u: Array, *bounds: Array) -> Array:
        above, below = _pair(bounds, low is not None)
        return (u > below) if above is None else (u > below) | xp.less(below, above)

    def held(xp: ModuleType, u: Array, *bounds: Array) -> Array:
        above, below = _pair(bounds, low is not None)
        u = u if above is None else xp.maximum(u, above)
        return u if below is None else xp.minimum(u, below)

    found = [(bound, slope) for bound, slope in ((low, at_low), (high, at_high)) if bound is not None]
    return combined("clip", (x, *(bound for bound, _ in found)), held, (inside, *(slope for _, slope in found)), True)


def _pair(bounds: tuple[Any, ...], first: bool) -> tuple[Any, Any]:
    """(min, max) from those that there are; `first` says whether the first one is min."""
    return bounds if len(bounds) == 2 else (bounds[0], None) if first else (None, bounds[0])  # type: ignore[return-value]


def clamp_min(x: A, min: Value, *, out: Array | None = None) -> A:
    """x where it is above `min`, else `min`, a number or an array.

    >>> ops.clamp_min([-1.0, 2.0], 0)
    array([0., 2.], dtype=float32)
    """
    return clip(x, min, out=out)


def clamp_max(x: A, max: Value, *, out: Array | None = None) -> A:
    """x where it is below `max`, else `max`, a number or an array.

    >>> ops.clamp_max([-1.0, 2.0], 0)
    array([-1.,  0.], dtype=float32)
    """
    return clip(x, None, max, out=out)


clamp = clip  # PyTorch's name
