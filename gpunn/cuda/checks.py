"""What every plan refuses: mixed devices and dtypes, unsupported dtypes, sizes past 32-bit indices."""

from __future__ import annotations

import math

from gpunn.cuda.device import EMULATOR
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.signature import CPU, Layout

INDEX_LIMIT = 2**31 - 2**16  # 32-bit indices, less what the last tile or part is rounded up by


def check_arrays(operation: str, /, **arrays: Layout | None) -> str:
    """The one dtype's name of these arrays (None is skipped). Raises TypeError or ValueError, naming the argument."""
    there = {name: a for name, a in arrays.items() if a is not None}
    (first, head), *others = there.items()
    if head.dtype.name not in STORAGE:
        raise TypeError(f"{operation}: {first} is {head.dtype}, expected {', '.join(STORAGE)}; convert it with astype")
    for name, array in others:
        if array.dtype != head.dtype:
            raise TypeError(f"{operation}: {first} is {head.dtype} but {name} is {array.dtype}; convert one of them")
    check_devices(operation, **there)
    return head.dtype.name


def check_devices(operation: str, /, **arrays: Layout | None) -> None:
    """Raise ValueError unless all arrays (None is skipped) are on one device."""
    there = {name: a for name, a in arrays.items() if a is not None}
    (first, head), *others = there.items()
    for name, array in others:
        if array.device != head.device:
            raise ValueError(
                f"{operation}: {first} is on {_place(head)} but {name} is on {_place(array)}; move one with to_device"
            )


def _place(array: Layout) -> str:
    return {CPU: "cpu", EMULATOR: "emulator", 0: "cuda"}.get(array.device, f"cuda:{array.device}")


def check_index(operation: str, /, **shapes: tuple[int, ...]) -> None:
    """Raise ValueError where a block of memory that a kernel indexes in 32 bits has 2^31 elements or more."""
    for name, shape in shapes.items():
        if math.prod(shape) > INDEX_LIMIT:
            raise ValueError(
                f"{operation}: {name} has {math.prod(shape):,} elements {shape}, expected at most {INDEX_LIMIT:,}, "
                "since kernels index it in 32 bits; make it smaller"
            )
