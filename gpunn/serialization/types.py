"""The names in PyTorch's files: of types of storages, and of all that a file may make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpunn.backend import Array
from gpunn.dtypes import KNOWN, SHORT
from gpunn.unpickling import Name

# PyTorch's classes of storages and what their elements are; other types are bytes of UntypedStorage.
STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
STORAGE_OF = {dtype: name for name, dtype in STORAGES.items()}


class StorageType(Name):
    """The type of a storage; bytes where it says no dtype."""

    def __init__(self, name: str, dtype: str | None):
        super().__init__(name)
        self.dtype = dtype


class Storage(NamedTuple):
    """The flat array of a storage, on its device; `dtype` None: bytes of whatever the tensor says."""

    array: Array
    dtype: str | None


RECONSTRUCT, NDARRAY, NUMPY_DTYPE, SCALAR, ENCODE = map(Name, ("_reconstruct", "ndarray", "dtype", "scalar", "encode"))
ORDERED, COUNTER, SET, FROZEN, SIZE, DEVICE, BYTES = map(
    Name, ("OrderedDict", "Counter", "set", "frozenset", "Size", "device", "bytes")
)
TENSOR, TENSOR_V3, PARAMETER = map(Name, ("_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"))
NAMES: dict[str, Name] = {
    "collections OrderedDict": ORDERED,
    "collections Counter": COUNTER,
    "torch._utils _rebuild_tensor": TENSOR,  # before 0.4
    "torch._utils _rebuild_tensor_v2": TENSOR,
    "torch._utils _rebuild_tensor_v3": TENSOR_V3,
    "torch._utils _rebuild_parameter": PARAMETER,
    "torch Size": SIZE,
    "torch device": DEVICE,
    "torch.storage UntypedStorage": StorageType("UntypedStorage", None),
    "_codecs encode": ENCODE,  # how Python 2's protocol writes bytes
    "numpy ndarray": NDARRAY,
    "numpy dtype": NUMPY_DTYPE,
    **{f"{module} set": SET for module in ("builtins", "__builtin__")},
    **{f"{module} frozenset": FROZEN for module in ("builtins", "__builtin__")},
    **{f"{module} bytes": BYTES for module in ("builtins", "__builtin__")},  # and none of them, by a call
    **{f"numpy.{core}.multiarray _reconstruct": RECONSTRUCT for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": SCALAR for core in ("core", "_core")},
    **{f"torch {name}": StorageType(name, dtype) for name, dtype in STORAGES.items()},
}
DTYPES = {f"torch {name}": name for name in (*KNOWN, *SHORT)}
NUMPY = {np.dtype(name).str[1:]: name for name in KNOWN if name != "bfloat16"}  # "f4": "float32"
