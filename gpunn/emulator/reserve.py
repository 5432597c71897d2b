"""Arrays larger than the memory, of which launches write the end alone: for indices past 2^31."""

from __future__ import annotations

import contextlib
import contextvars
import math
import mmap
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

from gpunn.errors import DeviceError

NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # Python has the name since 3.13; the number is Linux's

_last: contextvars.ContextVar[int | None] = contextvars.ContextVar("gpunn emulator last blocks", default=None)
blocks_to_run = _last.get  # None: all of them


@contextlib.contextmanager
def last_blocks(count: int) -> Iterator[None]:
    """Inside, a launch runs its last ``count`` blocks alone, and new arrays are ``reserved``: zeros.

    For arrays that are zero but for their end, in a kernel of which zeros make zeros, that is the whole result.
    Launches are not strict here, since that takes copies.
    """
    token = _last.set(count)
    try:
        yield
    finally:
        _last.reset(token)


def reserved(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> np.ndarray:
    """Zeros that are address space alone: a page takes memory once something is written to it."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    try:
        memory = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
    except OSError as error:
        raise DeviceError(
            f"device 'emulator': there is no address space for {size:,} bytes ({error.strerror}); "
            "raise the limit, `ulimit -v unlimited`"
        ) from error
    return np.ndarray(shape, dtype, memory)
