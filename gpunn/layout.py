"""Memory orders of an image (N, C, *spatial): views of channels-last memory, and copies where memory is not so.

For arrays of every device, whose type a copy keeps.
"""

from __future__ import annotations

import numpy as np


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, *spatial) seen as (N, *spatial, C): a view, whatever the strides."""
    return x.transpose(0, *range(2, x.ndim), 1)


def channels_first(x: np.ndarray) -> np.ndarray:
    """(N, *spatial, C) seen as (N, C, *spatial): a view."""
    return x.transpose(axes_of(x.ndim))


def axes_of(rank: int) -> tuple[int, ...]:
    """The order of axes in which (N, *spatial, C) memory is seen as (N, C, *spatial)."""
    return (0, rank - 1, *range(1, rank - 1))


def contiguous(x: np.ndarray) -> np.ndarray:
    """x itself where memory is row-major, else a row-major copy of the same type."""
    return x if x.flags.c_contiguous else x.copy(order="C")


def as_channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, *spatial) as a contiguous (N, *spatial, C): a view where memory is channels-last, else a copy."""
    last = x.transpose(0, *range(2, x.ndim), 1)  # no calls of the functions above: each costs a launch's time
    return last if last.flags.c_contiguous else last.copy(order="C")


def order_of(name: str, shape: tuple[int, ...], memory_format: object) -> tuple[int, ...]:
    """The axes of an array from the outermost in memory to the innermost, in PyTorch's memory format of this name."""
    known, rank = str(memory_format).rpartition(".")[2], len(shape)
    if known == "contiguous_format":
        return tuple(range(rank))
    if {"channels_last": 4, "channels_last_3d": 5}.get(known) != rank:
        raise ValueError(
            f"{name}: memory_format is {memory_format!r} for shape {shape}, expected 'contiguous_format', "
            "'channels_last' (four dimensions) or 'channels_last_3d' (five)"
        )
    return (0, *range(2, rank), 1)
