"""Losses of triplets: an anchor is to be nearer to a positive than to a negative (Balntas et al., 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array
from gpunn.checks import arrays, check_choice
from gpunn.engine.operators import A
from gpunn.ops.arithmetic import add, pow, sub
from gpunn.ops.clip import clip
from gpunn.ops.comparison import minimum
from gpunn.ops.cross_entropy import REDUCTIONS
from gpunn.ops.elementwise import abs as abs_of
from gpunn.ops.out import with_out
from gpunn.ops.precision import cast, widened
from gpunn.ops.reduce import mean as mean_of
from gpunn.ops.reduce import sum as sum_of
from gpunn.ops.vector_norm import vector_norm
from gpunn.scalars import as_number

Distance = Callable[[Any, Any], Any]


@with_out
def triplet_margin_loss(
    anchor: A,
    positive: A,
    negative: A,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
    *,
    out: Array | None = None,
) -> A:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d the p-norm of a difference of (N, D) rows.

    Args:
        eps: added to each difference.
        swap: the lesser of d(anchor, negative) and d(positive, negative) (Balntas et al., 2016).

    >>> ops.triplet_margin_loss([[0.0, 0.0]], [[0.0, 2.0]], [[0.0, 1.0]]).round(3)
    np.float32(2.0)
    """
    op = "triplet_margin_loss"
    order, small = as_number(op, "p", p), as_number(op, "eps", eps)
    found = arrays(op, anchor=anchor, positive=positive, negative=negative)
    if len({a.ndim for a in found}) > 1:
        shapes = ", ".join(str(a.shape) for a in found)
        raise ValueError(
            f"{op}: anchor, positive and negative are {shapes}, expected as many dimensions of each; reshape them"
        )
    if found[0].ndim == 0:
        raise ValueError(f"{op}: anchor has no dimensions, expected (N, D) or (D,); reshape it")

    def distance(a: Any, b: Any) -> Any:
        difference = add(sub(a, b), small)
        if order in (1, 2, np.inf):
            return vector_norm(difference, order, -1)
        return pow(sum_of(pow(abs_of(difference), order), -1), 1 / order)

    return _triplet(op, anchor, positive, negative, distance, margin, swap, reduction)


@with_out
def triplet_margin_with_distance_loss(
    anchor: A,
    positive: A,
    negative: A,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
    out: Array | None = None,
) -> A:
    """triplet_margin_loss by a distance of one's own: a function of two inputs; by default the 2-norm.

    >>> far = lambda a, b: ops.sum(ops.abs(a - b), 1)
    >>> a = np.zeros((1, 2), np.float32)
    >>> ops.triplet_margin_with_distance_loss(a, a + 1, a + 2, distance_function=far, margin=3.0)
    array(1., dtype=float32)
    """
    op = "triplet_margin_with_distance_loss"
    arrays(op, anchor=anchor, positive=positive, negative=negative)
    if distance_function is None:
        return triplet_margin_loss(anchor, positive, negative, margin, swap=swap, reduction=reduction)
    if not callable(distance_function):
        raise TypeError(f"{op}: distance_function is {distance_function!r}, expected a function of two inputs")
    return _triplet(op, anchor, positive, negative, distance_function, margin, swap, reduction)


def _triplet(
    op: str, anchor: Any, positive: Any, negative: Any, distance: Distance, margin: float, swap: bool, reduction: str
) -> Any:
    """In float32 where the inputs are of 16 bits."""
    check_choice(op, "reduction", reduction, REDUCTIONS)
    gap = as_number(op, "margin", margin)
    if not gap > 0:
        raise ValueError(f"{op}: margin is {margin}, expected above 0; the usual value is 1")
    if asked():
        anchor, positive, negative = widened(anchor, positive, negative)
    a, *_ = found = arrays(op, anchor=anchor, positive=positive, negative=negative)
    if a.dtype.itemsize == 2:
        anchor, positive, negative = [cast(x, np.dtype(np.float32)) for x in (anchor, positive, negative)]
    elif not any(hasattr(x, "requires_grad") for x in (anchor, positive, negative)):
        anchor, positive, negative = found
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    y = clip(add(sub(near, far), gap), 0)
    return cast(y if reduction == "none" else mean_of(y) if reduction == "mean" else sum_of(y), a.dtype)
