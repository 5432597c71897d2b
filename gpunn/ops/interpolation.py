"""Sums of products in one step: lerp, addcmul, addcdiv. PyTorch's names and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.backend import Array
from gpunn.engine.operators import A, Value
from gpunn.ops.broadcast import combined, operands
from gpunn.ops.out import with_out


@with_out
def lerp(x: A, end: Value, weight: Value, *, out: Array | None = None) -> A:
    """x + weight * (end - x): x at weight 0, end at 1.

    >>> ops.lerp([0.0, 10.0], [1.0, 20.0], 0.5)
    array([ 0.5, 15. ], dtype=float32)
    """
    _refuse_integers("lerp", x, end, weight)
    if isinstance(weight, int | float | np.generic):  # which is not rounded to 16 bits
        w = float(weight)
        return combined(
            "lerp",
            (x, end),
            lambda xp, u, v: u + w * (v - u) if abs(w) < 0.5 else v - (v - u) * (1 - w),
            (lambda xp, u, v: 1 - w, lambda xp, u, v: w),
        )
    return combined(
        "lerp",
        (x, end, weight),
        lambda xp, u, v, w: xp.where(abs(w) < 0.5, u + w * (v - u), v - (v - u) * (1 - w)),
        (lambda xp, u, v, w: 1 - w, lambda xp, u, v, w: w, lambda xp, u, v, w: v - u),
    )


@with_out
def addcmul(x: A, tensor1: Value, tensor2: Value, *, value: float = 1, out: Array | None = None) -> A:
    """x + value * tensor1 * tensor2.

    >>> ops.addcmul([1.0, 2.0], [3.0, 4.0], [5.0, 6.0], value=0.5)
    array([ 8.5, 14. ], dtype=float32)
    """
    if isinstance(value, float) and _whole(x, tensor1, tensor2):
        raise TypeError(f"addcmul: value is {value} beside integers, expected an int; convert x to floating point")
    return combined(
        "addcmul",
        (x, tensor1, tensor2),
        lambda xp, u, v, w: u + value * v * w,
        (lambda xp, u, v, w: 1.0, lambda xp, u, v, w: value * w, lambda xp, u, v, w: value * v),
        whole=True,
    )


@with_out
def addcdiv(x: A, tensor1: Value, tensor2: Value, *, value: float = 1, out: Array | None = None) -> A:
    """x + value * tensor1 / tensor2.

    >>> ops.addcdiv([1.0, 2.0], [3.0, 4.0], [6.0, 8.0], value=2)
    array([2., 3.], dtype=float32)
    """
    _refuse_integers("addcdiv", tensor1, tensor2)
    return combined(
        "addcdiv",
        (x, tensor1, tensor2),
        lambda xp, u, v, w: u + value * (v / w),
        (
            lambda xp, u, v, w: 1.0,
            lambda xp, u, v, w: value / w,
            lambda xp, u, v, w: -value * v / (w * w),
        ),
        whole=True,
    )


def _whole(*inputs: Any) -> bool:
    """Whether all are of integers or bool."""
    found = [operands("addcmul", x)[0] for x in inputs]
    return all(x.dtype.kind in "biu" for x in found)


def _refuse_integers(name: str, *inputs: Any) -> None:
    found = [operands(name, x)[0] for x in inputs if hasattr(x, "dtype")]
    if found and all(x.dtype.kind in "biu" for x in found):
        raise TypeError(f"{name}: got {found[0].dtype}, expected floating point; convert with .to('float32') or astype")
