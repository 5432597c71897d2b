"""16-bit floats and TF32 on the cpu: the numbers of the kernels, by rounding what float32 computes.

Kernels read 16-bit numbers, compute in float32 and round once, when they store. So do the twins here: on float32 copies
of what is 16 bits wide, with results that are rounded to that type. TF32 products take operands rounded to 10 bits.
"""

from __future__ import annotations

from functools import cache, wraps
from types import FunctionType
from typing import Any

import numpy as np

from gpunn.asked import asked, of_floats
from gpunn.cpu.half import from_half, to_half
from gpunn.cpu.threads import parallel_for
from gpunn.restored import restored

_HALF, _LOW = np.uint32(0x1000), np.uint32(0xFFFFE000)  # half of a TF32's last place; all bits but those below it
_WIDE = np.dtype(np.float32)
_PIECE = 1 << 14  # numbers that stay in the first cache from pass to pass


def is_narrow(array: object) -> bool:
    """Whether it is a plain array of 16-bit floats."""
    return isinstance(array, np.ndarray) and array.dtype.itemsize == 2 and array.dtype.kind in "fV"


def in_float32(function: Any = None, *, kept: tuple[int, ...] = ()) -> Any:
    """The function, which computes on float32 copies of 16-bit arrays, and rounds its results to the first one's type.

    Results at the places `kept` stay float32: statistics, and the gradients of what is float32 beside 16 bits. A result
    that is a function, the way back, takes and gives 16 bits in the same way.
    """
    if function is None:
        return lambda given: in_float32(given, kept=kept)

    @wraps(function)
    def call(*args: object, **options: object) -> object:
        first = next((a for a in args if isinstance(a, np.ndarray)), None)
        if first is None or not is_narrow(first):
            return function(*args, **options)
        found = function(*map(_wide, args), **{name: _wide(value) for name, value in options.items()})
        known: dict[int, np.ndarray] = {}
        if isinstance(found, tuple):
            return tuple([one if i in kept else _rounded(one, first.dtype, known) for i, one in enumerate(found)])
        return _rounded(found, first.dtype, known)

    return call


def rounding_back(function: Any) -> Any:
    """The function, which changes arrays of its lists and tuples in place, on float32 copies of the 16-bit ones.

    They are rounded back afterwards: a step of ten lines is rounded once, as a kernel rounds when it stores.
    """

    @wraps(function)
    def call(*args: object, **options: object) -> object:
        moved: list[tuple[np.ndarray, np.ndarray]] = []
        found = function(*[_copied(a, moved) for a in args], **{k: _copied(v, moved) for k, v in options.items()})
        for own, copy in moved:
            own[...] = cast(copy, own.dtype)
        return found

    return call


def _copied(value: object, moved: list[tuple[np.ndarray, np.ndarray]]) -> object:
    """A list with float32 copies of what is narrow in it; those that can be written are noted beside their copies."""
    if not isinstance(value, list | tuple) or not any(map(is_narrow, value)):
        return value
    copies = [_wide(one) for one in value]
    for own, copy in zip(value, copies, strict=True):
        if isinstance(copy, np.ndarray) and copy is not own and own.flags.writeable:
            moved.append((own, copy))
    return copies


def _wide(value: object) -> object:
    """16-bit arrays as float32, in tuples too."""
    if isinstance(value, tuple):
        return tuple([_wide(one) for one in value]) if any(map(is_narrow, value)) else value
    return cast(value, _WIDE) if isinstance(value, np.ndarray) and is_narrow(value) else value


def _rounded(value: object, dtype: np.dtype, known: dict[int, np.ndarray]) -> object:
    """Arrays of float32 in the type, in tuples and from functions too; one array given twice stays one."""
    if isinstance(value, tuple):
        return tuple([_rounded(one, dtype, known) for one in value])
    if isinstance(value, FunctionType):
        return in_float32(value)
    if isinstance(value, np.generic) and value.dtype == np.float32:
        return cast(np.asarray(value), dtype)[()]
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        return value
    if id(value) not in known:
        known[id(value)] = cast(value, dtype)
    return known[id(value)]


@restored
def cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array in another type of floats; what is too large for it is infinite, as on a GPU."""
    if dtype == np.float16 and array.dtype == np.float32:
        return to_half(array)
    if array.dtype == np.float16 and dtype == np.float32:
        return from_half(array)
    with np.errstate(over="ignore"):
        return array.astype(dtype)


@cache
def largest(dtype: np.dtype) -> float:
    """The largest finite number of a type of floats."""
    if dtype.kind != "V":
        return float(np.finfo(dtype).max)
    return float(np.array(0x7F7F0000, np.uint32).view(np.float32))  # bfloat16's: float32's without its lower half


def operands(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The operands of a product as they are multiplied: rounded to TF32 where they are float32 and it is asked for."""
    if (found := asked()) and of_floats(found, arrays[0].dtype.name) == "tf32":
        return tuple([tf32(a) for a in arrays])
    return arrays


def tf32(array: np.ndarray) -> np.ndarray:
    """The numbers, of float32, rounded to TF32's 10 bits of mantissa, ties away from 0; infinities and NaN as they are.

    Examples:
        >>> from gpunn.cpu.narrow import tf32
        >>> tf32(np.array([1 + 2**-11, 1 - 2**-12, -np.inf, np.nan], np.float32))
        array([ 1.0009766,  1.       ,      -inf,        nan], dtype=float32)
    """
    y = np.array(array, order="K")
    flat = y.transpose(sorted(range(y.ndim), key=lambda axis: -y.strides[axis])).reshape(-1)  # a view: y is dense

    def task(i: int) -> None:
        part = flat[i * _PIECE : (i + 1) * _PIECE]
        strange = np.isnan(part)  # whose bits the sum might make another number's
        kept, bits = part[strange], part.view(np.uint32)
        np.add(bits, _HALF, out=bits)
        np.bitwise_and(bits, _LOW, out=bits)
        part[strange] = kept

    parallel_for(task, -(-y.size // _PIECE), y.size)
    return y
