"""From Python values to the memory that a kernel's arguments are read from, checked against the kernel's signature."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from gpunn.emulator.faults import FIRST_VARIABLE
from gpunn.emulator.loader import Function, Parameter
from gpunn.emulator.memory import byte_range
from gpunn.errors import DeviceError

SLOT = 16  # bytes an argument starts at a multiple of: enough for a float4 by value

_FORMATS = {
    "i1": "b", "u1": "B", "b1": "?", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
_DTYPES = {"bf2": "bfloat16"} | {code: np.dtype(code).name for code in _FORMATS}
CONSTANT, OUTPUT, SHARED, GLOBAL = range(4)


class ArrayArgument(ctypes.Structure):  # struct ArrayArgument of host/runtime/state.h
    _fields_ = (
        ("low", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("use", ctypes.c_int32),
        ("parameter", ctypes.c_int32),
    )


class Call:
    """A function's marshalling, prepared once: a packer, and the memory that the arguments are packed into."""

    def __init__(self, function: Function):
        self.function = function
        parts = [_format(function, p) for p in function.parameters]
        sizes = [struct.calcsize("<" + part) for part in parts]
        offsets = [sum(sizes[:i]) for i in range(len(sizes))]
        self.packer = struct.Struct("<" + "".join(parts))
        self.memory = ctypes.create_string_buffer(sum(sizes) + SLOT)
        base = -(-ctypes.addressof(self.memory) // SLOT) * SLOT
        self.start = base - ctypes.addressof(self.memory)
        self.pointers = (ctypes.c_void_p * (len(offsets) + 1))(*(base + offset for offset in offsets))
        self.takers = [_taker(function, p) for p in function.parameters]
        fixed = [
            ArrayArgument(function.module[0] + v.low, v.bytes, SHARED if v.shared else GLOBAL, FIRST_VARIABLE - i)
            for i, v in enumerate(function.variables)
        ]
        self.fixed = len(fixed)
        self.shared = function.shared
        ends = [end for v in self.shared for end in (v.low, v.low + v.bytes)]
        self.shared_range = (function.module[0] + min(ends), function.module[0] + max(ends)) if ends else (0, 0)
        self.arrays = (ArrayArgument * (len(fixed) + len(offsets) + 1))(*fixed)

    def take(self, args: Sequence[Any]) -> tuple[list[Any], list[tuple[int, np.ndarray]]]:
        """The value to pack for each parameter, and the arrays with their parameters' numbers."""
        if len(args) != len(self.takers):
            names = ", ".join(p.name for p in self.function.parameters)
            raise TypeError(f"{self.function.name}: got {len(args)} arguments, expected {len(self.takers)} ({names})")
        values = [taker(arg) for taker, arg in zip(self.takers, args, strict=True)]
        pairs = zip(self.function.parameters, args, strict=True)
        return values, [(i, arg) for i, (p, arg) in enumerate(pairs) if p.pointer and arg is not None]

    def place(self, values: list[Any], arrays: list[tuple[int, np.ndarray]]) -> int:
        """Write the arguments and the table of arrays for the runtime; the number of entries in that table."""
        try:
            self.packer.pack_into(self.memory, self.start, *values)
        except (struct.error, OverflowError) as error:
            raise self._out_of_range(values, error) from None
        at = self.fixed
        for index, array in arrays:
            low, high = byte_range(array)
            use = CONSTANT if self.function.parameters[index].constant else OUTPUT
            self.arrays[at] = (low, high - low, use, index)
            at += 1
        return at

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
def prepared(function: Function) -> Call:
    """The Call of a function, made at its first launch."""
    return Call(function)


def _format(function: Function, p: Parameter) -> str:
    if not p.pointer and p.code not in _FORMATS and p.code != "V":
        raise DeviceError(f"{function.name}: {p.name} of type {p.code} cannot be passed by value; make it a float")
    form = "Q" if p.pointer else _FORMATS.get(p.code) or f"{p.bytes}s"
    return f"{form}{-struct.calcsize('<' + form) % SLOT}x"


def _taker(function: Function, p: Parameter) -> Callable[[Any], Any]:
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
        return byte_range(arg, where)[0]

    def integer(arg):
        if isinstance(arg, (bool, int, np.integer, np.bool_)):
            return int(arg)
        raise TypeError(f"{where} is {type(arg).__name__}, expected an int")

    def number(arg):
        if isinstance(arg, (bool, int, float, np.number)):
            return float(arg)
        raise TypeError(f"{where} is {type(arg).__name__}, expected a number")

    def struct_bytes(arg):
        data = arg.tobytes() if isinstance(arg, (np.void, np.ndarray)) else bytes(arg)
        if len(data) != p.bytes:
            raise ValueError(f"{where} has {len(data)} bytes, expected a struct of {p.bytes}")
        return data

    if p.pointer:
        return pointer
    return struct_bytes if p.code == "V" else number if p.code[0] == "f" else integer
