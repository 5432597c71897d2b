"""Transposed convolutions: the gradient of a convolution with respect to its input, used as a forward pass."""

from __future__ import annotations

from gpunn.asked import asked
from gpunn.backend import Array
from gpunn.backend.contract import Shape
from gpunn.checks import Ints, arrays, as_count, as_ints, cached, check_planes, wants_grad
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.mistaken import mistaken
from gpunn.ops.conv import LETTERS, TAPS, add_batch, check_bias, drop_batch
from gpunn.ops.conv_complex import conv_of
from gpunn.ops.out import with_out
from gpunn.ops.pad import crop_end, pad_end
from gpunn.ops.precision import narrowed
from gpunn.window import Window


@with_out
def conv_transpose1d(
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
    """conv_transpose2d with H = 1: x (N, C, W) or (C, W), weight (C, K/groups, S), bias (K,); gives (N, K, Q).

    >>> ops.conv_transpose1d(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]]), stride=2)
    array([[[ 1., 10.,  2., 20.,  3., 30.]]])
    """
    return _conv_transpose("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation)


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
    Plain arrays may be complex, all of them, as those of conv2d.

    >>> x, w = np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))
    >>> ops.conv_transpose2d(x, w, stride=2).shape
    (1, 1, 4, 4)
    """
    return _conv_transpose("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation)


@with_out
def conv_transpose3d(
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
    """conv_transpose2d with one more dimension: x (N, C, D, H, W), weight (C, K/groups, T, R, S).

    >>> ops.conv_transpose3d(np.ones((1, 2, 2, 3, 4)), np.ones((2, 3, 2, 2, 2)), stride=2, padding=(0, 1, 0)).shape
    (1, 3, 4, 4, 8)
    """
    return _conv_transpose("conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv_transpose(
    op: str,
    rank: int,
    x: A,
    weight: A,
    bias: A | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> A:
    if asked():
        x, weight, bias = narrowed(x, weight, bias)
    a, w, b = arrays(op, x=x, w=weight, bias=bias)
    batched, win, extra, y_shape = plan(op, rank, a.shape, w.shape, stride, padding, output_padding, groups, dilation)
    filters = y_shape[-rank - 1]
    check_bias(op, b, (filters,))
    lifted, w = add_batch(a, rank, batched), w[:, :, None] if rank == 1 else w
    twin, x_shape, w_shape = conv_of(a), lifted.shape, w.shape
    if extra is not None:
        lifted = pad_end(lifted, extra)
    out = (1, *y_shape[-1:]) if rank == 1 else y_shape[-rank:]
    y = twin.grad_input(lifted, w, (lifted.shape[0], filters, *out), win, groups)
    if b is not None:
        y += b.reshape(-1, *[1] * win.rank)
    kept_x, kept_w = (lifted if wants_grad(weight) else None), (w if wants_grad(x) else None)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gy = add_batch(gy, rank, batched)
        gx = gw = None
        if kept_w is not None:
            gx = drop_batch(crop_end(twin.forward(gy, kept_w, None, win, groups), x_shape), rank, batched)
        if kept_x is not None:
            gw, _ = twin.grad_weight(kept_x, gy, w_shape, win, groups)  # its filters are x's channels, not the bias's
            gw = drop_batch(gw, rank, True)
        return gx, gw, twin.grad_bias(gy) if needs[2] else None

    return record(op, drop_batch(y, rank, batched), (x, weight, bias), backward, owned=True)


@cached
def plan(
    op: str, rank: int, x: Shape, w: Shape, stride: Ints, padding: Ints, output_padding: Ints, groups: int,
    dilation: Ints,
) -> tuple[bool, Window, Shape | None, Shape]:  # fmt: skip
    """Checks shapes and options; gives whether x is batched, the window, the zeros at x's end, and y's shape.

    An output padding of a stride or more makes room for further windows: their inputs are zeros.
    """
    batched = check_planes(op, x, rank, LETTERS[rank])
    groups = as_count(op, "groups", groups)
    _check_weight(op, rank, x, w, groups)
    stride, dilation = as_ints(op, "stride", stride, rank, 1), as_ints(op, "dilation", dilation, rank, 1)
    win = Window(w[2:], stride, as_ints(op, "padding", padding, rank, 0), dilation)
    output_padding = as_ints(op, "output_padding", output_padding, rank, 0)
    for o, s, d in zip(output_padding, stride, dilation, strict=True):
        if o >= max(s, d):
            raise ValueError(
                f"{op}: output_padding is {output_padding}, expected less than stride {stride} or dilation {dilation}"
            )
    out = win.transposed_out(x[-rank:], output_padding)
    if min(out) < 1:
        raise ValueError(f"{op}: the output would be {out} (x {x}, w {w}); use less padding than {win.padding}")
    extra = tuple([q - n for q, n in zip(win.out(out), x[-rank:], strict=True)])
    y_shape = (*x[: -rank - 1], w[1] * groups, *out)
    if rank == 1:
        win, extra = Window(*[(one, *sizes) for sizes, one in zip(win, (1, 1, 0, 1), strict=True)]), (0, *extra)
    return batched, win, extra if any(extra) else None, y_shape


def _check_weight(op: str, rank: int, x: Shape, w: Shape, groups: int) -> None:
    if len(w) != rank + 2:
        raise ValueError(
            f"{op}: w has {len(w)} dimensions {w}, expected {rank + 2} (C, K/groups, {TAPS[rank]}); reshape it"
        )
    if 0 in w:
        raise ValueError(f"{op}: w {w} has a zero size; every size of a filter is at least 1")
    channels = x[-rank - 1]
    if channels != w[0]:
        remedy = mistaken(x, w[0], rank) or f"set in_channels={channels}"
        raise ValueError(f"{op}: x has {channels} channels but w expects {w[0]} (x {x}, w {w}); {remedy}")
    if channels % groups:
        raise ValueError(f"{op}: x has {channels} channels, expected a multiple of groups={groups} (x {x})")
