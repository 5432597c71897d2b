"""From Python values to the memory that a kernel's arguments are read from, checked against the kernel's signature."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gpunn.emulator.faults import FIRST_VARIABLE
from gpunn.emulator.loader import Compiled, Parameter
from gpunn.emulator.memory import byte_range
from gpunn.emulator.pointers import Struct
from gpunn.errors import DeviceError

SLOT = 16  # bytes an argument starts at a multiple of: enough for a float4 by value

_FORMATS = {
    "i1": "b", "u1": "B", "b1": "?", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
_DTYPES = {"bf2": "bfloat16"} | {code: np.dtype(code).name for code in _FORMATS}
CONSTANT, OUTPUT, SHARED, GLOBAL = range(4)
MOST_ARRAYS = 9000  # of one launch; memory.h has room for them
_ADDRESS = struct.Struct("<Q")


class ArrayArgument(ctypes.Structure):
    """Where an array lies, and what may be done with it: struct ArrayArgument of host/runtime/state.h."""

    _fields_ = (
        ("low", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("use", ctypes.c_int32),
        ("parameter", ctypes.c_int32),
        ("unwritten", ctypes.c_uint64),
    )


class Argument(NamedTuple):
    """An array that the kernel may reach, and where its address lies among the packed arguments."""

    parameter: Parameter
    array: np.ndarray
    at: int
    unwritten: np.ndarray | None = None  # 1 for each of its bytes that nobody wrote; None: all are written


class Call:
    """A function's marshalling, prepared once: a packer, and the memory that the arguments are packed into."""

    def __init__(self, function: Compiled):
        self.function = function
        parts = [_format(function, p) for p in function.parameters]
        sizes = [struct.calcsize("<" + part) for part in parts]
        self.offsets = offsets = [sum(sizes[:i]) for i in range(len(sizes))]
        self.packer = struct.Struct("<" + "".join(parts))
        self.memory = ctypes.create_string_buffer(sum(sizes) + SLOT)
        base = -(-ctypes.addressof(self.memory) // SLOT) * SLOT
        self.start = base - ctypes.addressof(self.memory)
        self.pointers = (ctypes.c_void_p * (len(offsets) + 1))(*(base + offset for offset in offsets))
        self.takers = [_taker(function, p) for p in function.parameters]
        self.fixed = [
            ArrayArgument(function.module[0] + v.low, v.bytes, SHARED if v.shared else GLOBAL, FIRST_VARIABLE - i)
            for i, v in enumerate(function.variables)
        ]
        self.shared = function.shared
        ends = [end for v in self.shared for end in (v.low, v.low + v.bytes)]
        self.shared_range = (function.module[0] + min(ends), function.module[0] + max(ends)) if ends else (0, 0)
        self._grow(len(offsets) + 1)

    def _grow(self, arrays: int) -> None:
        """Make room for so many arrays in the table for the runtime."""
        self.arrays = (ArrayArgument * (len(self.fixed) + arrays))(*self.fixed)

    def take(self, args: Sequence[Any]) -> tuple[list[Any], list[Argument]]:
        """The value to pack for each parameter, and every array that the kernel may reach."""
        if len(args) != len(self.takers):
            names = ", ".join(p.name for p in self.function.parameters)
            raise TypeError(f"{self.function.name}: got {len(args)} arguments, expected {len(self.takers)} ({names})")
        values = [taker(arg) for taker, arg in zip(self.takers, args, strict=True)]
        reached: list[Argument] = []
        for p, arg, at in zip(self.function.parameters, args, self.offsets, strict=True):
            if isinstance(arg, Struct):
                reached += (Argument(q, array, at + q_at) for q, array, q_at in arg.reached(self.function.name, p.name))
            elif p.pointer and arg is not None:
                reached.append(Argument(p, arg, at))
        if len(reached) > MOST_ARRAYS:
            raise ValueError(f"{self.function.name}: got {len(reached)} arrays, expected at most {MOST_ARRAYS}")
        return values, reached

    def place(self, values: list[Any], reached: list[Argument]) -> int:
        """Write the arguments and the table of arrays for the runtime; the number of entries in that table."""
        try:
            self.packer.pack_into(self.memory, self.start, *values)
        except (struct.error, OverflowError) as error:
            raise self._out_of_range(values, error) from None
        first = len(self.fixed)
        if first + len(reached) > len(self.arrays):
            self._grow(len(reached))
        for position, (parameter, array, at, unwritten) in enumerate(reached):
            low, high = byte_range(array, is_read=parameter.constant)
            _ADDRESS.pack_into(self.memory, self.start + at, low)
            use = CONSTANT if parameter.constant else OUTPUT
            left = 0 if unwritten is None else unwritten.__array_interface__["data"][0]
            self.arrays[first + position] = (low, high - low, use, position, left)
        return first + len(reached)

    def _out_of_range(self, values: list[Any], error: Exception) -> ValueError:
        for p, value in zip(self.function.parameters, values, strict=True):
            try:
                struct.pack("<" + _format(self.function, p), value)
            except (struct.error, OverflowError):
                return ValueError(
                    f"{self.function.name}: {p.name} is {value}, which does not fit {_DTYPES.get(p.code)}"
                )
        return ValueError(f"{self.function.name}: {error}")


@cache
def prepared(function: Compiled) -> Call:
    """The Call of a function, made at its first launch."""
    return Call(function)


def _format(function: Compiled, p: Parameter) -> str:
    if not p.pointer and p.code not in _FORMATS and p.code != "V":
        raise DeviceError(f"{function.name}: {p.name} of type {p.code} cannot be passed by value; make it a float")
    form = "Q" if p.pointer else _FORMATS.get(p.code) or f"{p.bytes}s"
    return f"{form}{-struct.calcsize('<' + form) % SLOT}x"


def _taker(function: Compiled, p: Parameter) -> Callable[[Any], Any]:
    """The function that checks one argument and returns what is to be packed."""
    where = f"{function.name}: {p.name}"
    wanted = _DTYPES.get(p.code)

    def pointer(arg):
        if arg is None:
            return 0
        if not isinstance(arg, np.ndarray):
            raise TypeError(f"{where} is {type(arg).__name__}, expected an array of {wanted or 'any type'}, or None")
        if wanted is not None and arg.dtype.name != wanted:
            raise TypeError(f"{where} is an array of {arg.dtype.name}, expected {wanted}; cast it with astype")
        if not p.constant and not arg.flags.writeable:
            raise ValueError(f"{where} is read-only, and the kernel takes it as an output; pass a copy")
        return byte_range(arg, where, p.constant)[0]

    def integer(arg):
        if isinstance(arg, (bool, int, np.integer, np.bool_)):
            return int(arg)
        raise TypeError(f"{where} is {type(arg).__name__}, expected an int")

    def number(arg):
        if isinstance(arg, (bool, int, float, np.number)):
            return float(arg)
        raise TypeError(f"{where} is {type(arg).__name__}, expected a number")

    def struct_bytes(arg):
        if isinstance(arg, Struct):
            data = arg.cleared()
        else:
            data = arg.tobytes() if isinstance(arg, (np.void, np.ndarray)) else bytes(arg)
        if len(data) != p.bytes:
            raise ValueError(f"{where} has {len(data)} bytes, expected a struct of {p.bytes}")
        return data

    if p.pointer:
        return pointer
    return struct_bytes if p.code == "V" else number if p.code[0] == "f" else integer
