"""Arrays of other libraries, taken over without a copy: by DLPack, or by numba's interface of arrays on a GPU.

On a GPU both order the work of two streams without the host: what is still being computed of the array goes before what
is launched afterwards on CuPy's current stream.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

from gpunn.backend.contract import Array
from gpunn.backend.loading import require_cupy
from gpunn.dtypes import get_default_dtype


def taken(x: Any, narrow: bool) -> Array:
    """x as an array; ``narrow``: Python's floats get the default type. Read-only where its owner says so."""
    if hasattr(x, "__dlpack_device__"):
        return from_dlpack(x)
    if hasattr(x, "__cuda_array_interface__"):
        return _of_interface(x)
    try:
        array = np.asarray(x)
    except ValueError as error:  # lists of unequal lengths
        raise ValueError(
            f"asarray: {type(x).__name__} cannot become an array: {error}; make all rows equally long"
        ) from None
    return array.astype(get_default_dtype()) if narrow and _is_python(x) and array.dtype == np.float64 else array


def is_foreign(x: object) -> bool:
    """Whether x is an array that says itself where it lies."""
    return hasattr(x, "__dlpack_device__") or hasattr(x, "__cuda_array_interface__")


def from_dlpack(x: Any) -> Array:
    """Another library's tensor over its own memory, where it can be. Raises TypeError where it cannot be taken over."""
    try:
        on_cuda = x.__dlpack_device__()[0] in (2, 13)  # kDLCUDA, kDLCUDAManaged of dlpack.h
        module = require_cupy() if on_cuda else np
        if is_torch(x) and x.is_neg():  # a view whose signs torch turns when it is read; its memory has the others
            x = x.resolve_neg()
        if "bfloat16" not in str(getattr(x, "dtype", "")):
            return module.from_dlpack(x)
        if not is_torch(x) or x.requires_grad:
            return np.asarray(x)
        # NumPy's from_dlpack has no bfloat16: its bits come as integers
        return _of_bits(module.from_dlpack(x.view(sys.modules["torch"].int16)))
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise _refused(x, error) from error


def _refused(x: Any, error: Exception) -> TypeError:
    kind = type(x)
    what = f"{kind.__module__.partition('.')[0]} {kind.__name__} of {getattr(x, 'dtype', 'no dtype')}"
    return TypeError(
        f"got a {what} that cannot be taken over ({error}); expected a dense one of numbers without a gradient: "
        "convert it there first"
    )


def _of_interface(x: Any) -> Array:
    """An array with ``__cuda_array_interface__`` (numba's, version 3) over its own memory.

    Where it names a stream, CuPy's current one waits for what was launched there; CuPy's own asarray has the host wait.
    """
    found, cupy = x.__cuda_array_interface__, require_cupy()
    if found.get("mask") is not None:
        raise _refused(x, ValueError("it has a mask"))
    shape, dtype, cuda = tuple(found["shape"]), np.dtype(found["typestr"]), cupy.cuda
    (address, _), strides = found["data"], found.get("strides")
    if not address or 0 in shape:  # of no element there is no memory to tell the device by
        return cupy.empty(shape, dtype)
    memory = cuda.UnownedMemory(address, _extent(shape, strides, dtype), x)
    if found.get("stream") is not None:
        with cuda.Device(memory.device_id):
            cuda.get_current_stream().wait_event(cuda.ExternalStream(found["stream"]).record())
    return cupy.ndarray(shape, dtype, cuda.MemoryPointer(memory, 0), strides)


def _extent(shape: tuple[int, ...], strides: tuple[int, ...] | None, dtype: np.dtype) -> int:
    """Bytes from the first element to the end of the last in memory."""
    if strides is None:
        return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return sum([(n - 1) * max(stride, 0) for n, stride in zip(shape, strides, strict=True)]) + dtype.itemsize


def is_torch(x: object) -> bool:
    """Whether x is a tensor of PyTorch."""
    return type(x).__module__.partition(".")[0] == "torch"


def _of_bits(bits: Array) -> Array:
    """The bfloat16 numbers of these 16-bit integers; float32 where ml_dtypes is missing, with the same values."""
    try:
        return bits.view(importlib.import_module("ml_dtypes").bfloat16)
    except ImportError:
        return (bits.astype(np.uint32) << 16).view(np.float32)


def _is_python(x: object) -> bool:
    """Whether x is a Python number or a list of them (a list of arrays keeps their dtype)."""
    while isinstance(x, list | tuple) and x:
        x = x[0]
        if isinstance(x, np.generic):
            return True
    return not hasattr(x, "dtype") and not hasattr(x, "__array__")
