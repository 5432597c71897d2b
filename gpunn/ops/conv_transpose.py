"""Transposed convolution: the gradient of conv2d with respect to its input, used as a forward pass."""

from __future__ import annotations

from gpunn.asked import asked
from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_count, as_ints, check_planes, wants_grad
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.tensor import record
from gpunn.ops.conv import LETTERS, add_batch, check_bias, crop_end, drop_batch, pad_end
from gpunn.ops.out import with_out
from gpunn.ops.precision import narrowed
from gpunn.window import Window


@with_out
def conv_transpose2d(
    x: A,
    weight: A,
    bias: A | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    out: Array | None = None,
) -> A:
    """x (N, C, H, W) or (C, H, W), weight (C, K/groups, R, S), bias (K,); gives (N, K, P, Q).

    P = (H - 1) stride - 2 padding + dilation (R - 1) + output_padding + 1; output_padding < max(stride, dilation).

    >>> x, w = np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))
    >>> ops.conv_transpose2d(x, w, stride=2).shape
    (1, 1, 4, 4)
    """
    op = "conv_transpose2d"
    if asked():
        x, weight, bias = narrowed(x, weight, bias)
    a, w, b = arrays(op, x=x, w=weight, bias=bias)
    batched = check_planes(op, a.shape, 2, LETTERS[2])
    groups = as_count(op, "groups", groups)
    _check_weight(op, a, w, groups)
    filters = w.shape[1] * groups
    check_bias(op, b, (filters,))
    win, size = _geometry(op, a, w, stride, padding, output_padding, dilation)
    lifted = add_batch(a, 2, batched)
    y_shape, x_shape = (lifted.shape[0], filters, *size), lifted.shape
    # An output padding of a stride or more makes room for further windows: their inputs are zeros.
    extra = tuple([q - n for q, n in zip(win.out(size), x_shape[2:], strict=True)])
    if any(extra):
        lifted = pad_end(lifted, extra)
    twin = twins(a).conv
    y = twin.grad_input(lifted, w, y_shape, win, groups)
    if b is not None:
        y += b[:, None, None]
    kept_x = lifted if wants_grad(weight) else None
    kept_w, w_shape = (w if wants_grad(x) else None), w.shape

    def backward(gy: Array, needs: Needs) -> Gradients:
        gy = add_batch(gy, 2, batched)
        gx = gw = None
        if kept_w is not None:
            gx = drop_batch(crop_end(twin.forward(gy, kept_w, None, win, groups), x_shape), 2, batched)
        if kept_x is not None:
            gw, _ = twin.grad_weight(kept_x, gy, w_shape, win, groups)  # its filters are x's channels, not the bias's
        return gx, gw, twin.grad_bias(gy) if needs[2] else None

    return record(op, drop_batch(y, 2, batched), (x, weight, bias), backward, owned=True)


def _check_weight(op: str, a: Array, w: Array, groups: int) -> None:
    if w.ndim != 4:
        raise ValueError(f"{op}: w has {w.ndim} dimensions {w.shape}, expected 4 (C, K/groups, R, S); reshape it")
    if 0 in w.shape:
        raise ValueError(f"{op}: w {w.shape} has a zero size; every size of a filter is at least 1")
    channels = a.shape[-3]
    if channels != w.shape[0]:
        raise ValueError(
            f"{op}: x has {channels} channels but w expects {w.shape[0]} (x {a.shape}, w {w.shape}); "
            f"set in_channels={channels}"
        )
    if channels % groups:
        raise ValueError(f"{op}: x has {channels} channels, expected a multiple of groups={groups} (x {a.shape})")


def _geometry(
    op: str, a: Array, w: Array, stride: Ints, padding: Ints, output_padding: Ints, dilation: Ints
) -> tuple[Window, Shape]:
    win = Window(
        tuple(w.shape[2:]),
        as_ints(op, "stride", stride, 2, 1),
        as_ints(op, "padding", padding, 2, 0),
        as_ints(op, "dilation", dilation, 2, 1),
    )
    output_padding = as_ints(op, "output_padding", output_padding, 2, 0)
    for o, s, d in zip(output_padding, win.stride, win.dilation, strict=True):
        if o >= max(s, d):
            raise ValueError(
                f"{op}: output_padding is {output_padding}, "
                f"expected less than stride {win.stride} or dilation {win.dilation}"
            )
    out = win.transposed_out(a.shape[-2:], output_padding)
    if min(out) < 1:
        raise ValueError(
            f"{op}: the output would be {out} (x {a.shape}, w {w.shape}); use less padding than {win.padding}"
        )
    return win, out
