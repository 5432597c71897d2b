"""The rules of gpunn.optim on GPU and emulated arrays: one launch a rule for all parameters of one dtype and device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpunn import backend
from gpunn.backend import Array, array_module
from gpunn.backend.contract import Arrays, Settings, States
from gpunn.backend.contract.optim import SKIP
from gpunn.cuda.device import empty
from gpunn.cuda.dtypes import accumulate as sums_dtype
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import kernel
from gpunn.cuda.multi_tensor import operation, run
from gpunn.cuda.table import BLOCK, blocks_of

SGD = operation("optim.sgd", "optim/sgd", "skip", "fed")
ADAM = operation("optim.adam", "optim/adam", "skip", "fed")
RMSPROP = operation("optim.rmsprop", "optim/rmsprop", "skip", "fed")
ADADELTA = operation("optim.adadelta", "optim/adadelta", "skip", "fed")
ADAMAX = operation("optim.adamax", "optim/adamax", "skip", "fed")
RPROP = operation("optim.rprop", "optim/rprop", "skip", "fed")
ASGD = operation("optim.asgd", "optim/asgd", "skip", "fed")
NORM = operation("optim.norm", "optim/norm_parts", "parts", "order", then=("optim/norm_total",))
SCALE = operation("optim.scale", "optim/scale", "norm", "limit")
CLAMP = operation("optim.clamp", "optim/clamp", "limit")
AVERAGE = operation("optim.average", "optim/average", "share", "fed")
ACCUMULATE = operation("optim.accumulate", "optim/accumulate", "count")
UNSCALE = operation("optim.unscale", "optim/unscale", "state", then=("optim/rescale",))


def sgd(params: Arrays, buffers: States, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: b = momentum b + share d; p -= rate b, with nesterov rate (d + momentum b), without a buffer rate d."""
    run(SGD, kept, ("p", params), {"b": buffers}, {"g": grads}, settings, (kept.get(SKIP),))


def adam(
    params: Arrays, means: Arrays, squares: Arrays, peaks: States, grads: Arrays, settings: Settings, kept: dict
) -> None:
    """Step: m = b1 m + c1 g; v = b2 v + c2 g^2; p -= rate m / (sqrt(v) / root + eps), after p *= keep.

    Where there is a peak, it becomes the largest v so far, and stands for v; where ahead is not 0, share m + ahead g
    stands for m.
    """
    states = {"m": means, "v": squares, "x": peaks}
    run(ADAM, kept, ("p", params), states, {"g": grads}, settings, (kept.get(SKIP),))


def rmsprop(
    params: Arrays, squares: Arrays, means: States, buffers: States, grads: Arrays, settings: Settings,
    kept: dict,
) -> None:  # fmt: skip
    """Step: v = alpha v + c g^2; d = g / (sqrt(v - a^2) + eps); p -= rate d, or rate b with b = momentum b + d."""
    states = {"v": squares, "a": means, "b": buffers}
    run(RMSPROP, kept, ("p", params), states, {"g": grads}, settings, (kept.get(SKIP),))


def adadelta(params: Arrays, squares: Arrays, moves: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: v = rho v + c g^2; d = g sqrt(a + eps) / sqrt(v + eps); a = rho a + c d^2; p -= rate d."""
    run(ADADELTA, kept, ("p", params), {"v": squares, "a": moves}, {"g": grads}, settings, (kept.get(SKIP),))


def adamax(params: Arrays, means: Arrays, peaks: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: m = b1 m + c1 g; u = max(b2 u, |g| + eps); p -= rate m / u."""
    run(ADAMAX, kept, ("p", params), {"m": means, "u": peaks}, {"g": grads}, settings, (kept.get(SKIP),))


def rprop(params: Arrays, previous: Arrays, steps: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: p -= sign(g) s, where s is multiplied by plus while g keeps its sign, by minus where that turns.

    Where it turns g counts as 0 for now; s stays between least and most.
    """
    run(RPROP, kept, ("p", params), {"b": previous, "s": steps}, {"g": grads}, settings, (kept.get(SKIP),))


def asgd(params: Arrays, means: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
    """Step: p = keep p - rate g; a += share (p - a)."""
    run(ASGD, kept, ("p", params), {"a": means}, {"g": grads}, settings, (kept.get(SKIP),))


def norm(arrays: Arrays, order: float) -> Array:
    """The norm, of order > 0, of all arrays taken as one vector: a 0-d array."""
    found = [_norm(some, order) for some in _by_dtype(arrays)]
    return found[0] if len(found) == 1 else norm([array_module(found[0]).stack(found)], order)


def _norm(arrays: list[Array], order: float) -> Array:
    dtype = arrays[0].dtype.name
    wide = sums_dtype(dtype)
    count = sum(blocks_of(array.size) for array in arrays)
    parts, total = empty(arrays[0], (max(1, count), 2), wide), empty(arrays[0], (), wide)
    run(NORM, {}, ("g", arrays), {}, {}, after=(parts, wide.type(order)))
    kernel("optim/norm_total", **storage_macros(dtype))((1,), (BLOCK,), parts, total, count, order)
    return total


def scale(arrays: Arrays, total: Array, limit: float) -> None:
    """Multiply by min(1, limit / (total + 1e-6)), in place; `total` is a 0-d array, which the host does not read."""
    for some in _by_dtype(arrays):
        wide = sums_dtype(some[0].dtype.name)
        run(SCALE, {}, ("g", some), {}, {}, after=(total.astype(wide, copy=False), wide.type(limit)))


def clamp(arrays: Arrays, limit: float) -> None:
    """Limit every element to [-limit, limit], in place; NaN stays NaN."""
    for some in _by_dtype(arrays):
        run(CLAMP, {}, ("g", some), {}, {}, after=(sums_dtype(some[0].dtype.name).type(limit),))


def average(means: Arrays, values: Arrays, share: float | Array, kept: dict) -> None:
    """Move every mean towards its value: m += share (x - m), in place; a share on the device is of float64."""
    fed = share if backend.is_array(share) else None
    number = sums_dtype(means[0].dtype.name).type(0 if fed is not None else share)
    run(AVERAGE, kept, ("m", means), {}, {"x": values}, after=(number, fed))


def accumulate(sums: Arrays, grads: Arrays, weight: float | Array, fresh: Sequence[bool], kept: dict) -> None:
    """Add weight times the gradients to the sums, in place; a fresh sum counts as 0, whatever it holds."""
    count = _count(weight, sums[0])
    settings = [(1.0 if count is not None else weight, 1.0, float(new)) for new in fresh]
    run(ACCUMULATE, kept, ("s", sums), {}, {"g": grads}, settings, after=(count,))


def divide(arrays: Arrays, divisor: float | Array) -> None:
    """Divide every element, in place; by a divisor of 0 on the device nothing."""
    none, count = [None] * len(arrays), _count(divisor, arrays[0])
    settings = [(0.0, 1.0 if count is not None else divisor, 0.0)] * len(arrays)
    run(ACCUMULATE, {}, ("s", arrays), {"g": none}, {}, settings, after=(count,))


def unscale(grads: Arrays, state: Array) -> None:
    """Divide the gradients by state[0], in place; state[3] becomes 1 where one is not finite."""
    for some in _by_dtype(grads):
        run(UNSCALE, {}, ("g", some), {}, {}, after=(state,))


def rescale(state: Array, growth: float, backoff: float, every: int) -> None:
    """Make the state that of the next step: its scale times backoff after a bad one, times growth after many good."""
    numbers = np.float32(growth), np.float32(backoff), np.int32(every)
    kernel("optim/rescale", **storage_macros("float32"))((1,), (1,), state, *numbers)


def _count(number: float | Array, like: Array) -> Array | None:
    """An array of one as the kernels take it; None where the host has the number."""
    if not backend.is_array(number):
        return None
    return backend.to_device(number, backend.device_of(like)).astype(sums_dtype(like.dtype.name), copy=False)


def _by_dtype(arrays: Arrays) -> list[list[Array]]:
    found: dict[np.dtype, list[Array]] = {}
    for array in arrays:
        found.setdefault(array.dtype, []).append(array)
    return list(found.values())
