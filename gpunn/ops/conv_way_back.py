"""The gradients of convolutions and transposed ones on plain arrays: those asked for, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from gpunn.asked import asked
from gpunn.backend import Array
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_shape, check_needs, check_planes, check_shape
from gpunn.ops import conv, conv_transpose
from gpunn.ops.conv import LETTERS, add_batch, drop_batch
from gpunn.ops.conv_complex import conjugate, conv_of
from gpunn.ops.frame import Frame
from gpunn.ops.pad import crop_end, pad_end
from gpunn.ops.precision import narrowed

NEEDS = ("x", "weight", "bias")
Found = tuple[Any, Any, Any]  # gx, gw and gb: an Array, or None where it is not needed
Way = Callable[..., Found]  # of_conv, of_transposed
Options = Ints | str  # as the forward call takes them, one after another


def grad_input(way: Way, op: str, rank: int, gy: Array, weight: Array, x_shape: Shape, *options: Options) -> Array:
    """gx alone."""
    gy, w = _given(op, gy=gy, w=weight)
    gx, _, _ = way(op, rank, gy, None, w, as_shape(op, "x_shape", x_shape), w.shape, ("x",), *options)
    return gx


def grad_weight(way: Way, op: str, rank: int, gy: Array, x: Array, weight_shape: Shape, *options: Options) -> Array:
    """gw alone."""
    gy, a = _given(op, gy=gy, x=x)
    _, gw, _ = way(op, rank, gy, a, None, a.shape, as_shape(op, "weight_shape", weight_shape), ("weight",), *options)
    return gw


def grad_bias(op: str, rank: int, gy: Array) -> Array:
    """gb (K,): gy summed over all but the channels."""
    (gy,) = _given(op, gy=gy)
    batched = check_planes(op, gy.shape, rank, LETTERS[rank].replace("C", "K"), "gy")
    return conv_of(gy).grad_bias(add_batch(gy, rank, batched))


def backward(
    way: Way, op: str, rank: int, gy: Array, x: Array, weight: Array, needs: Collection[str], *options: Options
) -> Found:
    """gx, gw and gb, None for what is not among needs."""
    check_needs(op, needs, NEEDS)
    gy, a, w = _given(op, gy=gy, x=x, w=weight)
    return way(op, rank, gy, a, w, a.shape, w.shape, needs, *options)


def of_conv(
    op: str, rank: int, gy: Array, x: Any, w: Any, x_shape: Shape, w_shape: Shape, needs: Collection[str],
    *options: Any,
) -> Found:  # fmt: skip
    """The gradients of a convolution; w is read for gx, x for gw."""
    batched, win, extra, y_shape = conv.plan(op, rank, x_shape, w_shape, *options)
    check_shape(op, "gy", gy, y_shape)
    twin, groups, gy = conv_of(gy), options[-1], add_batch(gy, rank, batched)
    gx = gw = gb = None
    if "x" in needs:
        inner = Frame(rank, batched).shape(x_shape)
        whole = inner if extra is None else (*inner[:2], *[n + e for n, e in zip(inner[2:], extra, strict=True)])
        gx = twin.grad_input(gy, add_batch(conjugate(w), rank, True), whole, win, groups)
        gx = drop_batch(gx if extra is None else crop_end(gx, inner), rank, batched)
    if "weight" in needs:
        below = add_batch(conjugate(x), rank, batched)
        below = below if extra is None else pad_end(below, extra)
        gw, gb = twin.grad_weight(gy, below, Frame(rank, True).shape(w_shape), win, groups, "bias" in needs)
        gw = drop_batch(gw, rank, True)
    elif "bias" in needs:
        gb = twin.grad_bias(gy)
    return gx, gw, gb


def of_transposed(
    op: str, rank: int, gy: Array, x: Any, w: Any, x_shape: Shape, w_shape: Shape, needs: Collection[str],
    *options: Any,
) -> Found:  # fmt: skip
    """The gradients of a transposed convolution: gx is a convolution of gy, gw that of x by gy's windows."""
    batched, win, extra, y_shape = conv_transpose.plan(op, rank, x_shape, w_shape, *options)
    check_shape(op, "gy", gy, y_shape)
    twin, groups, gy = conv_of(gy), options[3], add_batch(gy, rank, batched)
    gx = gw = None
    if "x" in needs:
        gx = twin.forward(gy, add_batch(conjugate(w), rank, True), None, win, groups)
        gx = gx if extra is None else crop_end(gx, Frame(rank, batched).shape(x_shape))
        gx = drop_batch(gx, rank, batched)
    if "weight" in needs:
        below = add_batch(conjugate(x), rank, batched)
        below = below if extra is None else pad_end(below, extra)
        # Its filters are x's channels.
        gw, _ = twin.grad_weight(below, gy, Frame(rank, True).shape(w_shape), win, groups)
        gw = drop_batch(gw, rank, True)
    return gx, gw, twin.grad_bias(gy) if "bias" in needs else None


def _given(op: str, **named: Array) -> list[Array]:
    """The arrays of a gradient, in the precision that holds."""
    return arrays(op, **(dict(zip(named, narrowed(*named.values()), strict=True)) if asked() else named))
