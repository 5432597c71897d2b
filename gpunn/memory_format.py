"""PyTorch's names of how an array's axes lie in memory."""

from __future__ import annotations

from gpunn.backend import Array, array_module
from gpunn.scalars import shown

PRESERVE, CONTIGUOUS = "preserve_format", "contiguous_format"
CHANNELS_LAST = {"channels_last": 4, "channels_last_3d": 5}  # and of how many axes
FORMATS = (PRESERVE, CONTIGUOUS, *CHANNELS_LAST)


def laid_out(op: str, a: Array, memory_format: str | None) -> Array:
    """`a`, or where it lies otherwise than asked for a copy that does; None asks for nothing.

    Raises:
        ValueError: no such format, or channels last of another number of axes.
    """
    if memory_format in (None, PRESERVE):
        return a
    xp = array_module(a)
    if memory_format == CONTIGUOUS:
        return xp.ascontiguousarray(a).reshape(a.shape)
    axes = CHANNELS_LAST.get(memory_format)  # type: ignore[arg-type]
    if axes is None:
        raise ValueError(f"{op}: memory_format is {shown(memory_format)}, expected one of {', '.join(FORMATS)}")
    if a.ndim != axes:
        raise ValueError(f"{op}: memory_format is {memory_format}, which is of {axes} dimensions, but x is {a.shape}")
    last = xp.ascontiguousarray(xp.moveaxis(a, 1, -1))
    return xp.moveaxis(last, -1, 1)
