"""Types of numbers under PyTorch's names, and the one that floating point has where nobody says another."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from gpunn.asked import dtype_of
from gpunn.scalars import shown

FLOATING = ("float32", "float64", "float16", "bfloat16")
KNOWN = (*FLOATING, "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool")
SHORT = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16"}
NAMES = {**{name: name for name in KNOWN}, **SHORT}

_default = np.dtype(np.float32)


def named(name: str) -> np.dtype:
    """The type of a name. DeviceError for bfloat16 without ml_dtypes.

    Examples:
        >>> dtypes.named("half")
        dtype('float16')
    """
    return dtype_of("bf16") if NAMES[name] == "bfloat16" else np.dtype(NAMES[name])  # type: ignore[return-value]


def as_dtype(op: str, dtype: DTypeLike | None, default: DTypeLike | None = None) -> np.dtype:
    """`dtype`, None being `default`; TypeError for what no array of gpunn holds, such as complex numbers."""
    if dtype is None:
        return _default if default is None else np.dtype(default)
    try:
        found = named(dtype) if isinstance(dtype, str) and dtype in NAMES else np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{op}: dtype is {shown(dtype)}, expected one of numbers, for example 'float32'") from None
    if found.name not in KNOWN:
        remedy = "; keep real and imaginary part in two arrays" if found.kind == "c" else ""
        raise TypeError(f"{op}: dtype is {found.name}, expected one of {', '.join(KNOWN)}{remedy}")
    return found


def get_default_dtype() -> np.dtype:
    """The type of floating-point Tensors that are made without a dtype: float32 until `set_default_dtype`.

    Examples:
        >>> gpunn.get_default_dtype()
        dtype('float32')
    """
    return _default


def set_default_dtype(d: DTypeLike) -> None:
    """Let Tensors made of Python's floats, or of nothing, and layers' parameters have this floating-point type.

    Raises:
        TypeError: no floating-point type.

    Examples:
        >>> gpunn.set_default_dtype("float64")
        >>> gpunn.zeros(1).dtype, gpunn.tensor(0.5).dtype
        (dtype('float64'), dtype('float64'))
        >>> gpunn.set_default_dtype(gpunn.float32)
    """
    global _default
    found = as_dtype("set_default_dtype", d)
    if found.name not in FLOATING:
        raise TypeError(f"set_default_dtype: d is {found.name}, expected one of {', '.join(FLOATING)}")
    _default = found
