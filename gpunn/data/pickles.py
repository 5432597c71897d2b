"""Reads the pickles in which CIFAR is distributed, without running anything that they say.

A pickle is a program; Python's own reader lets it import and call whatever it names. This one is a small stack machine
over `pickletools.genops`. It knows the opcodes of dicts, lists, tuples, numbers and strings, and one pattern beside
them, which is how NumPy writes an array of bytes (protocols 2 and 3):

    _reconstruct(ndarray, (0,), 'b')  then state  (1, shape, dtype('u1', ...), is_fortran_order, bytes)

Names are never imported: each of the three that occur becomes a mark that only this pattern can use.
"""

from __future__ import annotations

import math
import pickletools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn.errors import DataError


class _Global:
    """A name of NumPy's that the pickle refers to; it stands for itself and can do nothing."""

    def __init__(self, name: str):
        self.name = name


class _Array:
    """An array that is being read: empty until its state arrives."""

    value: np.ndarray | None = None


RECONSTRUCT, NDARRAY, DTYPE = (_Global(name) for name in ("_reconstruct", "ndarray", "dtype"))
GLOBALS = {
    "numpy.core.multiarray _reconstruct": RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": RECONSTRUCT,  # since NumPy 2
    "numpy ndarray": NDARRAY,
    "numpy dtype": DTYPE,
}
BYTES = object()  # dtype('u1')
MOST = 600_000  # operations; CIFAR-100's training set has half as many


class _Refused(Exception):
    """What the pickle does that this reader does not; the text completes `the pickle ...`."""


def read_pickle(data: bytes, path) -> dict:
    """The dict in a pickle of plain values and uint8 arrays; nothing is imported or called.

    Python 2's strings become str (Latin-1). `path` is for the errors: DataError for anything but such a dict.
    """
    machine = _Machine()
    try:
        with warnings.catch_warnings():  # genops decodes, and warns of, texts before this reader can refuse them
            warnings.simplefilter("ignore", DeprecationWarning)
            machine.run(data)
    except _Refused as error:
        raise DataError(
            f"read_pickle: {path} is refused: {error}; only plain values and uint8 arrays are read, and nothing is"
            " executed: use CIFAR's own files"
        ) from None
    except ValueError as error:
        raise DataError(f"read_pickle: {path} is damaged: {error}; fetch the file again") from error
    result = machine.stack[-1] if machine.stack else None
    if not isinstance(result, dict):
        raise DataError(f"read_pickle: {path} holds a {type(result).__name__}, expected a dict; use CIFAR's own files")
    return result


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self):
        self.stack: list[Any] = []
        self.marks: list[int] = []  # how high the stack was: looking for marks in it takes quadratic time
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> None:
        """Executes the pickle: _Refused for what it must not say, ValueError where it is no sound pickle."""
        for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):
            if count == MOST:
                raise _Refused(f"at byte {position} it has run {MOST:,} operations")
            try:
                self.step(opcode.name, argument)
            except _Refused as error:
                raise _Refused(f"at byte {position} it {error}") from None
            except (IndexError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"opcode {opcode.name} at byte {position} finds nothing fitting to work on") from error

    def step(self, name: str, argument: Any) -> None:
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in VALUES:
            self.stack.append(argument)
        elif name in ACTIONS:
            ACTIONS[name](self, argument)
        elif name not in ("PROTO", "STOP"):
            raise _Refused(f"uses opcode {name}")

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def above_mark(self) -> list[Any]:
        """Takes off everything above the last mark, and the mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop(self, n: int) -> list[Any]:
        if len(self.stack) < n + (self.marks[-1] if self.marks else 0):
            raise IndexError
        items = self.stack[-n:]
        del self.stack[-n:]
        return items

    def find_global(self, argument: str) -> None:
        if argument not in GLOBALS:
            raise _Refused(f"names the global {argument.replace(' ', '.')}")
        self.stack.append(GLOBALS[argument])

    def put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def get(self, key: int) -> None:
        self.stack.append(self.memo[key])

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError
        if not all(isinstance(key, (str, bytes)) for key in items[::2]):
            raise _Refused("has a key that is no string")
        target.update(zip(items[::2], map(_finished, items[1::2]), strict=True))

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError
        self.stack[-1].extend(map(_finished, items))

    def reduce(self) -> None:
        """Calls nothing: recognises the two calls of the pattern."""
        function, arguments = self.pop(2)
        name = getattr(function, "name", f"a {type(function).__name__}")
        if function is RECONSTRUCT and arguments in ((NDARRAY, (0,), "b"), (NDARRAY, (0,), b"b")):
            self.stack.append(_Array())
        elif function is DTYPE and isinstance(arguments, tuple) and arguments[:1] == ("u1",):
            self.stack.append(BYTES)
        else:
            raise _Refused(f"calls {name} other than to make an array of 'u1'")

    def build(self) -> None:
        """Gives an array its bytes; a dtype's state says only what 'u1' says already."""
        target, state = self.pop(2)
        if isinstance(target, _Array):
            target.value = _array(state)
        elif target is not BYTES:
            raise _Refused(f"sets the state of {getattr(target, 'name', f'a {type(target).__name__}')}")
        self.stack.append(target)


def _finished(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.value is None:
            raise TypeError
        return value.value
    if value is BYTES or isinstance(value, _Global):
        raise TypeError
    return value


def _array(state: Any) -> np.ndarray:
    if not isinstance(state, tuple) or len(state) != 5 or state[0] != 1 or state[2] is not BYTES:
        raise _Refused("gives an array a state that is not NumPy's (1, shape, dtype, order, bytes)")
    _, shape, _, fortran, content = state
    if not isinstance(shape, tuple) or len(shape) > 4 or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise _Refused("gives an array a shape that is none")
    content = content.encode("latin-1") if isinstance(content, str) else content
    if not isinstance(content, bytes) or len(content) != math.prod(shape):
        raise _Refused(f"gives an array of shape {shape} {len(content)} bytes")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


CONSTANTS: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
VALUES = frozenset(
    ["BININT", "BININT1", "BININT2", "SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES"]
)
ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda m, _: m.mark(),
    "GLOBAL": _Machine.find_global,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "TUPLE": lambda m, _: m.stack.append(tuple(m.above_mark())),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m.pop(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m.pop(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m.pop(3))),
    "APPEND": lambda m, _: m.extend(m.pop(1)),
    "APPENDS": lambda m, _: m.extend(m.above_mark()),
    "SETITEM": lambda m, _: m.set_items(m.pop(2)),
    "SETITEMS": lambda m, _: m.set_items(m.above_mark()),
    "REDUCE": lambda m, _: m.reduce(),
    "BUILD": lambda m, _: m.build(),
}
