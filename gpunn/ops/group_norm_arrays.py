"""Layer and group normalisation on plain arrays: forward gives the statistics that backward takes."""

from __future__ import annotations

from gpunn.backend import Array, twins
from gpunn.checks import Ints, arrays, check_constants, check_shape
from gpunn.ops.group_norm import groups_of, rows_of
from gpunn.ops.out import with_out
from gpunn.scalars import check_eps

Three = tuple[Array, Array, Array]


@with_out
def layer_norm_forward(
    x: Array,
    normalized_shape: Ints,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    *,
    out: Three | None = None,
) -> Three:
    """(y, mean, rstd) of layer_norm: the last two of each vector that was normalised, rstd 1 / sqrt(var + eps).

    ValueError: sizes that do not fit, an eps below 0, a Tensor that records; TypeError: dtypes.

    >>> y, mean, rstd = ops.layer_norm_forward(np.array([[1.0, 3.0], [10.0, 30.0]]), 2)
    >>> y.round(3).tolist(), mean.tolist(), rstd.round(3).tolist()
    ([[-1.0, 1.0], [-1.0, 1.0]], [2.0, 20.0], [1.0, 0.1])
    """
    op = "layer_norm_forward"
    check_constants(op, x=x, weight=weight, bias=bias)
    a, w, b = arrays(op, x=x, weight=weight, bias=bias)
    rows, sizes = rows_of(op, a, normalized_shape, weight=w, bias=b)
    check_eps(op, eps)
    w, b = (None if value is None else value.reshape(-1) for value in (w, b))
    y, mean, rstd = twins(a).group_norm.layer_forward(a.reshape(rows), w, b, eps)
    lead = a.shape[: a.ndim - len(sizes)]
    return y.reshape(a.shape), mean.reshape(lead), rstd.reshape(lead)


@with_out
def layer_norm_backward(
    gy: Array,
    x: Array,
    normalized_shape: Ints,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    *,
    out: Three | None = None,
) -> Three:
    """(gx, gweight, gbias) of layer_norm from what layer_norm_forward gave.

    ValueError: shapes that do not go together, two devices; TypeError: dtypes.

    >>> x, gy = np.array([[1.0, 3.0], [10.0, 30.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> y, mean, rstd = ops.layer_norm_forward(x, 2, eps=1.0)
    >>> ops.layer_norm_backward(gy, x, 2, None, mean, rstd)[0].round(4).tolist()
    [[0.1768, -0.1768], [0.0005, -0.0005]]
    """
    op = "layer_norm_backward"
    gy, a, w = arrays(op, gy=gy, x=x, weight=weight)
    check_shape(op, "gy", gy, a.shape, "it has x's shape")
    rows, sizes = rows_of(op, a, normalized_shape, weight=w)
    mean, rstd = _statistics(op, a.shape[: a.ndim - len(sizes)], mean, rstd)
    w = None if w is None else w.reshape(-1)
    given = gy.reshape(rows), a.reshape(rows), w, mean.reshape(-1), rstd.reshape(-1)
    gx, gw, gb = twins(a).group_norm.layer_backward(*given)
    assert gw is not None and gb is not None  # affine is asked for
    return gx.reshape(a.shape), gw.reshape(sizes), gb.reshape(sizes)


@with_out
def group_norm_forward(
    x: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    *,
    out: Three | None = None,
) -> Three:
    """(y, mean, rstd) of group_norm: the last two (N, num_groups), rstd 1 / sqrt(var + eps).

    ValueError: sizes that do not fit, an eps below 0, a Tensor that records; TypeError: dtypes.

    >>> y, mean, rstd = ops.group_norm_forward(np.arange(8.0).reshape(1, 4, 2), 2)
    >>> mean.tolist(), rstd.round(3).tolist()
    ([[1.5, 5.5]], [[0.894, 0.894]])
    """
    op = "group_norm_forward"
    check_constants(op, x=x, weight=weight, bias=bias)
    a, w, b = arrays(op, x=x, weight=weight, bias=bias)
    groups = groups_of(op, a, num_groups, w, b)
    check_eps(op, eps)
    return twins(a).group_norm.group_forward(a, groups, w, b, eps)


@with_out
def group_norm_backward(
    gy: Array,
    x: Array,
    num_groups: int,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    *,
    out: Three | None = None,
) -> Three:
    """(gx, gweight, gbias) of group_norm from what group_norm_forward gave; a group a channel: of instance_norm.

    ValueError: shapes that do not go together, two devices; TypeError: dtypes.

    >>> x = np.arange(8.0).reshape(1, 4, 2)
    >>> y, mean, rstd = ops.group_norm_forward(x, 2)
    >>> ops.group_norm_backward(y, x, 2, None, mean, rstd)[2].round(3).tolist()
    [-1.789, 1.789, -1.789, 1.789]
    """
    op = "group_norm_backward"
    gy, a, w = arrays(op, gy=gy, x=x, weight=weight)
    check_shape(op, "gy", gy, a.shape, "it has x's shape")
    groups = groups_of(op, a, num_groups, w)
    mean, rstd = _statistics(op, (a.shape[0], groups), mean, rstd)
    gx, gw, gb = twins(a).group_norm.group_backward(gy, a, groups, w, mean, rstd)
    assert gw is not None and gb is not None  # affine is asked for
    return gx, gw, gb


def _statistics(op: str, shape: tuple[int, ...], mean: Array, rstd: Array) -> list[Array]:
    found = arrays(op, mean=mean, rstd=rstd)
    for name, a in zip(("mean", "rstd"), found, strict=True):
        check_shape(op, name, a, shape, "pass what the forward call gave")
    return found
