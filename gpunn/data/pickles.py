"""Reads the pickles in which CIFAR is distributed, without running anything that they say.

Beside plain values it knows one pattern, which is how NumPy writes an array of bytes (protocols 2 and 3):

    _reconstruct(ndarray, (0,), 'b')  then state  (1, shape, dtype('u1', ...), is_fortran_order, bytes)

Names are never imported: each of the three that occur becomes a mark that only this pattern can use.
"""

from __future__ import annotations

import math

import numpy as np

from gpunn.errors import DataError
from gpunn.unpickling import Machine, Made, Name, Refused, called


class _Array:
    """An array that is being read: empty until its state arrives."""

    value: np.ndarray | None = None


RECONSTRUCT, NDARRAY, DTYPE = (Name(name) for name in ("_reconstruct", "ndarray", "dtype"))
GLOBALS = {
    "numpy.core.multiarray _reconstruct": RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": RECONSTRUCT,  # since NumPy 2
    "numpy ndarray": NDARRAY,
    "numpy dtype": DTYPE,
}
BYTES = object()  # dtype('u1')
MOST = 600_000  # operations; CIFAR-100's training set has half as many


def read_pickle(data: bytes, path) -> dict:
    """The dict in a pickle of plain values and uint8 arrays; nothing is imported or called.

    Python 2's strings become str (Latin-1). `path` is for the errors: DataError for anything but such a dict.
    """
    try:
        result = _Bytes().run(data)
    except Refused as error:
        raise DataError(
            f"read_pickle: {path} is refused: {error}; only plain values and uint8 arrays are read, and nothing is"
            " executed: use CIFAR's own files"
        ) from None
    except ValueError as error:
        raise DataError(f"read_pickle: {path} is damaged: {error}; fetch the file again") from error
    if not isinstance(result, dict):
        raise DataError(f"read_pickle: {path} holds a {type(result).__name__}, expected a dict; use CIFAR's own files")
    return result


class _Bytes(Machine):
    """Plain values, and arrays of bytes."""

    names = GLOBALS

    def __init__(self):
        super().__init__()
        self.most = MOST

    def call(self, function: Made, arguments: Made) -> Made:
        if function is RECONSTRUCT and arguments in ((NDARRAY, (0,), "b"), (NDARRAY, (0,), b"b")):
            return _Array()
        if function is DTYPE and isinstance(arguments, tuple) and arguments[:1] == ("u1",):
            return BYTES
        raise Refused(f"calls {called(function)} other than to make an array of 'u1'")

    def set_state(self, target: Made, state: Made) -> None:
        """Gives an array its bytes; a dtype's state says only what 'u1' says already."""
        if isinstance(target, _Array):
            target.value = _array(state)
        elif target is not BYTES:
            super().set_state(target, state)

    def finished(self, value: Made) -> Made:
        if isinstance(value, _Array):
            if value.value is None:
                raise TypeError
            return value.value
        if value is BYTES:
            raise TypeError
        return super().finished(value)


def _array(state: Made) -> np.ndarray:
    if not isinstance(state, tuple) or len(state) != 5 or state[0] != 1 or state[2] is not BYTES:
        raise Refused("gives an array a state that is not NumPy's (1, shape, dtype, order, bytes)")
    _, shape, _, fortran, content = state
    if not isinstance(shape, tuple) or len(shape) > 4 or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise Refused("gives an array a shape that is none")
    content = content.encode("latin-1") if isinstance(content, str) else content
    if not isinstance(content, bytes) or len(content) != math.prod(shape):
        raise Refused(f"gives an array of shape {shape} {len(content)} bytes")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")
