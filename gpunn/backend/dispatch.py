"""From an array to what takes it: its device, its module, its kernel twins; and arrays from whatever the user has.

An array's type says where it lives: ``numpy.ndarray`` is ``cpu``, ``cupy.ndarray`` is ``cuda``, and
``gpunn.emulator.EmulatedArray`` is ``emulator``. So dispatch needs no global state: ``twins(x)`` looks at x.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeGuard, cast

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import capture, faults
from gpunn.backend.contract import Array, Twins
from gpunn.backend.device import Device, default_device, device, require
from gpunn.backend.foreign import from_dlpack, is_foreign, is_torch, taken
from gpunn.backend.loading import require_cupy, require_emulator

_named = device  # for the functions below whose own argument is called device
_HOMES: dict[type, str] = {np.ndarray: "cpu"}


def _home(kind: type) -> str:
    """The device type of arrays of this class; ``cpu`` for whatever is none."""
    return _HOMES.get(kind) or _find_home(kind)


def _find_home(kind: type) -> str:
    # Asking the class for its module keeps cupy unimported until somebody else has imported it.
    on_cuda = any([base.__module__.partition(".")[0] == "cupy" for base in kind.__mro__])
    home = "cuda" if on_cuda else "emulator" if kind.__name__ == "EmulatedArray" else "cpu"
    return _HOMES.setdefault(kind, home)


def is_array(x: object) -> TypeGuard[Array]:
    """Whether x is an array of one of the devices (a Tensor is not)."""
    return isinstance(x, np.ndarray) or _home(type(x)) == "cuda"


def is_whole(array: Array) -> bool:
    """Whether kernels can read the array's numbers as they lie: aligned, in this machine's byte order."""
    return array.dtype.isnative and getattr(array.flags, "aligned", True)


CUPYS: set[type] = set()  # cupy.ndarray, once it was seen: of native numbers it is what ops and kernels read


def _is_cupys(kind: type) -> bool:
    if kind is require_cupy().ndarray:
        CUPYS.add(kind)
    return kind in CUPYS


def plain(array: Array) -> Array:
    """An array as ops and kernels read it: aligned, in this machine's byte order (else a copy), of no subclass.

    Those change what operators mean: of np.matrix, * is a product. Raises TypeError for a masked array, whose mask no
    op would heed, and for one of records.
    """
    dtype = array.dtype
    if type(array) is np.ndarray and dtype.isnative and array.flags.aligned and dtype.type is not np.void:
        return array
    if dtype.type is np.void:
        raise TypeError(
            f"got an array of records ({dtype}), expected numbers; pass one field, for example "
            f"array[{(dtype.names or ('name',))[0]!r}]"
        )
    if _home(type(array)) == "cuda":
        if not dtype.isnative:  # CuPy takes the bytes as they lie for numbers of its own order
            raise TypeError(
                f"got a cuda array of {dtype.str!r}, expected this machine's byte order; convert it before it goes "
                f"there, for example with numpy_array.astype({dtype.name!r})"
            )
        return array if type(array) in CUPYS or _is_cupys(type(array)) else array.view(type=require_cupy().ndarray)
    if not is_whole(array):
        array = array.astype(dtype.newbyteorder("="), order="K")
    if _home(type(array)) != "cpu":
        return array
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            "got a masked array, expected a plain one: no op heeds a mask; pass x.filled(value), or multiply by the "
            "mask where it counts"
        )
    return array.view(np.ndarray)


def array_module(array: Array) -> ModuleType:
    """``numpy`` or ``cupy``: the module whose functions take this array."""
    return require_cupy() if _home(type(array)) == "cuda" else np


def twins(array: Array) -> Twins:
    """The kernel twins for this array: ``gpunn.cpu``, or ``gpunn.cuda`` for GPU and emulated arrays."""
    return _TWINS.get(type(array)) or _find_twins(type(array))


def _find_twins(kind: type) -> Twins:
    name = "gpunn.cpu" if _home(kind) == "cpu" else "gpunn.cuda"
    return _TWINS.setdefault(kind, cast(Twins, importlib.import_module(name)))


def device_of(array: Any) -> Device:
    """The device an array lives on."""
    home = _home(type(array))
    return Device("cuda", array.device.id) if home == "cuda" else _DEVICES[home]


def same_device(a: Array, b: Array) -> bool:
    """Whether two arrays live on one device: ``device_of`` of both in one quick question."""
    return type(a) is type(b) and (isinstance(a, np.ndarray) or a.device.id == b.device.id)


_TWINS: dict[type, Twins] = {}
_DEVICES = {"cpu": Device("cpu"), "emulator": Device("emulator")}


def to_numpy(x: object) -> np.ndarray:
    """The values of an array or Tensor as a plain NumPy array; no copy where they are one.

    Raises IndexError where a kernel has met a label or a place out of range since the last read (see faults.py).
    """
    array: Any = x if is_array(x) else getattr(x, "array", None)
    array = getattr(x, "data", x) if array is None else array  # PyTorch's without its history
    home = _home(type(array))
    if home == "cpu":
        return np.asarray(from_dlpack(array) if is_torch(array) else array)
    if home == "cuda":
        capture.refuse("the host reads an array inside the step, where a graph cannot wait; read it afterwards")
        with array.device:
            values = _carried(array, require_cupy().asnumpy)
    else:
        values = np.asarray(array).view(np.ndarray)
    faults.check()
    return values


def _carried(array: Array, carry: Callable[[Any], Any]) -> Any:
    """carry(array) in the array's memory order, of which CuPy's copies from and to the host keep two alone."""
    if array.flags.c_contiguous:
        return carry(array)
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    memory = array.transpose(axes)
    if not memory.flags.c_contiguous:
        return carry(array)
    return carry(memory).transpose([axes.index(axis) for axis in range(len(axes))])


def to_device(array: Array, device: str | Device) -> Array:
    """``array`` on a device, its memory order kept; the same object where it is there already.

    Raises DeviceError where the device is not there.
    """
    wanted, array = _named(device), plain(array) if is_array(array) else array
    if device_of(array) == wanted:
        return array
    require(wanted)
    if wanted.type == "cuda":
        cupy = require_cupy()
        if _home(type(array)) != "cuda" and np.ndim(array):
            capture.refuse("the step sends an array of the host, which a graph would repeat; send it before")
        with cupy.cuda.Device(wanted.index):
            return cupy.asarray(array) if _home(type(array)) == "cuda" else _carried(to_numpy(array), cupy.asarray)
    host = to_numpy(array)
    return host if wanted.type == "cpu" else require_emulator().EmulatedArray.of(host)


def asarray(x: object, dtype: DTypeLike | None = None, device: str | Device | None = None) -> Array:
    """``x`` (array, number, nested list, or any object with ``__dlpack__`` or ``__array__``) as an array.

    An array, another library's too, stays on its device unless ``device`` names another; numbers and lists go to
    ``device`` or the default one. Python floats become float32, the framework's default, unless ``dtype`` says more; a
    float64 array stays one.
    """
    if is_array(x):
        array = plain(x)
    else:
        array = plain(taken(x, narrow=dtype is None))
        if device is None and not is_foreign(x):
            device = default_device()
    if device is not None:
        array = to_device(array, device)
    return array if dtype is None or array.dtype == dtype else array.astype(dtype)
