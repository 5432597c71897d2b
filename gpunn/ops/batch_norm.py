"""Batch normalisation (Ioffe and Szegedy, 2015), and its fusion with a residual sum and ReLU."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, is_whole, same_device, twins
from gpunn.checks import arrays, check_constant, check_same_device, check_shape, check_written, wants_grad
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.mistaken import mistaken
from gpunn.ops.out import with_out
from gpunn.ops.precision import like
from gpunn.ops.reduce import wide
from gpunn.restored import restored
from gpunn.scalars import check_eps, shown


@with_out
def batch_norm(
    x: A,
    running_mean: Array | None,
    running_var: Array | None,
    weight: A | None = None,
    bias: A | None = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: Array | None = None,
    *,
    out: Array | None = None,
) -> A:
    """y = weight (x - mean) / sqrt(var + eps) + bias, channel by channel, for x (N, C) or (N, C, *).

    In training mean and (biased) variance are the batch's, and running_mean and running_var (C,), unless None, move
    towards them in place by `momentum`, the variance unbiased; else the running ones are used. num_batches_tracked, a
    0-d array of integers or None, then is one more; with it momentum may be None: all batches then count the same.
    ValueError: one value a channel in training; sizes that do not fit; running statistics missing in evaluation.
    TypeError: dtypes, a momentum or an eps that is no number.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> mean, var = np.zeros(2), np.ones(2)
    >>> ops.batch_norm(x, mean, var, training=True).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> mean  # a tenth of the way to 2 and 20
    array([0.2, 2. ])
    """
    running = (running_mean, running_var, num_batches_tracked)
    return _batch_norm("batch_norm", x, running, weight, bias, training, momentum, eps, None, False)


@with_out
def batch_norm_relu(
    x: A,
    running_mean: Array | None,
    running_var: Array | None,
    weight: A | None = None,
    bias: A | None = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    residual: A | None = None,
    num_batches_tracked: Array | None = None,
    *,
    out: Array | None = None,
) -> A:
    """max(batch_norm(x) + residual, 0) in one pass over memory; residual has x's shape, or is None.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> ops.batch_norm_relu(x, None, None, training=True).round(3)
    array([[0., 0.],
           [1., 1.]])
    """
    running = (running_mean, running_var, num_batches_tracked)
    return _batch_norm("batch_norm_relu", x, running, weight, bias, training, momentum, eps, residual, True)


def _batch_norm(
    op: str,
    x: A,
    running: tuple[Array | None, Array | None, Array | None],
    weight: A | None,
    bias: A | None,
    training: bool,
    momentum: float | None,
    eps: float,
    residual: A | None,
    relu: bool,
) -> A:
    if residual is not None and asked():
        residual = like(x, residual)
    a, r = arrays(op, x=x, residual=residual)
    if training and isinstance(a, np.ndarray):
        check_written(op, running_mean=running[0], running_var=running[1], num_batches_tracked=running[2])
    gamma, beta, mean, var = channelwise(op, a, weight, bias, *running[:2])
    batches = batches_of(op, a, running[2])
    if training and not (momentum is None and batches is not None):
        check_momentum(op, momentum, ", or num_batches_tracked to average all batches by")
    if r is not None:
        check_shape(op, "residual", r, a.shape, "it has x's shape")
    twin = twins(a).batch_norm
    check_statistics(op, a, "channel", a.size // a.shape[1], mean, var, training, eps)
    if training and a.size:
        moved = mean, var, momentum, batches
        y, mean_now, rstd, passed = twin.train_forward(a, gamma, beta, eps, r, relu, moved)
        twin_backward = twin.train_backward
    else:
        # An empty batch has no statistics.
        mean_now, var = empty_statistics(a) if training else (mean, var)
        y = twin.eval_forward(a, gamma, beta, mean_now, var, eps, r, relu)
        twin_backward, rstd, passed = twin.eval_backward, var, y if relu else None
        if is_grad_enabled() and any(map(wants_grad, (x, weight, bias, residual))):
            # A later training step changes the running ones in place.
            mean_now, rstd = mean_now.copy(), rstd_of(var, eps)

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx, ggamma, gbeta, gr = twin_backward(gy, a, gamma, mean_now, rstd, passed, needs[3], relu, beta)
        return tuple([g if need else None for g, need in zip((gx, ggamma, gbeta, gr), needs, strict=True)])

    return record(op, y, (x, weight, bias, residual), backward, owned=True)


def batches_of(op: str, a: Array, batches: Array | None) -> Array | None:
    """The count of batches, checked: one integer on x's device."""
    if batches is None:
        return None
    count = batches if type(batches) is type(a) else data_of(batches)
    if not same_device(a, count):
        check_same_device(op, a, count, "x", "num_batches_tracked")
    if count.shape != () or count.dtype.kind not in "iu":
        raise ValueError(
            f"{op}: num_batches_tracked is {count.dtype} {count.shape}, expected one integer, of shape (); "
            "pass an array of int64, or None"
        )
    return count


def folded(
    weight: Array,
    bias: Array | None,
    running_mean: Array,
    running_var: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    eps: float = 1e-5,
) -> tuple[Array, Array]:
    """Weights (K, ...) and bias (K,) of a convolution that also normalises as batch_norm does in evaluation.

    >>> w, b = folded(np.ones((1, 1, 1, 1)), None, np.array([3.0]), np.array([4.0]), eps=0.0)
    >>> w.item(), b.item()  # (x - 3) / 2
    (0.5, -1.5)
    """
    return twins(weight).batch_norm.fold(weight, bias, gamma, beta, running_mean, running_var, eps)


def channelwise(
    op: str,
    a: Array,
    weight: Operand | None,
    bias: Operand | None,
    mean: Array | None,
    var: Array | None,
    names: tuple[str, str] = ("running_mean", "running_var"),
) -> list[Any]:
    """The four (C,) arrays, checked: of x's dtype, or float32 beside a 16-bit x."""
    if a.ndim < 2:
        raise ValueError(f"{op}: x has {a.ndim} dimensions {a.shape}, expected (N, C) or (N, C, *); reshape it")
    if 0 in a.shape[1:]:
        raise ValueError(f"{op}: x {a.shape} has a zero size; only the batch N may be 0")
    for name, value in zip(names, (mean, var), strict=True):
        if isinstance(value, Tensor):
            check_constant(op, name, value)
    wanted = ("float32", a.dtype.name) if a.dtype.itemsize == 2 else (a.dtype.name,)
    arrays: list[Any] = []
    on_cuda = not isinstance(a, np.ndarray)
    for name, value in zip(("weight", "bias", *names), (weight, bias, mean, var), strict=True):
        known = value is None or (type(value) is type(a) and (on_cuda or is_whole(value)))  # pyright: ignore[reportArgumentType]
        array: Array | None = value if known else data_of(value)  # pyright: ignore[reportAssignmentType]: known
        arrays.append(array)
        if array is None:
            continue
        if not same_device(a, array):
            check_same_device(op, a, array, "x", name)
        if array.shape != (a.shape[1],):
            looks = mistaken(a.shape, array.size, a.ndim - 2)
            raise ValueError(
                f"{op}: {name} is {array.shape}, expected ({a.shape[1]},), one a channel of x {a.shape}"
                f"{looks and '; '}{looks}"
            )
        if array.dtype.name not in wanted:
            raise TypeError(
                f"{op}: x is {a.dtype} but {name} is {array.dtype}; convert one of them, "
                f'for example {name} with .astype("{wanted[0]}"), or a whole layer with .to("{wanted[0]}")'
            )
    return arrays


def check_momentum(op: str, momentum: object, beside: str = "") -> None:
    """Refuses what is no weight of a batch's statistics: NaN, too, which stands for None in the kernels."""
    if type(momentum) is not float and not isinstance(momentum, Real):
        raise TypeError(f"{op}: momentum is {shown(momentum)}, expected a number{beside}")
    if momentum != momentum:
        raise ValueError(f"{op}: momentum is {momentum}, expected a number: the weight of this batch's statistics")


def check_statistics(
    op: str, a: Array, what: str, count: int, mean: Array | None, var: Array | None, training: bool, eps: float
) -> None:
    """Refuses statistics that there are not: `count` values for each `what` of x, or no running ones."""
    check_eps(op, eps)
    if training and count == 1:
        raise ValueError(
            f"{op}: x {a.shape} has one value per {what}, whose variance is 0; training needs more than one: "
            "use a larger batch, or evaluation mode"
        )
    if not training and (mean is None or var is None):
        raise ValueError(f"{op}: evaluation needs running_mean and running_var; pass them, or training=True")


@restored
def rstd_of(var: Array, eps: float) -> Array:
    """1 / sqrt(var + eps), in float32 at least."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (wide(var) + eps) ** -0.5


def empty_statistics(a: Array) -> tuple[Array, Array]:
    """Mean 0 and variance 1 of each channel, for a batch of none."""
    xp = array_module(a)
    dtype = "float32" if a.dtype.itemsize == 2 else a.dtype
    shape = (a.shape[1],)
    return xp.zeros_like(a, shape=shape, dtype=dtype), xp.ones_like(a, shape=shape, dtype=dtype)
