"""Between the user's strides and the memory that kernels read: channels-last, or row-major."""

from __future__ import annotations

from typing import Any

from gpunn.cuda.kernel import empty


def contiguous(x: Any) -> Any:
    """x itself where memory is row-major, else a row-major copy of the same type."""
    return x if x.flags.c_contiguous else x.copy(order="C")


def channels_last(x: Any) -> Any:
    """(N, C, *spatial) as a contiguous (N, *spatial, C): a view where memory is channels-last, else a copy."""
    order = (0, *range(2, x.ndim), 1)
    return contiguous(x.transpose(order))


def channels_first(x: Any) -> Any:
    """(N, *spatial, C) seen as (N, C, *spatial)."""
    return x.transpose((0, x.ndim - 1, *range(1, x.ndim - 1)))


def is_row_major(x: Any) -> bool:
    """Whether memory is (N, C, *spatial) and not also channels-last (as it is where C is 1)."""
    return bool(x.flags.c_contiguous and not x.transpose((0, *range(2, x.ndim), 1)).flags.c_contiguous)


def as_memory(x: Any, nhwc: bool) -> Any:
    """x (N, C, *spatial) in the memory order that a kernel with this NHWC flag reads."""
    return channels_last(x) if nhwc else contiguous(x)


def new(like: Any, shape: tuple[int, ...], dtype: Any, nhwc: bool) -> tuple[Any, Any]:
    """New memory for (N, C, *spatial): the array to return, and the contiguous one that a kernel writes."""
    if not nhwc:
        made = empty(like, shape, dtype)
        return made, made
    made = empty(like, (shape[0], *shape[2:], shape[1]), dtype)
    return channels_first(made), made
