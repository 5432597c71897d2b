"""What types and devices there are, and how types combine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import DEVICE_TYPES, Device, default_device, is_array, is_available
from gpunn.engine.operators import Value
from gpunn.engine.tensor import Tensor
from gpunn.ops.broadcast import operands

KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": (),
}
KINDS["integral"] = KINDS["signed integer"] + KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] + KINDS["real floating"]


def _dtype(x: Value | DTypeLike) -> np.dtype:
    """The type of an array, or the one that is named."""
    return x.dtype if isinstance(x, Tensor) or is_array(x) else np.dtype(x)  # pyright: ignore


def isdtype(dtype: DTypeLike, kind: str | np.dtype | tuple[str | np.dtype, ...]) -> bool:
    """Whether a type is another, or of a kind: "bool", "integral", "real floating", "numeric", ...

    Examples:
        >>> gpunn.array_api.isdtype(Tensor([1.0]).dtype, ("bool", "real floating"))
        True
    """
    if isinstance(kind, tuple):
        return any([isdtype(dtype, one) for one in kind])
    own = np.dtype(dtype)
    if not isinstance(kind, str):
        return own == np.dtype(kind)
    if kind not in KINDS:
        raise ValueError(f"isdtype: kind is {kind!r}, expected one of {', '.join(map(repr, KINDS))}, or a dtype")
    narrow = own.name in ("float16", "bfloat16") and kind in ("real floating", "numeric")
    return own.name in KINDS[kind] or narrow


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The type that an op of these arrays, types and numbers gives.

    Examples:
        >>> gpunn.array_api.result_type(Tensor([1.0]), np.dtype("int64"), 2.5)
        dtype('float32')
    """
    samples = [x if isinstance(x, bool | int | float) else np.empty(0, _dtype(x)) for x in arrays_and_dtypes]
    return np.result_type(*operands("result_type", *samples))


def can_cast(from_: Value | DTypeLike, to: DTypeLike, /) -> bool:
    """Whether every number of the first type, or of an array's, is one of the second, which is of its kind.

    Examples:
        >>> gpunn.array_api.can_cast("int32", "int64"), gpunn.array_api.can_cast("float64", "float32")
        (True, False)
    """
    own, wanted = _dtype(from_), np.dtype(to)
    alike = any([isdtype(own, kind) and isdtype(wanted, kind) for kind in ("bool", "integral", "real floating")])
    return alike and np.can_cast(own, wanted)


def finfo(type: Value | DTypeLike, /) -> np.finfo:
    """The limits of a type of floats, or of an array's: bits, eps, max, min, smallest_normal.

    Examples:
        >>> float(gpunn.array_api.finfo("float32").eps) == 2**-23
        True
    """
    return np.finfo(_dtype(type))


def iinfo(type: Value | DTypeLike, /) -> np.iinfo:
    """The limits of a type of integers, or of an array's: bits, max, min.

    Examples:
        >>> gpunn.array_api.iinfo(np.arange(3)).max == 2**63 - 1
        True
    """
    return np.iinfo(_dtype(type))


class Info:
    """What `__array_namespace_info__()` gives."""

    def capabilities(self) -> dict[str, bool | int | None]:
        """Of indexing and shapes that depend on values, and the most dimensions."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """Where new Tensors go."""
        return default_device()

    def devices(self) -> list[Device]:
        """Those that work here."""
        return [Device(kind) for kind in DEVICE_TYPES if is_available(kind)]

    def dtypes(self, *, device: str | Device | None = None, kind: Any = None) -> dict[str, np.dtype]:
        """The types by name, of a kind where one is given; every device has all."""
        names = KINDS["bool"] + KINDS["numeric"]
        return {name: np.dtype(name) for name in names if kind is None or isdtype(name, kind)}

    def default_dtypes(self, *, device: str | Device | None = None) -> dict[str, np.dtype]:
        """The types of what is made without one, but of complex numbers, which there are none."""
        return {
            "real floating": np.dtype("float32"), "integral": np.dtype("int64"), "indexing": np.dtype("int64"),
        }  # fmt: skip
