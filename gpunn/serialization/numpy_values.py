"""Arrays as NumPy pickles them, and the sizes in a file."""

from __future__ import annotations

import math
import operator

import numpy as np

from gpunn.dtypes import named
from gpunn.serialization import types as t
from gpunn.unpickling import Made, Refused


def whole(value: Made) -> int:
    """A size or an offset. Refused where it is none."""
    number = operator.index(value)
    if number < 0 or number >= 1 << 62:
        raise Refused(f"has a size of {str(number)[:30]}")
    return number


def wholes(values: Made) -> tuple[int, ...]:
    """A shape, or strides."""
    if not isinstance(values, tuple) or len(values) > 64:
        raise TypeError
    return tuple([whole(value) for value in values])


class NumpyType:
    """A dtype of NumPy's that is being read: its byte order comes with its state."""

    def __init__(self, code: str):
        self.name, self.order = t.NUMPY[code], "="

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.name).newbyteorder(self.order)  # type: ignore[arg-type]


class NumpyArray:
    """An array of NumPy's that is being read: empty until its state arrives."""

    def __init__(self):
        self.keys: list[int] = []  # in the memo, where the array then comes


def array_of(state: Made) -> np.ndarray:
    """The array that NumPy's pickles describe so: version, shape, dtype, order, bytes."""
    _, shape, kind, fortran, content = state
    shape = wholes(shape)
    if not isinstance(kind, NumpyType) or not isinstance(content, bytes):
        raise TypeError
    if math.prod(shape) * kind.dtype.itemsize != len(content):
        raise Refused(f"gives an array of {kind.name} {shape} {len(content)} bytes")
    flat = np.frombuffer(bytearray(content), kind.dtype)
    return flat.reshape(shape, order="F" if fortran else "C").astype(named(kind.name), order="K", copy=False)
