"""Kernel: one `.cu` file with its macros: checked, compiled, and launched by CuPy on a GPU or by the emulator here."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn import backend
from gpunn.backend import Array
from gpunn.backend.memory import address
from gpunn.cuda import cubins, source, structs
from gpunn.cuda.device import EMULATOR, capability, device_number, multiprocessors, shared_limit
from gpunn.cuda.dtypes import CUDA_NAMES
from gpunn.errors import DeviceError

OPTIONS = ("-std=c++17",)
GRID_LIMIT = (2**31 - 1, 65535, 65535)
_INTEGERS = {"int": (np.int32, 2**31 - 1), "i64": (np.int64, 2**63 - 1)}
_FLOATS = {"float": np.float32, "double": np.float64}


Bound = Callable[[tuple[int, ...], tuple[int, ...], tuple[Any, ...]], None]  # (grid, block, arguments)


@dataclass(frozen=True)
class Kernel:
    """A specialised kernel. ``kernel(grid, block, *args)`` checks every argument by name, then launches.

    Arrays must be C-contiguous in the layout that the file's header gives; where VEC > 1, they must start on a multiple
    of 16 bytes. Python ints become int32 (or int64), floats the accumulation type, a mapping or a Problem the struct of
    ints that the kernel takes by value, by the names of its fields. ``shared_bytes`` is dynamic shared
    memory, for kernels that declare some; ``cooperative``: its blocks wait for each other, so all must run at once.
    Raises TypeError or ValueError with the kernel's and the argument's name; DeviceError where it does not compile. A
    Plan makes the same checks once, and launches what ``bound`` gives.
    """

    source: source.Source
    macros: tuple[tuple[str, object], ...]

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *args: Any,
        shared_bytes: int = 0,
        cooperative: bool = False,
    ) -> None:
        self.check_count(args)
        first: Any = next((a for a in args if backend.is_array(a)), None)
        device = EMULATOR if first is None else device_number(first)
        cleaned = tuple([self._argument(p, a, device) for p, a in zip(self.source.parameters, args, strict=True)])
        self._check_devices(args)
        self.check_grid(grid, block)
        with nullcontext() if device == EMULATOR or first is None else first.device:
            run = self.bound(device, shared_bytes, cooperative)
            try:
                run(grid, block, cleaned)
            except Exception as error:
                raise self.explained(error, args) from error

    # ---------------------------------------------------------------- arguments
    def check_count(self, args: Sequence[object]) -> None:
        """Raise TypeError unless there is an argument for each parameter."""
        parameters = self.source.parameters
        if len(args) != len(parameters):
            wanted = ", ".join(p.name for p in parameters)
            raise TypeError(f"{self.source.file}: got {len(args)} arguments, expected {len(parameters)}: {wanted}")

    def _argument(self, p: source.Parameter, value: Any, device: int) -> Any:
        if not p.pointer or value is None:
            return self.constant(p, value, device)
        self._check_array(p, value)
        return value

    def constant(self, p: source.Parameter, value: Any, device: int) -> Any:
        """An argument that is no array as CuPy or the emulator takes it: a number packed, a null pointer."""
        if p.pointer:
            if value is not None or not p.optional:
                raise TypeError(f"{self.source.file}: {p.name} is {type(value).__name__}, expected an array")
            return None if device == EMULATOR else np.uint64(0)
        if isinstance(value, np.void):
            return self._whole(p, value)
        if p.fields:
            return self._struct(p, value if isinstance(value, Mapping) else value.struct)
        kind = self._type(p.type)
        if kind in _INTEGERS:
            convert, limit = _INTEGERS[kind]
            if not -limit - 1 <= int(value) <= limit:
                raise ValueError(
                    f"{self.source.file}: {p.name} = {value} does not fit into {convert.__name__}; split the batch"
                )
            return convert(value)
        return _FLOATS[kind](value)

    def _whole(self, p: source.Parameter, value: np.void) -> np.void:
        """A struct that has more than ints, as structs.layout reads it from the kernel's text."""
        wanted = structs.layout(self.source.text, p.type, dict(self.macros)).dtype
        if value.dtype != wanted:
            raise TypeError(f"{self.source.file}: {p.name} is {value.dtype}, expected struct {p.type}: {wanted}")
        return value

    def _struct(self, p: source.Parameter, given: Mapping[str, int]) -> Any:
        """The struct with these fields. One NumPy scalar costs CuPy half of what sixteen ints do."""
        if missing := [name for name in p.fields if name not in given]:
            raise ValueError(
                f"{self.source.file}: {p.name} lacks {', '.join(missing)}, which {p.type} has; "
                f"expected {', '.join(p.fields)}"
            )
        values = tuple([given[name] for name in p.fields])
        for name, value in zip(p.fields, values, strict=True):
            if not -(2**31) <= value < 2**31:
                raise ValueError(
                    f"{self.source.file}: {p.name}.{name} = {value} does not fit into int32; split the batch"
                )
        return np.array(values, np.dtype([(name, np.int32) for name in p.fields]))[()]

    def _type(self, name: str) -> str:
        return str(dict(self.macros).get(name, name))

    def _check_array(self, p: source.Parameter, value: object) -> None:
        file = self.source.file
        if not backend.is_array(value):
            wanted = CUDA_NAMES[self._type(p.type)]
            raise TypeError(f"{file}: {p.name} is {type(value).__name__}, expected an array of {wanted}")
        if backend.device_of(value).type == "cpu":
            raise ValueError(f"{file}: {p.name} is on cpu, where no kernel runs; move it with to_device first")
        if not value.flags.c_contiguous:
            raise ValueError(
                f"{file}: {p.name} {value.shape} with strides {value.strides} is not contiguous; "
                "pass ascontiguousarray of it"
            )
        self.check_memory(p, value.dtype, not value.size or is_aligned(value))

    def check_memory(self, p: source.Parameter, dtype: np.dtype, aligned: bool) -> None:
        """Raise TypeError for another dtype than the parameter's, ValueError for unaligned 16-byte accesses."""
        file, wanted = self.source.file, CUDA_NAMES[self._type(p.type)]
        if not p.pointer or dtype.name != wanted:
            raise TypeError(f"{file}: {p.name} is {dtype}, expected {wanted}; convert it with astype")
        if self.is_wide and not aligned and p.type == "T":
            raise ValueError(
                f"{file}: {p.name} starts at an address that is no multiple of 16; copy it, or use a variant with VEC=1"
            )

    def check_scalar(self, p: source.Parameter, dtype: DTypeLike) -> None:
        """Raise TypeError unless the parameter takes NumPy's scalar of this type as it is."""
        kind = self._type(p.type)
        wanted = _INTEGERS[kind][0] if kind in _INTEGERS else _FLOATS.get(kind)
        if p.pointer or wanted is not dtype:
            raise TypeError(f"{self.source.file}: {p.name} is {np.dtype(dtype)}, expected {p.type}; convert it")

    def _check_devices(self, args: Sequence[object]) -> None:
        device, owner = None, ""
        for p, value in zip(self.source.parameters, args, strict=True):
            if not p.pointer or value is None:
                continue
            here = backend.device_of(value)
            if device is not None and here != device:
                raise ValueError(
                    f"{self.source.file}: {p.name} is on {here} but {owner} is on {device}; move one with to_device"
                )
            device, owner = here, p.name

    def check_grid(self, grid: tuple[int, ...], block: tuple[int, ...]) -> None:
        """Raise ValueError for a grid or a block that no device takes."""
        for what, sizes, limits in (("grid", grid, GRID_LIMIT), ("block", block, (1024, 1024, 64))):
            for axis, size, limit in zip("xyz", sizes, limits, strict=False):
                if not 1 <= size <= limit:
                    raise ValueError(
                        f"{self.source.file}: {what}.{axis} is {size}, expected 1 to {limit}; nothing was launched"
                    )

    @cached_property
    def is_wide(self) -> bool:
        """Whether this kernel reads 16 bytes at a time."""
        return any([key.startswith("VEC") and value != 1 for key, value in self.macros])

    # ---------------------------------------------------------------- launching
    def bound(self, device: int, shared_bytes: int = 0, cooperative: bool = False) -> Bound:
        """The compiled function for a device, which is CuPy's current one: it takes (grid, block, arguments)."""
        if device == EMULATOR:
            macros = dict(self.macros)
            load = backend.require_emulator().load
            function = load(self.source.text, self.source.entry, macros, filename=self.source.file)
            options = {"shared_bytes": shared_bytes, "cooperative": cooperative}
            return partial(function, **options) if shared_bytes or cooperative else function
        whole = function = _compiled(self, device, cooperative)
        if shared_bytes:
            self._allow_shared(function, shared_bytes, device)
            function = partial(function, shared_mem=shared_bytes)
        if cooperative:
            function = self._resident_only(function, whole, shared_bytes, device)
        return _synchronised(function) if os.environ.get("GPUNN_DEBUG_SYNC") == "1" else function

    def _allow_shared(self, function: Any, wanted: int, device_id: int) -> None:
        """Raise the driver's limit for this kernel: past 48 KB a launch fails unless it was asked for by name."""
        if wanted + function.shared_size_bytes <= 48 * 1024:
            return
        most = shared_limit(device_id, dynamic=True) - function.shared_size_bytes
        if wanted > most:
            raise ValueError(
                f"{self.source.file}: shared_bytes is {wanted}, but cuda:{device_id} gives this kernel at most {most} "
                "a block; use a smaller tile"
            )
        if wanted > function.max_dynamic_shared_size_bytes:
            function.max_dynamic_shared_size_bytes = wanted

    def _resident_only(self, run: Bound, function: Any, shared_bytes: int, device_id: int) -> Bound:
        """`run`, which refuses a grid whose blocks the device does not hold all at once: they would wait for ever."""
        held: dict[int, int] = {}  # by threads a block

        def checked(grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
            threads, wanted = math.prod(block), math.prod(grid)
            if threads not in held:
                driver = backend.require_cupy().cuda.driver
                each = driver.occupancyMaxActiveBlocksPerMultiprocessor(function.kernel.ptr, threads, shared_bytes)
                held[threads] = each * multiprocessors(device_id)
            if wanted > held[threads]:
                raise ValueError(
                    f"{self.source.file}: a cooperative grid has {wanted} blocks of {threads} threads, but "
                    f"cuda:{device_id} holds {held[threads]} of them at once; use a smaller grid"
                )
            run(grid, block, args)

        return checked

    def explained(self, error: Exception, args: Sequence[object]) -> Exception:
        """The driver's error as a DeviceError that names the kernel and its arguments; any other error as it is."""
        if isinstance(error, DeviceError | ValueError | TypeError) or not _is_drivers(error):
            return error
        return DeviceError(
            f"{self.source.file} failed with {self.describe(args)}: {error}; "
            "GPUNN_DEBUG_SYNC=1 tells whether an earlier kernel did"
        )

    def describe(self, args: Sequence[object]) -> str:
        """The arguments as ``x float32 (2, 3), N 2, ...``."""
        pairs = zip(self.source.parameters, args, strict=True)
        return ", ".join(f"{p.name} {a.dtype} {a.shape}" if backend.is_array(a) else f"{p.name} {a}" for p, a in pairs)


def _is_drivers(error: Exception) -> bool:
    cuda = backend.require_cupy().cuda
    return isinstance(error, (cuda.driver.CUDADriverError, cuda.runtime.CUDARuntimeError))


def _synchronised(function: Callable) -> Bound:
    """The function followed by a wait, so that an error surfaces at the kernel that made it."""

    def run(grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
        function(grid, block, args)
        backend.require_cupy().cuda.get_current_stream().synchronize()

    return run


@cache
def kernel(name: str, **macros: object) -> Kernel:
    """The kernel ``family/variant`` specialised by macros."""
    return Kernel(source.read(name), tuple(sorted(macros.items())))


@cache
def _compiled(wanted: Kernel, device_id: int, cooperative: bool = False) -> Any:
    """The CuPy function of a kernel on one device (``device_id`` is the cache's key; it is the current device)."""
    how: dict[str, Any] = {"enable_cooperative_groups": True} if cooperative else {}  # how it is launched
    cupy = backend.require_cupy()
    macros = dict(wanted.macros)
    text = wanted.source.specialised(macros)
    architecture = source.compiled_for(wanted.source.architecture, capability(device_id))
    prebuilt = cubins.find(cubins.Build(wanted.source.file, text, architecture, cupy.cuda.nvrtc.getVersion()))
    if prebuilt is not None:
        try:
            return cupy.RawModule(path=str(prebuilt), **how).get_function(wanted.source.entry)
        except cupy.cuda.driver.CUDADriverError:  # whole, but not what this driver takes
            cubins.say_damaged(prebuilt)
    try:
        options = (*OPTIONS, f"-arch=sm_{architecture}") if architecture.endswith("a") else OPTIONS
        module = cupy.RawModule(code=text, options=options, backend="nvrtc", **how)
        return module.get_function(wanted.source.entry)
    except cupy.cuda.compiler.CompileException as error:
        raise DeviceError(
            f"{wanted.source.file} does not compile for device {device_id} with {macros}:\n{error.get_message()}"
        ) from error


def blocks(items: int, each: int) -> int:
    """Blocks of ``each`` items that cover ``items``."""
    return -(-items // each)


def is_aligned(array: Array) -> bool:
    """Whether the first element lies on a multiple of 16 bytes."""
    return address(array) % 16 == 0
