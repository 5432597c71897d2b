"""Filters of images: one small kernel, correlated with every plane of an array."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gpunn.backend import Array, twins
from gpunn.backend.contract import Shape
from gpunn.checks import arrays, check_needs, check_shape, wants_grad
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.ops.out import with_out
from gpunn.ops.pad import as_border

NEEDS = ("x", "kernel")
LETTERS = {1: "(S)", 2: "(R, S)", 3: "(T, R, S)"}


@with_out
def filter1d(x: A, kernel: A, border: str = "zeros", *, out: Array | None = None) -> A:
    """`filter2d` along the last axis of x (..., L), with a kernel (S,).

    >>> ops.filter1d(np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.0, -1.0]), "replicate")
    array([-1., -3., -2.])
    """
    return _filter("filter1d", 1, x, kernel, border)


@with_out
def filter2d(x: A, kernel: A, border: str = "zeros", *, out: Array | None = None) -> A:
    """Correlation of every plane of x (..., H, W) with one kernel (R, S): y of x's shape, row-major, and x's dtype.

    y[..., h, w] = sum over r, s of x[..., h + r - R // 2, w + s - S // 2] kernel[r, s], as scipy.ndimage.correlate
    gives. A convolution is the same with ``kernel[::-1, ::-1]``, where R and S are odd. What lies outside x:

    =============  ==========================  =============================================
    border         a b c d goes on             called elsewhere
    =============  ==========================  =============================================
    "zeros"        0 0 | a b c d | 0 0         "zero"; ndimage's "constant"
    "reflect"      c b | a b c d | c b         "mirror"; PyTorch's reflect, ndimage's mirror
    "symmetric"    b a | a b c d | d c         NumPy's symmetric, ndimage's reflect
    "replicate"    a a | a b c d | d d         NumPy's edge, ndimage's nearest
    "circular"     c d | a b c d | a b         "modulo"; NumPy's wrap, ndimage's grid-wrap
    =============  ==========================  =============================================

    A kernel may be larger than x: borders go on as often as it takes. On a GPU up to 49 taps read x about once; memory
    in another order than row by row, as that of channels-last images, is copied first.

    Raises:
        ValueError: x or the kernel has too few axes, the kernel no tap; an unknown border.
        TypeError: dtypes that differ, or are not floating.

    >>> ops.filter2d(np.eye(3), np.ones((3, 3)))
    array([[2., 2., 1.],
           [2., 3., 2.],
           [1., 2., 2.]])
    >>> ops.filter2d(np.eye(3), np.ones((1, 3)), "mirror")
    array([[1., 1., 0.],
           [2., 1., 2.],
           [0., 1., 1.]])
    """
    return _filter("filter2d", 2, x, kernel, border)


@with_out
def filter3d(x: A, kernel: A, border: str = "zeros", *, out: Array | None = None) -> A:
    """`filter2d` along the last three axes of x (..., D, H, W), with a kernel (T, R, S).

    >>> ops.filter3d(np.ones((2, 2, 2)), np.ones((3, 3, 3)))[0, 0]
    array([8., 8.])
    """
    return _filter("filter3d", 3, x, kernel, border)


def _filter(op: str, rank: int, x: A, kernel: A, border: str) -> A:
    a, w = arrays(op, x=x, kernel=kernel)
    border = _checked(op, rank, a.shape, w.shape, border)
    twin, size = twins(a).filter, w.shape
    y = twin.forward(a, w, border)
    kept_x, kept_w = a if wants_grad(kernel) else None, w if wants_grad(x) else None

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = None if kept_w is None else twin.grad_input(gy, kept_w, border)
        return gx, None if kept_x is None else twin.grad_kernel(gy, kept_x, size, border)

    return record(op, y, (x, kernel), backward, owned=True)


def _checked(op: str, rank: int, x: Shape, kernel: Shape, border: str) -> str:
    """The border's name; refuses shapes that do not fit."""
    if len(kernel) != rank:
        raise ValueError(
            f"{op}: kernel has {len(kernel)} dimensions {kernel}, expected {rank} {LETTERS[rank]}; reshape it"
        )
    if 0 in kernel:
        raise ValueError(f"{op}: kernel {kernel} has a zero size; every size of a kernel is at least 1")
    if len(x) < rank:
        raise ValueError(f"{op}: x has {len(x)} dimensions {x}, expected at least {rank}; reshape it")
    return as_border(op, "border", border)


@with_out
def filter2d_backward(
    gy: Array,
    x: Array,
    kernel: Array,
    border: str = "zeros",
    needs: Collection[str] = NEEDS,
    *,
    out: tuple[Array | None, ...] | None = None,
) -> tuple[Any, Any]:
    """(gx, gk) of `filter2d` on plain arrays: gy and x (..., H, W), kernel (R, S); None for what `needs` leaves out.

    ValueError: gy of another shape than x, what the forward call refuses; TypeError: dtypes, `needs` that is no
    tuple.

    >>> x = np.arange(6.0).reshape(2, 3)
    >>> gx, gk = ops.filter2d_backward(np.ones((2, 3)), x, np.ones((1, 2)))
    >>> gx, gk
    (array([[2., 2., 1.],
           [2., 2., 1.]]), array([[ 8., 15.]]))
    """
    return _backward("filter2d_backward", 2, gy, x, kernel, border, needs)


@with_out
def filter1d_backward(
    gy: Array,
    x: Array,
    kernel: Array,
    border: str = "zeros",
    needs: Collection[str] = NEEDS,
    *,
    out: tuple[Array | None, ...] | None = None,
) -> tuple[Any, Any]:
    """`filter2d_backward` of `filter1d`: gy and x (..., L), kernel (S,).

    Errors as in filter2d_backward.

    >>> ops.filter1d_backward(np.ones(3), np.array([1.0, 2.0, 4.0]), np.ones(2), needs=("kernel",))
    (None, array([3., 7.]))
    """
    return _backward("filter1d_backward", 1, gy, x, kernel, border, needs)


@with_out
def filter3d_backward(
    gy: Array,
    x: Array,
    kernel: Array,
    border: str = "zeros",
    needs: Collection[str] = NEEDS,
    *,
    out: tuple[Array | None, ...] | None = None,
) -> tuple[Any, Any]:
    """`filter2d_backward` of `filter3d`: gy and x (..., D, H, W), kernel (T, R, S).

    Errors as in filter2d_backward.

    >>> ops.filter3d_backward(np.ones((2, 2, 2)), np.ones((2, 2, 2)), np.ones((1, 1, 2)), needs=("kernel",))[1]
    array([[[4., 8.]]])
    """
    return _backward("filter3d_backward", 3, gy, x, kernel, border, needs)


def _backward(
    op: str, rank: int, gy: Array, x: Array, kernel: Array, border: str, needs: Collection[str]
) -> tuple[Any, Any]:
    gy, a, w = arrays(op, gy=gy, x=x, kernel=kernel)
    border = _checked(op, rank, a.shape, w.shape, border)
    check_shape(op, "gy", gy, a.shape)
    check_needs(op, needs, NEEDS)
    twin = twins(a).filter
    gx = twin.grad_input(gy, w, border) if "x" in needs else None
    return gx, twin.grad_kernel(gy, a, w.shape, border) if "kernel" in needs else None
