"""Local response normalisation (Krizhevsky et al., 2012)."""

from __future__ import annotations

from gpunn.backend import Array, twins
from gpunn.checks import arrays, as_count, check_shape
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.ops.out import with_out
from gpunn.restored import restored
from gpunn.scalars import as_number


@with_out
@restored
def local_response_norm(
    x: A, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, *, out: Array | None = None
) -> A:
    """x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta, for x (N, C, *).

    The window reaches size // 2 channels back and (size - 1) // 2 ahead, and is cut off at the first and last channel.
    Section 3.3 of the paper does not divide by size: its alpha 1e-4 at size 5 is 5e-4 here.

    >>> ops.local_response_norm(np.ones((1, 3, 1)), 3, alpha=3.0).round(3)[0, :, 0]
    array([0.439, 0.354, 0.439])
    """
    (a,) = arrays("local_response_norm", x=x)
    size = _checked("local_response_norm", a, size)
    twin, numbers = twins(a).local_response_norm, _numbers("local_response_norm", alpha=alpha, beta=beta, k=k)
    y, kept = twin.forward(a, size, *numbers)

    def backward(gy: Array, needs: Needs) -> Gradients:
        return (twin.backward(gy, a, kept, size, *numbers),)

    return record("local_response_norm", y, (x,), backward, owned=True)


@with_out
@restored
def local_response_norm_backward(
    gy: Array, x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, *, out: Array | None = None
) -> Array:
    """gx of local_response_norm on plain arrays, with its options; the divisors are computed anew from x.

    ValueError: gy of another shape than x, two devices; TypeError: dtypes, options that are no numbers.

    >>> x = np.ones((1, 3, 1))
    >>> ops.local_response_norm_backward(x, x, 3, alpha=3.0).round(3)[0, :, 0]
    array([ 0.087, -0.218,  0.087])
    """
    op = "local_response_norm_backward"
    gy, a = arrays(op, gy=gy, x=x)
    size = _checked(op, a, size)
    check_shape(op, "gy", gy, a.shape, "it has x's shape")
    twin, numbers = twins(a).local_response_norm, _numbers(op, alpha=alpha, beta=beta, k=k)
    return twin.backward(gy, a, twin.forward(a, size, *numbers)[1], size, *numbers)


def _numbers(op: str, **named: float) -> tuple[float, ...]:
    """The numbers of the divisor, as floats."""
    return tuple([as_number(op, name, value) for name, value in named.items()])


def _checked(op: str, a: Array, size: int) -> int:
    """The size of a window, for an x that has channels."""
    size = as_count(op, "size", size)
    if a.ndim < 3:
        raise ValueError(f"{op}: x has {a.ndim} dimensions {a.shape}, expected (N, C, L) or more; reshape it")
    return size
