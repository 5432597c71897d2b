"""Windows of an image as columns, and columns added up to an image: unfold (im2col) and fold (col2im)."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array, array_module
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_ints, cached, check_output, check_planes
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.ops.out import with_out
from gpunn.window import Window


@with_out
def unfold(
    x: A, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1, *, out: Array | None = None
) -> A:
    """The windows of x (N, C, H, W) or (C, H, W) as columns (N, C*R*S, L): one of L = P*Q columns a place.

    What a convolution multiplies its weight with: `weight.reshape(K, -1) @ unfold(x, ...)`. Padding is of zeros.

    Raises:
        ValueError: another rank, a zero size other than N, a window larger than the padded x.

    >>> ops.unfold(np.arange(9.0).reshape(1, 3, 3), 2)[:, 0]
    array([0., 1., 3., 4.])
    """
    (a,) = arrays("unfold", x=x)
    batched, win = _checked("unfold", a.shape, kernel_size, dilation, padding, stride)
    out_size = win.out(a.shape[-2:])
    check_output("unfold", a.shape, a.shape[-2:], win, out_size)
    y, size = _columns(a if batched else a[None], win), a.shape[-2:]

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        gx = _added(gy if batched else gy[None], size, win)
        return (gx if batched else gx[0],)

    return record("unfold", y if batched else y[0], (x,), backward)


@with_out
def fold(
    x: A,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
    *,
    out: Array | None = None,
) -> A:
    """The images (N, C, H, W) of output_size (H, W) with the windows' columns x (N, C*R*S, L), without N where x is.

    Where windows overlap it is their sum, always in the same order: unfold's gradient.

    Raises:
        ValueError: another rank, rows that are no multiple of R*S, another number of columns than windows fit.

    >>> ops.fold(np.ones((4, 4)), 3, 2)
    array([[[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]]])
    """
    op = "fold"
    (a,) = arrays(op, x=x)
    size = as_ints(op, "output_size", output_size, 2, 1)
    win = _window(op, kernel_size, dilation, padding, stride)
    if a.ndim not in (2, 3) or 0 in a.shape[-2:]:
        raise ValueError(
            f"{op}: x is {a.shape}, expected (N, C*R*S, L) or (C*R*S, L), none but N of them 0; reshape it"
        )
    if a.shape[-2] % win.positions:
        raise ValueError(
            f"{op}: x {a.shape} has {a.shape[-2]} rows, expected a multiple of the window's {win.positions} elements"
        )
    (p, q) = win.out(size)
    if min(p, q) < 1 or a.shape[-1] != p * q:
        raise ValueError(
            f"{op}: x {a.shape} has {a.shape[-1]} columns, expected {max(p, 0) * max(q, 0)}: in {size} a window {win} "
            f"fits {p}x{q} times; pass unfold's options"
        )
    batched = a.ndim == 3
    y = _added(a if batched else a[None], size, win)

    def backward(gy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        gx = _columns(gy if batched else gy[None], win)
        return (gx if batched else gx[0],)

    return record(op, y if batched else y[0], (x,), backward)


@cached
def _checked(
    op: str, shape: Shape, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> tuple[bool, Window]:
    return check_planes(op, shape, 2, "N, C, H, W"), _window(op, kernel_size, dilation, padding, stride)


@cached
def _window(op: str, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Window:
    named = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    return Window(*[as_ints(op, name, value, 2, 0 if name == "padding" else 1) for name, value in named.items()])


def _views(padded: Array, win: Window, p: int, q: int) -> list[tuple[int, int, Array]]:
    """(r, s, what element (r, s) of all windows reads in the padded image), in order."""
    (dil_h, dil_w), (step_h, step_w) = win.dilation, win.stride
    rows = [slice(r * dil_h, r * dil_h + (p - 1) * step_h + 1, step_h) for r in range(win.size[0])]
    columns = [slice(s * dil_w, s * dil_w + (q - 1) * step_w + 1, step_w) for s in range(win.size[1])]
    return [(r, s, padded[:, :, row, column]) for r, row in enumerate(rows) for s, column in enumerate(columns)]


def _columns(a: Array, win: Window) -> Array:
    """(N, C*R*S, P*Q) of an image (N, C, H, W)."""
    (n, c, h, w), (pad_h, pad_w), xp = a.shape, win.padding, array_module(a)
    p, q = win.out((h, w))
    if max(win.padding):
        padded = xp.zeros_like(a, shape=(n, c, h + 2 * pad_h, w + 2 * pad_w))
        padded[:, :, pad_h : pad_h + h, pad_w : pad_w + w] = a
        a = padded
    y = xp.empty_like(a, shape=(n, c, *win.size, p, q), order="C")
    if type(a) is np.ndarray:
        for r, s, part in _views(a, win, p, q):
            y[:, :, r, s] = part
    else:  # in one launch
        along = a.strides
        steps = [s * d for s, d in zip(along[2:] * 2, (*win.dilation, *win.stride), strict=True)]
        y[...] = xp.lib.stride_tricks.as_strided(a, y.shape, (*along[:2], *steps))
    return y.reshape(n, c * win.positions, p * q)


def _added(columns: Array, size: Shape, win: Window) -> Array:
    """The image (N, C, *size) of such columns."""
    (n, rows, _), (pad_h, pad_w), xp = columns.shape, win.padding, array_module(columns)
    (h, w), (p, q) = size, win.out(size)
    parts = columns.reshape(n, rows // win.positions, *win.size, p, q)
    shape, dtype = (n, rows // win.positions, h + 2 * pad_h, w + 2 * pad_w), columns.dtype
    total = xp.zeros_like(columns, shape=shape, order="C", dtype=np.float32 if dtype.itemsize == 2 else dtype)
    apart = all([step >= extent for step, extent in zip(win.stride, win.extent, strict=True)])
    for r, s, part in _views(total, win, p, q):
        if apart:  # no two windows meet
            part[...] = parts[:, :, r, s]
        else:
            part += parts[:, :, r, s]
    inside = total[:, :, pad_h : pad_h + h, pad_w : pad_w + w]
    return inside if inside.flags.c_contiguous and dtype == total.dtype else inside.astype(dtype, order="C")
