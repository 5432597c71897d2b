"""What losses of elements share: a value and slopes of numbers that lie above each other, and the reduction.

On the cpu blocks that stay in the cache are computed and added up one after another; on a device whole arrays are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, twins
from gpunn.checks import arrays, check_choice
from gpunn.cpu.over import BLOCK, held
from gpunn.cpu.threads import parallel_for
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of
from gpunn.ops.broadcast import unbroadcast
from gpunn.ops.cross_entropy import REDUCTIONS
from gpunn.ops.precision import rounded, widened
from gpunn.ops.reduce import mean, total, wide, zero_d
from gpunn.restored import restored

Formula = Callable[..., Array]  # of the array module and arrays of one shape, or that broadcast to one


@dataclass(frozen=True)
class Named:
    """A function of gpunn.pointwise with its options, for which devices have a kernel; `formula`: what the cpu takes.

    A slope takes the gradient first, in both; `turned`: of the target, of which it is the same one.
    """

    name: str
    options: tuple[float, ...] = ()
    turned: bool = False
    formula: Formula | None = None

    def __call__(self, xp: ModuleType, *found: Array) -> Array:
        found = (*found[:-2], found[-1], found[-2]) if self.turned else found
        if self.formula is not None and type(found[-1]) is np.ndarray:
            return self.formula(xp, *found)
        return twins(found[-1]).elementwise.apply(self.name, *found, *self.options)


def alike(op: str, reduction: str, **inputs: Operand) -> tuple[list[Any], list[Array]]:
    """The inputs, 16 bits widened under a precision, and their arrays, checked to be of one shape."""
    check_choice(op, "reduction", reduction, REDUCTIONS)
    taken = [widened(x) for x in inputs.values()] if asked() else list(inputs.values())
    found = arrays(op, **dict(zip(inputs, taken, strict=True)))
    first, *names = inputs
    for name, a in zip(names, found[1:], strict=True):
        if a.shape != found[0].shape:
            raise ValueError(
                f"{op}: {first} is {found[0].shape} but {name} is {a.shape}, expected one shape; reshape one of them"
            )
    return taken, found


def fitting(op: str, reduction: str, **inputs: Operand) -> tuple[list[Any], list[Array]]:
    """The same of inputs that broadcast to one shape; all but the first may be integers, which have no gradient."""
    check_choice(op, "reduction", reduction, (*REDUCTIONS, "batchmean") if op == "kl_div" else REDUCTIONS)
    taken = [widened(x) for x in inputs.values()] if asked() else list(inputs.values())
    first, named = data_of(taken[0]), dict(zip(inputs, taken, strict=True))
    for name, x in list(named.items())[1:]:
        if getattr(x, "dtype", first.dtype).kind in "iub":
            named[name] = data_of(x).astype(first.dtype)
    found = arrays(op, **named)
    try:
        np.broadcast_shapes(*[a.shape for a in found])
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(inputs, found, strict=True))
        raise ValueError(f"{op}: {shapes} do not broadcast, expected one shape; reshape them") from None
    return taken, found


def pointwise(
    op: str,
    inputs: Sequence[Any],
    found: Sequence[Array],
    reduction: str,
    value: Formula,
    slopes: Sequence[Formula | None],
) -> Any:
    """The value of the arrays' elements, reduced, and recorded for the inputs, whose slopes these are (None: none)."""
    like, wides = found[0], [wide(a) for a in found]
    shapes = {a.shape for a in wides}
    shape = shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)  # a call of 3 us
    count = {"mean": math.prod(shape), "batchmean": like.shape[0] if like.ndim else 1}.get(reduction, 1)
    y = _reduced(value, wides, shape, reduction, count, like)

    def backward(gy: Array, needs: Needs) -> Gradients:
        scale = wide(gy) / count if count > 1 else wide(gy)
        gradients: list[Array | None] = [None] * len(inputs)
        for i, slope in enumerate(slopes):
            if needs[i] and slope is not None:
                g = _evaluated(slope if isinstance(slope, Named) else _scaled(slope), [scale, *wides], shape)
                gradients[i] = rounded(unbroadcast(g, wides[i].shape), gy.dtype)
        return tuple(gradients)

    return record(op, y, tuple(inputs), backward, owned=True)


def between(xp: ModuleType, a: Array, width: float) -> Array:
    """The numbers, held between -width and width."""
    in_block = xp is np and a.ndim == 1 and a.size <= BLOCK
    return held(a, -width, width, np.empty_like(a)) if in_block else xp.clip(a, -width, width)


def _scaled(slope: Formula) -> Formula:
    return lambda xp, scale, *a: slope(xp, *a) * scale


def _reduced(
    value: Formula, wides: list[Array], shape: tuple[int, ...], reduction: str, count: int, like: Array
) -> Array:
    if reduction == "none":
        return rounded(_evaluated(value, wides, shape), like.dtype)
    if not _in_blocks(wides, shape):
        values = _evaluated(value, wides, shape)
        return zero_d(mean(values) if reduction == "mean" else total(values, None) / max(count, 1), like)
    flat, blocks = [a.reshape(-1) for a in wides], -(-math.prod(shape) // BLOCK)
    sums = np.zeros(blocks)

    def block(i: int) -> None:
        part = value(np, *[a[i * BLOCK : (i + 1) * BLOCK] for a in flat])
        found = part.sum()
        sums[i] = found if np.isfinite(found) else part.sum(dtype=np.float64)

    parallel_for(block, blocks, 8 * math.prod(shape))
    return zero_d(sums.sum() / count, like)


@restored
def _evaluated(formula: Formula, found: list[Array], shape: tuple[int, ...]) -> Array:
    """The formula of arrays of this shape, or numbers of no dimension, in blocks where they lie alike."""
    xp = array_module(found[-1])
    blocked = [a for a in found if a.ndim or not shape]
    if not _in_blocks(blocked, shape):
        with np.errstate(all="ignore"):
            made = formula(xp, *found)
        return made if made.shape == shape else xp.broadcast_to(made, shape).copy()
    y = np.empty(shape, found[-1].dtype)
    flat, to = [a.reshape(-1) if a.shape == shape else a for a in found], y.reshape(-1)

    def block(i: int) -> None:
        part = slice(i * BLOCK, (i + 1) * BLOCK)
        to[part] = formula(np, *[a[part] if a.ndim else a for a in flat])

    parallel_for(block, -(-y.size // BLOCK), 8 * y.size)
    return y


def _in_blocks(found: list[Array], shape: tuple[int, ...]) -> bool:
    """Whether these are arrays of the cpu, of one shape, row by row in memory."""
    return bool(math.prod(shape)) and all(
        type(a) is np.ndarray and a.shape == shape and a.flags.c_contiguous for a in found
    )
