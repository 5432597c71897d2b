"""Devices, arrays, and the dispatch from an array to the kernels that take it. The only module that imports cupy.

An array's type says where it lives: ``numpy.ndarray`` is ``cpu``, ``cupy.ndarray`` is ``cuda``, and
``gpunn.emulator.EmulatedArray`` is ``emulator``. So dispatch needs no global state: ``kernels(x)`` looks at x.
"""

from __future__ import annotations

import contextvars
import difflib
import importlib
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from gpunn.errors import DeviceError

DEVICE_TYPES = ("cpu", "cuda", "emulator")


@dataclass(frozen=True)
class Device:
    """Where arrays live: ``cpu``, ``cuda`` (``index`` counts GPUs) or ``emulator``.

    As a context manager it is the default device inside the block::

        with gpunn.device("cuda"):
            model = LeNet5()
    """

    type: str
    index: int = 0

    def __str__(self) -> str:
        return f"{self.type}:{self.index}" if self.index else self.type

    def __enter__(self) -> Device:
        _require(self)
        # CuPy computes on its own current device, wherever the operands are: it has to be this one.
        current = require_cupy().cuda.Device(self.index) if self.type == "cuda" else nullcontext()
        current.__enter__()
        _entered.set((*_entered.get(), (self, current)))
        return self

    def __exit__(self, *exc_info) -> None:
        *others, (_, current) = _entered.get()
        _entered.set(tuple(others))
        current.__exit__(*exc_info)


_entered: contextvars.ContextVar[tuple[tuple[Device, Any], ...]] = contextvars.ContextVar(
    "gpunn devices entered, each with CuPy's", default=()
)
_default = Device("cpu")


def device(name: str | Device) -> Device:
    """The device called ``name``: "cpu", "cuda", "cuda:1", "emulator".

    Raises ValueError for a name that is none; whether the device is there is asked when it is used.
    """
    if isinstance(name, Device):
        return name
    kind, _, index = str(name).partition(":")
    if kind not in DEVICE_TYPES or (index and not index.isdecimal()) or (index and kind != "cuda"):
        near = difflib.get_close_matches(kind, (*DEVICE_TYPES, "gpu"), 1)
        hint = f"; did you mean {'cuda' if near[0] == 'gpu' else near[0]}?" if near else ""
        raise ValueError(f"device: {name!r} is no device; expected 'cpu', 'cuda', 'cuda:1' or 'emulator'{hint}")
    return Device(kind, int(index or 0))


_named = device  # for the functions below whose own argument is called device


def default_device() -> Device:
    """The device that new arrays are made on: the innermost ``with device(...)``, else the one set."""
    entered = _entered.get()
    return entered[-1][0] if entered else _default


def set_default_device(name: str | Device) -> None:
    """Make ``name`` the device of new arrays. Raises DeviceError where it is not there."""
    global _default
    wanted = device(name)
    _require(wanted)
    if wanted.type == "cuda":
        require_cupy().cuda.Device(wanted.index).use()
    _default = wanted


def is_available(name: str | Device) -> bool:
    """Whether arrays can live, and kernels run, on this device now."""
    try:
        _require(device(name))
    except DeviceError:
        return False
    return True


def _require(wanted: Device) -> None:
    """Raise DeviceError, with the remedy, unless ``wanted`` can be used."""
    if wanted.type == "cuda":
        cupy = require_cupy()
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except Exception as error:
            raise DeviceError(
                f"device {str(wanted)!r}: CuPy finds no usable GPU ({_first_line(error)}); check the NVIDIA driver "
                "with `gpunn doctor`, or use device 'cpu'"
            ) from error
        if wanted.index >= count:
            raise DeviceError(
                f"device {str(wanted)!r}: this machine has {count} CUDA device(s), numbered from 0; "
                "choose a smaller index, or use device 'cpu'"
            )
    elif wanted.type == "emulator":
        _emulator().require()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@cache
def _load_cupy() -> tuple[ModuleType | None, str]:
    """cupy, or None and why not. A broken install may raise anything at import, so everything is caught."""
    try:
        return importlib.import_module("cupy"), ""
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            return None, "CuPy is not installed"
        return None, f"CuPy does not import ({_first_line(error)})"
    except Exception as error:
        return None, f"CuPy does not import ({_first_line(error)})"


def require_cupy() -> Any:
    """The cupy module. Raises DeviceError, with the pip line that mends it, where it does not import."""
    cupy, problem = _load_cupy()
    if cupy is None:
        raise DeviceError(
            f"device 'cuda': {problem}; install it with `pip install \"gpunn[cuda12]\"` (or cuda13), "
            "or use device 'cpu'; `gpunn doctor` tells more"
        )
    return cupy


def _emulator() -> Any:
    try:
        return importlib.import_module("gpunn.emulator")
    except ModuleNotFoundError as error:
        raise DeviceError("device 'emulator': this version of gpunn has no emulator; use device 'cpu'") from error


def _is_cupy(array) -> bool:
    # Asking the type's own module keeps cupy unimported until somebody else has imported it.
    return type(array).__module__.partition(".")[0] == "cupy"


def _is_emulated(array) -> bool:
    return type(array) is not np.ndarray and type(array).__name__ == "EmulatedArray"


def is_array(x) -> bool:
    """Whether x is an array of one of the devices (a Tensor is not)."""
    return isinstance(x, np.ndarray) or _is_cupy(x)


def plain(array) -> Any:
    """An array without those of NumPy's subclasses that change what operators mean: of np.matrix, * is a product.

    Raises TypeError for a masked array, whose mask no op would heed.
    """
    if type(array) is np.ndarray or _is_cupy(array) or _is_emulated(array):
        return array
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            "got a masked array, expected a plain one: no op heeds a mask; pass x.filled(value), or multiply by the "
            "mask where it counts"
        )
    return array.view(np.ndarray)


def array_module(array) -> Any:
    """``numpy`` or ``cupy``: the module whose functions take this array."""
    return require_cupy() if _is_cupy(array) else np


def kernels(array) -> Any:
    """The package of kernel twins for this array: ``gpunn.cpu``, or ``gpunn.cuda`` for GPU and emulated arrays.

    The two export the same functions with the same signatures.
    """
    on_cpu = type(array) is np.ndarray or not (_is_cupy(array) or _is_emulated(array))
    return _package("gpunn.cpu" if on_cpu else "gpunn.cuda")


_package = cache(importlib.import_module)


def device_of(array) -> Device:
    """The device an array lives on."""
    if type(array) is np.ndarray:
        return _CPU
    if _is_cupy(array):
        return Device("cuda", array.device.id)
    return Device("emulator") if _is_emulated(array) else _CPU


_CPU = Device("cpu")


def to_numpy(x) -> np.ndarray:
    """The values of an array or Tensor as a plain NumPy array; no copy where they are one."""
    array = getattr(x, "data", x) if not is_array(x) else x
    if _is_cupy(array):
        return require_cupy().asnumpy(array)
    return np.asarray(array) if type(array) is np.ndarray else np.asarray(array).view(np.ndarray)


def to_device(array, device: str | Device):
    """``array`` on a device; the same object where it is there already.

    Raises DeviceError where the device is not there.
    """
    wanted = _named(device)
    if device_of(array) == wanted:
        return array
    _require(wanted)
    if wanted.type == "cuda":
        cupy = require_cupy()
        with cupy.cuda.Device(wanted.index):
            return cupy.asarray(array if _is_cupy(array) else to_numpy(array))
    host = to_numpy(array)
    return host if wanted.type == "cpu" else _emulator().EmulatedArray.of(host)


def asarray(x, dtype=None, device: str | Device | None = None):
    """``x`` (array, number, nested list, or any object with ``__dlpack__`` or ``__array__``) as an array.

    An array stays on its device unless ``device`` names another; everything else goes to ``device`` or the default
    one. Python floats become float32, the framework's default; a float64 array stays one.
    """
    if not is_array(x):
        x = _foreign(x)
        device = device if device is not None else default_device()
    x = plain(x)
    if device is not None:
        x = to_device(x, device)
    return x if dtype is None or x.dtype == dtype else x.astype(dtype)


def _foreign(x) -> Any:
    if hasattr(x, "__dlpack_device__"):
        on_cuda = x.__dlpack_device__()[0] in (2, 13)  # kDLCUDA, kDLCUDAManaged of dlpack.h
        array = (require_cupy() if on_cuda else np).from_dlpack(x)
        # NumPy imports DLPack memory read-only where the exporter does not say that it may be written.
        return array if on_cuda or array.flags.writeable else array.copy()
    try:
        array = np.asarray(x)
    except ValueError as error:  # lists of unequal lengths
        raise ValueError(
            f"asarray: {type(x).__name__} cannot become an array: {error}; make all rows equally long"
        ) from None
    return array.astype(np.float32) if _is_python(x) and array.dtype == np.float64 else array


def _is_python(x) -> bool:
    """Whether x is a Python number or a list of them (a list of arrays keeps their dtype)."""
    while isinstance(x, list | tuple) and x:
        x = x[0]
        if isinstance(x, np.generic):
            return True
    return not hasattr(x, "dtype") and not hasattr(x, "__array__")


def synchronize(device: str | Device | None = None) -> None:
    """Wait until the device has finished; at once on ``cpu`` and ``emulator``."""
    wanted = _named(device) if device is not None else default_device()
    if wanted.type == "cuda":
        with require_cupy().cuda.Device(wanted.index):
            require_cupy().cuda.get_current_stream().synchronize()
