"""Casts from float32 to float16 and back: the bits of NumPy's own casts, which take 2 to 90 ns a number in software.

NumPy's wheels do not use the processor's instructions for it, and raise a flag of the processor for each number below
2^-14, as most gradients are. Here it is arithmetic on arrays of bits, some 4 ns a number whatever it is.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import DTypeLike

from gpunn.cpu.layout import scratch
from gpunn.cpu.threads import parallel_for

_PIECE, _FEW = 1 << 15, 1 << 10  # numbers that stay in the second cache; that are not worth a dozen calls
_SIZE, _EXPONENT, _SIGN = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000), np.uint16(0x8000)
_INFINITY, _TOP = 0x7F800000, np.uint32(0x47800000)  # of float32; 2^16, which rounds to float16's
_SMALLEST = np.uint32(0x38800000)  # 2^-14: below it numbers of 16 bits lie 2^-24 apart
_UP, _DROPPED = np.uint32(13 << 23), np.uint32(13)  # bits of mantissa that float16 lacks
_LEVEL = np.uint16(0xC400)  # (2^-14's exponent in float32, as bits of float16) + 2^10, less what leaves 16 bits


def to_half(array: np.ndarray) -> np.ndarray:
    """Round float32 numbers to float16: to the nearest, ties to even; what is too large becomes infinite.

    Examples:
        >>> from gpunn.cpu.half import to_half
        >>> to_half(np.array([1 + 2**-11, 65519, 65520, 2**-25, 1.5 * 2**-24], np.float32))
        array([1.000e+00, 6.550e+04,       inf, 0.000e+00, 1.192e-07],
              dtype=float16)
    """
    if array.size < _FEW:
        with np.errstate(all="ignore"):
            return array.astype(np.float16)
    y, numbers, found = _pair(array, np.float16)
    found = found.view(np.uint16)

    def task(i: int) -> None:
        here = slice(i * _PIECE, (i + 1) * _PIECE)
        _round(numbers[here], found[here])

    parallel_for(task, -(-y.size // _PIECE), y.size)
    return y


def _round(numbers: np.ndarray, found: np.ndarray) -> None:
    """Writes the bits of float16 for a piece.

    2^(e+13) added to a number of exponent e leaves as its last place 2^(e-10), which is float16's: the sum is rounded
    to it by the processor, and its mantissa counts such places.
    """
    bits = numbers.view(np.uint32)
    size, exponent, raised = scratch("half", (3, len(bits)), np.uint32)
    np.bitwise_and(bits, _SIZE, out=size)
    largest = int(size.max())
    if largest > _TOP:
        np.minimum(size, _TOP, out=size)
    np.bitwise_and(size, _EXPONENT, out=exponent)
    np.maximum(exponent, _SMALLEST, out=exponent)
    np.add(exponent, _UP, out=raised)
    np.add(size.view(np.float32), raised.view(np.float32), out=size.view(np.float32))
    np.subtract(size, raised, out=size)  # places
    np.right_shift(exponent, _DROPPED, out=exponent)
    np.add(size, exponent, out=found, casting="unsafe")
    np.subtract(found, _LEVEL, out=found)
    sign = scratch("half sign", (len(bits),), np.uint16)
    np.bitwise_and(_high(bits), _SIGN, out=sign)
    np.bitwise_or(found, sign, out=found)
    if largest > _INFINITY:
        strange = np.isnan(numbers)
        found[strange] = numbers[strange].astype(np.float16).view(np.uint16)


def _high(bits: np.ndarray) -> np.ndarray:
    """The upper halves of 32-bit numbers."""
    return bits.view(np.uint16)[1 if np.little_endian else 0 :: 2]


def from_half(array: np.ndarray) -> np.ndarray:
    """Give float16 numbers as float32 ones, by a table of all of them."""
    if array.size < _FEW:
        return array.astype(np.float32)
    (y, numbers, found), table = _pair(array, np.float32), _table()
    numbers = numbers.view(np.uint16)

    def task(i: int) -> None:
        here = slice(i * _PIECE, (i + 1) * _PIECE)
        np.take(table, numbers[here], out=found[here], mode="clip")  # "raise" would write to memory of its own first

    parallel_for(task, -(-y.size // _PIECE), y.size)
    return y


@cache
def _table() -> np.ndarray:
    """NumPy's float32 of each float16, by its bits."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _pair(array: np.ndarray, dtype: DTypeLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An array like this of another type; the numbers of both, one after the other, the new one's as a view."""
    y = np.empty_like(array, dtype)
    axes = sorted(range(y.ndim), key=lambda axis: -y.strides[axis])
    return y, np.ascontiguousarray(array.transpose(axes)).reshape(-1), y.transpose(axes).reshape(-1)
