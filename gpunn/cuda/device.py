"""The device behind an array: its number, what it is able to do, and new memory on it."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn import backend
from gpunn.backend import Array
from gpunn.backend.streams import EMULATOR as EMULATOR
from gpunn.cuda import source


def device_number(array: Array) -> int:
    """The number of an array's GPU, or EMULATOR."""
    return EMULATOR if isinstance(array, np.ndarray) else array.device.id


def empty(like: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """New memory on the device of ``like``; on the emulator filled with NaN, so that what a kernel leaves out shows."""
    if backend.device_of(like).type == "emulator":
        from gpunn import emulator

        return emulator.empty(shape, dtype)
    with like.device:
        return backend.require_cupy().empty(shape, dtype)


def zeros(like: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Zeros on the device of ``like``."""
    made = empty(like, shape, dtype)
    made[...] = 0
    return made


def shared_limit(device: int, dynamic: bool = False) -> int:
    """Bytes of shared memory that a block may have on this device: static, or asked for at the launch."""
    if device == EMULATOR:
        return (227 if dynamic else 48) * 1024
    return _attribute(device, "MaxSharedMemoryPerBlockOptin" if dynamic else "MaxSharedMemoryPerBlock")


@cache
def capability(device: int) -> int:
    """A device's compute capability, 90 for 9.0. The emulator stands for GPUNN_EMULATOR_ARCH, 75 where that is not set.

    It runs the kernels of all architectures where `use_variant` asks for them.
    """
    if device == EMULATOR:
        return int(os.environ.get("GPUNN_EMULATOR_ARCH", source.OLDEST))
    return int(backend.require_cupy().cuda.Device(device).compute_capability)


def multiprocessors(device: int) -> int:
    """A device's multiprocessors; the emulator runs as many threads together as three blocks of 256 on each of 21."""
    return 21 if device == EMULATOR else _attribute(device, "MultiProcessorCount")


@cache
def _attribute(device_id: int, name: str) -> int:
    """CuPy asks the driver for every attribute, some hundred, each time: once is enough."""
    return int(backend.require_cupy().cuda.Device(device_id).attributes[name])
