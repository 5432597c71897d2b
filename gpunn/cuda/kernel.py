"""Kernel: one `.cu` file with its macros, checked and launched on a GPU through CuPy or on the host by the emulator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.cuda import source
from gpunn.cuda.dtypes import CUDA_NAMES
from gpunn.errors import DeviceError

OPTIONS = ("-std=c++17",)
GRID_LIMIT = (2**31 - 1, 65535, 65535)
_INTEGERS = {"int": (np.int32, 2**31 - 1), "i64": (np.int64, 2**63 - 1)}
_FLOATS = {"float": np.float32, "double": np.float64}


@dataclass(frozen=True)
class Kernel:
    """A specialised kernel. ``kernel(grid, block, *args)`` checks every argument by name, then launches.

    Arrays must be C-contiguous in the layout that the file's header gives; where VEC > 1, they must start on a multiple
    of 16 bytes. Python ints become int32 (or int64), floats the accumulation type. ``shared_bytes`` is dynamic shared
    memory, for kernels that declare some. Raises TypeError or ValueError with the kernel's and the argument's name;
    DeviceError where it does not compile.
    """

    source: source.Source
    macros: tuple[tuple[str, object], ...]

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], *args: Any, shared_bytes: int = 0) -> None:
        cleaned = self._arguments(args)
        _check_grid(self.source.file, grid, block)
        first = next(a for a in args if backend.is_array(a))
        if backend.device_of(first).type == "emulator":
            self._function_on_host()(grid, block, cleaned, shared_bytes)
            return
        cupy = backend.require_cupy()
        with first.device:
            function = _compiled(self, first.device.id)
            if shared_bytes:
                self._allow_shared(function, shared_bytes, first.device.id)
            nulls = tuple(np.uint64(0) if a is None else a for a in cleaned)
            try:
                function(grid, block, nulls, shared_mem=shared_bytes)
                if os.environ.get("GPUNN_DEBUG_SYNC") == "1":
                    cupy.cuda.get_current_stream().synchronize()
            except (cupy.cuda.driver.CUDADriverError, cupy.cuda.runtime.CUDARuntimeError) as error:
                raise DeviceError(
                    f"{self.source.file} failed with {self.describe(args)}: {error}; "
                    "GPUNN_DEBUG_SYNC=1 tells whether an earlier kernel did"
                ) from error

    def _allow_shared(self, function: Any, wanted: int, device_id: int) -> None:
        """Raise the driver's limit for this kernel: past 48 KB a launch fails unless it was asked for by name."""
        most = _attribute(device_id, "MaxSharedMemoryPerBlockOptin") - function.shared_size_bytes
        if wanted > most:
            raise ValueError(
                f"{self.source.file}: shared_bytes is {wanted}, but cuda:{device_id} gives this kernel at most {most} "
                "a block; use a smaller tile"
            )
        if wanted > function.max_dynamic_shared_size_bytes:
            function.max_dynamic_shared_size_bytes = wanted

    def _arguments(self, args: tuple) -> tuple:
        parameters = self.source.parameters
        if len(args) != len(parameters):
            wanted = ", ".join(p.name for p in parameters)
            raise TypeError(f"{self.source.file}: got {len(args)} arguments, expected {len(parameters)}: {wanted}")
        device, owner, cleaned = None, "", []
        for p, value in zip(parameters, args, strict=True):
            if not p.pointer:
                cleaned.append(self._scalar(p, value))
                continue
            cleaned.append(value)
            if value is None and p.optional:
                continue
            self._check_array(p, value)
            here = backend.device_of(value)
            if device is not None and here != device:
                raise ValueError(
                    f"{self.source.file}: {p.name} is on {here} but {owner} is on {device}; move one with to_device"
                )
            device, owner = here, p.name
        return tuple(cleaned)

    def _type(self, name: str) -> str:
        return str(dict(self.macros).get(name, name))

    def _scalar(self, p: source.Parameter, value: Any) -> Any:
        kind = self._type(p.type)
        if kind in _INTEGERS:
            convert, limit = _INTEGERS[kind]
            if not -limit - 1 <= int(value) <= limit:
                raise ValueError(
                    f"{self.source.file}: {p.name} = {value} does not fit into {convert.__name__}; split the batch"
                )
            return convert(value)
        return _FLOATS[kind](value)

    def _check_array(self, p: source.Parameter, value: Any) -> None:
        file, wanted = self.source.file, CUDA_NAMES[self._type(p.type)]
        if not backend.is_array(value):
            raise TypeError(f"{file}: {p.name} is {type(value).__name__}, expected an array of {wanted}")
        if backend.device_of(value).type == "cpu":
            raise ValueError(f"{file}: {p.name} is on cpu, where no kernel runs; move it with to_device first")
        if value.dtype.name != wanted:
            raise TypeError(f"{file}: {p.name} is {value.dtype}, expected {wanted}; convert it with astype")
        if not value.flags.c_contiguous:
            raise ValueError(
                f"{file}: {p.name} {value.shape} with strides {value.strides} is not contiguous; "
                "pass ascontiguousarray of it"
            )
        if self.is_wide and value.size and not is_aligned(value) and p.type == "T":
            raise ValueError(
                f"{file}: {p.name} starts at an address that is no multiple of 16; copy it, or use a variant with VEC=1"
            )

    @property
    def is_wide(self) -> bool:
        """Whether this kernel reads 16 bytes at a time."""
        return any(key.startswith("VEC") and value != 1 for key, value in self.macros)

    def _function_on_host(self) -> Any:
        from gpunn import emulator

        return emulator.load(self.source.text, self.source.entry, dict(self.macros), filename=self.source.file)

    def describe(self, args: tuple) -> str:
        """The arguments as ``x float32 (2, 3), N 2, ...``."""
        pairs = zip(self.source.parameters, args, strict=True)
        return ", ".join(
            f"{p.name} {a.dtype} {a.shape}" if backend.is_array(a) else f"{p.name} {a}" for p, a in pairs
        )


@cache
def kernel(name: str, **macros: object) -> Kernel:
    """The kernel ``family/variant`` specialised by macros."""
    return Kernel(source.read(name), tuple(sorted(macros.items())))


@cache
def _compiled(wanted: Kernel, device_id: int) -> Any:
    """The CuPy function of a kernel on one device (``device_id`` is the cache's key; it is the current device)."""
    cupy = backend.require_cupy()
    macros = dict(wanted.macros)
    try:
        module = cupy.RawModule(code=wanted.source.specialised(macros), options=OPTIONS, backend="nvrtc")
        return module.get_function(wanted.source.entry)
    except cupy.cuda.compiler.CompileException as error:
        raise DeviceError(
            f"{wanted.source.file} does not compile for device {device_id} with {macros}:\n"
            f"{error.get_message()}"
        ) from error


def _check_grid(file: str, grid: tuple[int, ...], block: tuple[int, ...]) -> None:
    for what, sizes, limits in (("grid", grid, GRID_LIMIT), ("block", block, (1024, 1024, 64))):
        for axis, size, limit in zip("xyz", sizes, limits, strict=False):
            if not 1 <= size <= limit:
                raise ValueError(f"{file}: {what}.{axis} is {size}, expected 1 to {limit}; nothing was launched")


def is_aligned(array: Any) -> bool:
    """Whether the first element lies on a multiple of 16 bytes."""
    pointer = array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
    return pointer % 16 == 0


def empty(like: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """New memory on the device of ``like``; on the emulator filled with NaN, so that what a kernel leaves out shows."""
    if backend.device_of(like).type == "emulator":
        from gpunn import emulator

        return emulator.empty(shape, dtype)
    with like.device:
        return backend.require_cupy().empty(shape, dtype)


def zeros(like: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros on the device of ``like``."""
    made = empty(like, shape, dtype)
    made[...] = 0
    return made


def shared_limit(array: Any) -> int:
    """Bytes of static shared memory that a block may have on this array's device."""
    if backend.device_of(array).type == "emulator":
        return 48 * 1024
    return _attribute(array.device.id, "MaxSharedMemoryPerBlock")


@cache
def _attribute(device_id: int, name: str) -> int:
    """CuPy asks the driver for every attribute, some hundred, each time: once is enough."""
    return int(backend.require_cupy().cuda.Device(device_id).attributes[name])


def blocks(items: int, each: int) -> int:
    """Blocks of ``each`` items that cover ``items``."""
    return -(-items // each)
