"""Memory that a caller has for a result (`out=`): the plan that makes an array which lies just so writes there."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TypeAlias

import numpy as np

from gpunn.backend.contract import Array, Shape

# The array in a list, until a plan has taken it, in this context or in a copy of it (restored.py) that it runs in;
# nothing: a result gets memory of its own.
given: ContextVar[list[Array] | None] = ContextVar("gpunn destination", default=None)

Form: TypeAlias = tuple[np.dtype, tuple[tuple[int, int], ...]]


def form(shape: Shape, strides: Shape, dtype: np.dtype) -> Form:
    """Where elements lie in their logical order: (size, stride) of each run. Alike of all shapes that reshaping gives.

    Examples:
        >>> from gpunn.backend.destination import form
        >>> form((2, 3, 4), (48, 16, 4), np.dtype("f4")) == form((24,), (4,), np.dtype("f4"))
        True
        >>> form((2, 3), (4, 8), np.dtype("f4"))[1]
        ((2, 4), (3, 8))
    """
    runs: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides, strict=True):
        if runs and runs[-1][1] == size * stride:
            runs[-1] = (runs[-1][0] * size, stride)
        elif size != 1:
            runs.append((size, stride))
    return dtype, tuple(runs)


def in_memory(array: Array) -> Array:
    """A dense array's memory, row by row, whatever the order of its axes: a view."""
    return array.transpose(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))
