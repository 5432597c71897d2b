"""Devices by name: which there are, which is the default, which can be used now."""

from __future__ import annotations

import contextvars
import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from gpunn.backend.loading import first_line, require_cupy, require_emulator
from gpunn.errors import DeviceError, nearest

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
        require(self)
        # CuPy computes on its own current device, wherever the operands are: it has to be this one.
        current = require_cupy().cuda.Device(self.index) if self.type == "cuda" else nullcontext()
        before = _entered.get()
        try:
            current.__enter__()
            _entered.set((*before, (self, current)))
            return self
        except BaseException:  # an interrupt: nobody would call __exit__
            if _entered.get() != before:
                self.__exit__(None, None, None)
            raise

    def __exit__(self, *exc_info) -> None:
        *others, (_, current) = _entered.get()
        _entered.set(tuple(others))
        current.__exit__(*exc_info)


_entered: contextvars.ContextVar[tuple[tuple[Device, Any], ...]] = contextvars.ContextVar(
    "gpunn devices entered, each with CuPy's", default=()
)
_default = Device("cpu")


def device(name: str | int | Device, index: int | None = None) -> Device:
    """The device called ``name``: "cpu", "cuda", "cuda:1", "emulator"; 1 is "cuda:1", as ("cuda", 1) is.

    Raises ValueError for a name that is none; whether the device is there is asked when it is used.

    Examples:
        >>> gpunn.device("cuda", 1) == gpunn.device("cuda:1") == gpunn.device(1)
        True
    """
    if isinstance(name, Device):
        return name
    named = f"cuda:{name}" if type(name) is int else str(name) if index is None else f"{name}:{index}"
    kind, _, number = named.partition(":")
    if kind not in DEVICE_TYPES or (number and not number.isdecimal()) or (number not in ("", "0") and kind != "cuda"):
        near = nearest(kind, (*DEVICE_TYPES, "gpu"), cutoff=0.6)
        hint = f"; did you mean {'cuda' if near == 'gpu' else near}?" if near else ""
        raise ValueError(f"device: {name!r} is no device; expected 'cpu', 'cuda', 'cuda:1' or 'emulator'{hint}")
    return Device(kind, int(number or 0))


def default_device() -> Device:
    """The device that new arrays are made on: the innermost ``with device(...)``, else the one set."""
    entered = _entered.get()
    return entered[-1][0] if entered else _default


def set_default_device(name: str | Device) -> None:
    """Make ``name`` the device of new arrays in all threads of the process, outside of `with` blocks.

    A thread that wants one of its own takes it in a block, ``with gpunn.device("cuda:1"):``, which no other sees.
    Raises DeviceError where it is not there.

    Examples:
        >>> gpunn.set_default_device("cpu")
        >>> gpunn.default_device()
        Device(type='cpu', index=0)
    """
    global _default
    wanted = device(name)
    require(wanted)
    if wanted.type == "cuda":
        require_cupy().cuda.Device(wanted.index).use()
    _default = wanted


def is_available(name: str | Device) -> bool:
    """Whether arrays can live, and kernels run, on this device now."""
    try:
        require(device(name))
    except DeviceError:
        return False
    return True


def require(wanted: Device) -> None:
    """Raise DeviceError, with the remedy, unless ``wanted`` can be used."""
    if wanted.type == "cuda":
        cupy = require_cupy()
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except Exception as error:
            raise DeviceError(
                f"device {str(wanted)!r}: CuPy finds no usable GPU ({first_line(error)}); check the NVIDIA driver "
                "with `gpunn doctor`, or use device 'cpu'"
            ) from error
        if wanted.index >= count:
            raise DeviceError(
                f"device {str(wanted)!r}: this machine has {count} CUDA device(s), numbered from 0; "
                "choose a smaller index, or use device 'cpu'"
            )
    elif wanted.type == "emulator":
        require_emulator().require()


_named = device  # for the function below, whose own argument is called device


def synchronize(device: str | Device | None = None) -> None:
    """Wait until the device has finished; at once on ``cpu`` and ``emulator``."""
    wanted = _named(device) if device is not None else default_device()
    if wanted.type == "cuda":
        with require_cupy().cuda.Device(wanted.index):
            require_cupy().cuda.get_current_stream().synchronize()


def free_bytes(name: str | Device) -> float:
    """Bytes that new arrays may take on a GPU now; infinity elsewhere, where nobody knows."""
    wanted = device(name)
    if wanted.type != "cuda":
        return math.inf
    cupy = require_cupy()
    with wanted:
        return cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()
