"""Convolutions in 1, 2 and 3 dimensions. Letters: x (N, C, H, W), weight (K, C/groups, R, S), y (N, K, P, Q)."""

from __future__ import annotations

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_count, as_ints, cached, check_output, check_planes, check_shape, wants_grad
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.mistaken import mistaken
from gpunn.ops.conv_complex import ComplexConv
from gpunn.ops.conv_pool import followed
from gpunn.ops.out import with_out
from gpunn.ops.pad import PADDING_MODES, as_border, bordered, crop_end, pad_end
from gpunn.ops.precision import narrowed
from gpunn.window import Pooling, Window

LETTERS = {1: "N, C, L", 2: "N, C, H, W", 3: "N, C, D, H, W"}
TAPS = {1: "S", 2: "R, S", 3: "T, R, S"}


@with_out
def conv1d(
    x: A,
    weight: A,
    bias: A | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    activation: str | None = None,
    residual: A | None = None,
    *,
    padding_mode: str = "zeros",
    out: Array | None = None,
) -> A:
    """conv2d with H = 1: x (N, C, W) or (C, W), weight (K, C/groups, S), bias (K,); gives (N, K, Q).

    y[n, k, q] = bias[k] + sum over c, s of x[n, c, q*stride + s*dilation - padding] w[k, c, s].

    >>> x, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[-1.0, 0.0, 1.0]]])
    >>> ops.conv1d(x, w)
    array([[[2., 2., 2.]]])
    >>> ops.conv1d(x, w, activation="relu", residual=np.array([[[-3.0, 0.0, 3.0]]]))
    array([[[0., 2., 5.]]])
    """
    return _conv(1, x, weight, bias, stride, padding, dilation, groups, activation, None, residual, padding_mode)


@with_out
def conv2d(
    x: A,
    weight: A,
    bias: A | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    activation: str | None = None,
    pool: Pooling | None = None,
    residual: A | None = None,
    *,
    padding_mode: str = "zeros",
    out: Array | None = None,
) -> A:
    """Cross-correlation of x (N, C, H, W) or (C, H, W) with weight (K, C/groups, R, S), plus bias (K,).

    stride, padding and dilation are an int or one a dimension; padding may also be "valid" (none) or "same"
    (stride 1 only; where an odd total is needed the extra zero goes to the end). Gives (N, K, P, Q) with
    P = (H + 2 padding - dilation (R - 1) - 1) // stride + 1. ValueError: shapes that do not fit; TypeError: dtypes.
    padding_mode says what is padded: "zeros", "reflect", "replicate" or "circular", as in `pad`, which has gradients.
    Plain arrays may be complex, all of them: three real convolutions (see conv_complex.py, also for their rounding).

    activation ("relu" or "tanh") and pool (a `gpunn.Pooling`) follow in the same call, on a device in few launches:
    pool(activation(conv)). A residual of y's shape is added before the activation, in the convolution's own pass; there
    is no pool then.

    >>> x, w = np.ones((1, 3, 8, 8)), np.ones((4, 3, 3, 3))
    >>> ops.conv2d(x, w, padding=1).shape
    (1, 4, 8, 8)
    >>> ops.conv2d(x, w, stride=2)[0, 0, 0]
    array([27., 27., 27.])
    >>> ops.conv2d(x, w, padding=1, activation="relu", pool=gpunn.Pooling.max(2)).shape
    (1, 4, 4, 4)
    >>> ops.conv2d(x, w, padding=1, padding_mode="replicate")[0, 0, 0, :2]
    array([27., 27.])
    >>> ops.conv2d(x, w, residual=np.full((1, 4, 6, 6), -30.0), activation="relu").any()
    np.False_
    """
    return _conv(2, x, weight, bias, stride, padding, dilation, groups, activation, pool, residual, padding_mode)


@with_out
def conv3d(
    x: A,
    weight: A,
    bias: A | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    activation: str | None = None,
    residual: A | None = None,
    *,
    padding_mode: str = "zeros",
    out: Array | None = None,
) -> A:
    """conv2d with one more dimension: x (N, C, D, H, W), weight (K, C/groups, T, R, S).

    >>> ops.conv3d(np.ones((1, 2, 4, 5, 6)), np.ones((3, 2, 3, 3, 3)), padding=1).shape
    (1, 3, 4, 5, 6)
    """
    return _conv(3, x, weight, bias, stride, padding, dilation, groups, activation, None, residual, padding_mode)


def _conv(
    rank: int,
    x: A,
    weight: A,
    bias: A | None,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    groups: int,
    activation: str | None = None,
    pool: Pooling | None = None,
    residual: A | None = None,
    padding_mode: str = "zeros",
) -> A:
    op = f"conv{rank}d"
    if asked():
        x, weight, bias, residual = narrowed(x, weight, bias, residual)
    a, w, b, r = arrays(op, x=x, w=weight, bias=bias, residual=residual)
    check_bias(op, b, w.shape[:1])
    batched, win, extra, y_shape = plan(op, rank, a.shape, w.shape, stride, padding, dilation, groups)
    if as_border(op, "padding_mode", padding_mode, PADDING_MODES) != "zeros":
        x = bordered(op, x, rank, win.padding, extra, padding_mode)
        return _conv(rank, x, weight, bias, stride, 0, dilation, groups, activation, pool, residual)
    lifted, w = add_batch(a, rank, batched), w[:, :, None] if rank == 1 else w
    inner, twin, back = lifted.shape, twins(a).conv, None
    if a.dtype.kind == "c":
        twin = ComplexConv(twin)
    if extra is not None:
        lifted = pad_end(lifted, extra)
    x_shape, w_shape = lifted.shape, w.shape
    to_x, to_w = wants_grad(x), wants_grad(weight)
    if to_w and lifted.flags.c_contiguous and type(lifted) is not np.ndarray:
        lifted = twin.in_memory_order(lifted)  # one copy for forward and backward
    if activation is None and pool is None and r is None:
        y = twin.forward(lifted, w, b, win, groups)
    else:
        wanted = is_grad_enabled() and (to_x or to_w or wants_grad(bias))
        if r is not None:
            check_shape(op, "residual", r, y_shape, "it has y's shape")
            r = add_batch(r, rank, batched)
        y, back = followed(op, twin, lifted, w, b, win, groups, activation, pool, r, wanted)
    kept_x, kept_w = (lifted if to_w else None), (w if to_x else None)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gy = add_batch(gy, rank, batched)
        gy = twin.in_memory_order(gy) if back is None else back(gy)
        gx = gw = gb = None
        if kept_w is not None:
            gx = twin.grad_input(gy, kept_w, x_shape, win, groups)
            gx = drop_batch(gx if extra is None else crop_end(gx, inner), rank, batched)
        if kept_x is not None:
            gw, gb = twin.grad_weight(gy, kept_x, w_shape, win, groups, needs[2])
            gw = gw[:, :, 0] if rank == 1 else gw
        elif needs[2]:
            gb = twin.grad_bias(gy)
        return gx, gw, gb, drop_batch(gy, rank, batched) if needs[3] else None

    # Without an activation the residual's gradient is gy itself.
    owned = residual is None or activation is not None
    return record(op, drop_batch(y, rank, batched), (x, weight, bias, residual), backward, owned)


@cached
def plan(
    op: str, rank: int, x: Shape, w: Shape, stride: Ints, padding: Ints | str, dilation: Ints, groups: int
) -> tuple[bool, Window, Shape | None, Shape]:
    """Checks shapes and options; gives whether x is batched, the window, the zeros at the end, and y's shape."""
    batched = check_planes(op, x, rank, LETTERS[rank])
    groups = as_count(op, "groups", groups)
    if len(w) != rank + 2:
        raise ValueError(
            f"{op}: w has {len(w)} dimensions {w}, expected {rank + 2} (K, C/groups, {TAPS[rank]}); reshape it"
        )
    if 0 in w:
        raise ValueError(f"{op}: w {w} has a zero size; every size of a filter is at least 1")
    channels, expected = x[-rank - 1], w[1] * groups
    if channels != expected:
        remedy = mistaken(x, expected, rank) or (
            f"set in_channels={channels}" if channels % groups == 0 else f"use a multiple of groups={groups} channels"
        )
        raise ValueError(f"{op}: x has {channels} channels but w expects {expected} (x {x}, w {w}); {remedy}")
    if w[0] % groups:
        raise ValueError(f"{op}: w has {w[0]} filters, expected a multiple of groups={groups} (w {w})")
    win, extra = geometry(op, rank, w[2:], stride, padding, dilation)
    sizes = (1, *x[-1:]) if rank == 1 else x[-rank:]
    padded = sizes if extra is None else tuple([n + e for n, e in zip(sizes, extra, strict=True)])
    out = win.out(padded)
    check_output(op, x, padded, win, out)
    return batched, win, extra, (*x[: -rank - 1], w[0], *out[-rank:])


def check_bias(op: str, b: Array | None, filters: Shape) -> None:
    """Refuses a bias that is not one number a filter."""
    if b is not None and b.shape != filters:
        raise ValueError(f"{op}: bias is {b.shape}, expected {filters}, one a filter; reshape it")


def geometry(
    op: str, rank: int, size: Shape, stride: Ints, padding: Ints | str, dilation: Ints
) -> tuple[Window, Shape | None]:
    """The twin's window (of height 1 for conv1d), and the zeros to add at the end before, None where there are none."""
    stride, dilation = as_ints(op, "stride", stride, rank, 1), as_ints(op, "dilation", dilation, rank, 1)
    extra = None
    if not isinstance(padding, str):
        padding = as_ints(op, "padding", padding, rank, 0)
    elif padding == "valid":
        padding = (0,) * rank
    elif padding != "same":
        raise ValueError(f'{op}: padding is {padding!r}, expected ints, "same" or "valid"')
    elif max(stride) > 1:
        raise ValueError(f'{op}: padding="same" needs stride 1, got stride {stride}; give the padding as numbers')
    else:
        total = [d * (s - 1) for d, s in zip(dilation, size, strict=True)]
        padding = tuple([t // 2 for t in total])
        if any(t % 2 for t in total):
            extra = (0,) * (rank == 1) + tuple([t % 2 for t in total])
    if rank == 1:
        return Window((1, *size), (1, *stride), (0, *padding), (1, *dilation)), extra
    return Window(tuple(size), stride, padding, dilation), extra


def add_batch(a: Array, rank: int, batched: bool) -> Array:
    """x or y as the twin wants it: with a batch axis, and a height of 1 where the rank is 1."""
    a = a if batched else a[None]
    return a[:, :, None] if rank == 1 else a


def drop_batch(a: Array, rank: int, batched: bool) -> Array:
    """The inverse of lift."""
    a = a[:, :, 0] if rank == 1 else a
    return a if batched else a[0]
