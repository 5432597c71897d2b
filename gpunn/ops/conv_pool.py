"""What may follow a convolution in the same call: an activation of its output z (N, K, P, Q), and a pooling."""

from __future__ import annotations

from collections.abc import Callable

from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.backend.contract.conv import Conv
from gpunn.checks import cached, check_choice
from gpunn.ops.pool import check_window
from gpunn.window import Pooling, Window

ACTIVATIONS = ("relu", "tanh")


def followed(
    op: str,
    conv: Conv,
    x: Array,
    w: Array,
    b: Array | None,
    win: Window,
    groups: int,
    activation: str | None,
    pool: Pooling | None,
    residual: Array | None,
    wanted: bool,
) -> tuple[Array, Callable[[Array], Array]]:
    """pool(activation(conv + residual)), and from its gradient to z's; ``wanted``: there will be a backward."""
    z_shape = _checked(op, activation, pool, x.shape, w.shape, win)
    twin = twins(x)
    if residual is not None and pool is not None:
        raise ValueError(f"{op}: residual and pool are both given, expected one; pool the result by its own op")
    if x.dtype.kind == "c" and (activation is not None or pool is not None):
        given = f"activation is {activation!r}" if activation is not None else f"pool is {pool}"
        raise TypeError(f"{op}: {given} of {x.dtype} numbers, expected None; apply a function to the result's parts")
    if pool is None:
        y = conv.forward(x, w, b, win, groups, activation, residual)
        if activation is None:
            return y, conv.in_memory_order
        return y, lambda gy: twin.activation.backward(activation, gy, y, ())
    y, kept = twin.conv_pool.forward(x, w, b, win, groups, activation, pool, wanted)
    return y, lambda gy: twin.conv_pool.backward(gy, kept, z_shape, activation, pool)


@cached
def _checked(op: str, activation: str | None, pool: Pooling | None, x: Shape, w: Shape, conv: Window) -> Shape:
    """The shape of z, of which activation and pool are known to be fit."""
    z = (x[0], w[0], *conv.out(x[2:]))
    if activation is not None:
        check_choice(op, "activation", activation, ACTIVATIONS)
    if pool is None:
        return z
    if not isinstance(pool, Pooling):
        raise TypeError(f"{op}: pool is {pool!r}, expected a gpunn.Pooling, for example gpunn.Pooling.max(2), or None")
    check_choice(op, "pool.kind", pool.kind, ("max", "avg"))
    win = pool.win
    # In the words of the pooling alone, as whoever wrote a chain of layers would have them.
    check_window(f"{pool.kind}_pool2d", z, win.size, win.stride, win.padding, win.dilation, pool.ceil_mode)
    if pool.kind == "avg" and max(win.dilation) > 1:
        raise ValueError(f"{op}: pool has dilation {win.dilation}, expected 1; average pooling has none")
    return z
