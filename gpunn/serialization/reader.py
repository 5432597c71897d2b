"""Reads the pickle of a PyTorch file: tensors, parameters and plain values, by a fixed list of names; runs nothing."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn.backend import array_module, device
from gpunn.dtypes import named
from gpunn.engine.tensor import Tensor
from gpunn.nn.parameter import Parameter
from gpunn.serialization import types as t
from gpunn.serialization.numpy_values import NumpyArray, NumpyType, array_of, whole, wholes
from gpunn.unpickling import Machine, Made, Name, Refused, called

EXPANDED = 1 << 24  # elements that a tensor may have beyond its storage's, as expanded ones do
ORDERS = ("<", ">", "|", "=")  # of bytes
KEYS = (str, bytes, int, float, bool, type(None))  # a nest of tuples could take forever to hash


class Reader(Machine):
    """What a file's pickle makes; `storage(type, key, location, count)` finds the numbers that lie outside it."""

    names = t.NAMES
    most = 20_000_000
    wide = True

    def __init__(self, storage: Callable[[t.StorageType, str, str, int], t.Storage]):
        super().__init__()
        self.storage = storage

    def run(self, data: bytes) -> Made:
        return self.cleaned(super().run(data))

    def find_global(self, argument: str) -> None:
        if argument in t.DTYPES:
            self.stack.append(named(t.DTYPES[argument]))
        elif argument in self.names:
            self.stack.append(self.names[argument])
        else:
            raise Refused(f"names {argument.replace(' ', '.')}{_advice(argument)}")

    def put(self, key: int) -> None:
        super().put(key)
        if isinstance(self.stack[-1], NumpyArray):
            self.stack[-1].keys.append(key)

    def build(self) -> None:
        if len(self.stack) > 1 and isinstance(self.stack[-2], NumpyArray):
            empty, state = self.pop(2)
            made = array_of(state)
            self.memo.update(dict.fromkeys(empty.keys, made))
            self.stack.append(made)
        else:
            super().build()

    def check_key(self, key: Made) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(part, KEYS) for part in parts):
            raise Refused("has a key that is no string or number")

    def call(self, function: Made, arguments: Made) -> Made:
        action = CALLS.get(function) if isinstance(function, Name) else None
        if action is None or not isinstance(arguments, tuple):
            raise Refused(f"calls {called(function)}")
        return action(self, *arguments)

    def persistent(self, key: Made) -> t.Storage:
        if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage" or key[5:] not in ((), (None,)):
            raise Refused("refers to what is no storage")
        _, kind, name, location, count = key[:5]
        if not isinstance(kind, t.StorageType) or not isinstance(name, str) or not isinstance(location, str):
            raise TypeError
        return self.storage(kind, name, location, whole(count))

    def set_state(self, target: Made, state: Made) -> None:
        if isinstance(target, OrderedDict) and isinstance(state, dict) and state.keys() <= {"_metadata"}:
            return  # the versions of layers, in a state_dict
        if isinstance(target, NumpyType) and isinstance(state, tuple) and len(state) >= 8 and state[1] in tuple("<>|="):
            target.order = state[1]
        else:
            super().set_state(target, state)

    def finished(self, value: Made) -> Made:
        if isinstance(value, (t.Storage, NumpyType, NumpyArray)):
            raise TypeError
        return super().finished(value)

    def cleaned(self, result: Made) -> Made:
        """The result, of which no part may be a mark of this reader. Refused where one is."""
        left, seen = [result], set()
        while left:
            value = left.pop()
            if isinstance(value, (dict, list, tuple)) and not isinstance(value, t.Storage):
                if id(value) not in seen:
                    seen.add(id(value))
                    left += value.values() if isinstance(value, dict) else value
            elif isinstance(value, (Name, t.Storage, NumpyType, NumpyArray)):
                raise Refused(f"it leaves {called(value)} unused")
        return result


def _advice(argument: str) -> str:
    if argument.startswith(("torch.nn.modules", "__main__")):
        return ", a class, whose code is no part of the file: where it was saved, save model.state_dict() instead"
    return ""


def _tensor(machine: Reader, storage: Made, offset: Made, size: Made, stride: Made, *rest: Made) -> Tensor:
    """A view of a storage, within its bounds."""
    requires_grad, of = bool(rest and rest[0]), rest[2] if len(rest) > 2 else None
    if not isinstance(storage, t.Storage):
        raise TypeError
    flat = storage.array
    if storage.dtype is None:
        if not isinstance(of, np.dtype):
            raise TypeError
        flat = flat[: flat.size // of.itemsize * of.itemsize].view(of)
    start, shape, steps = whole(offset), wholes(size), wholes(stride)
    if len(shape) != len(steps):
        raise TypeError
    count = math.prod(shape)
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) if count else start
    if last >= flat.size + (count == 0) or count > max(flat.size, EXPANDED):
        raise Refused(f"has a tensor of {shape} past the end of its storage of {flat.size} elements")
    xp, itemsize = array_module(flat), flat.dtype.itemsize
    part = flat[start:]
    view = xp.lib.stride_tricks.as_strided(part, shape, [step * itemsize for step in steps])
    view = view if type(view) is type(part) else view.view(type(part))  # of the emulator
    return Tensor(view, requires_grad and flat.dtype.kind in "fV")


def _parameter(machine: Reader, tensor: Made, requires_grad: Made, hooks: Made = None) -> Parameter:
    if not isinstance(tensor, Tensor):
        raise TypeError
    return Parameter(tensor, bool(requires_grad))


def _ordered(machine: Reader, pairs: Made = ()) -> OrderedDict:
    made: OrderedDict = OrderedDict()
    for pair in pairs:
        key, value = pair
        machine.check_key(key)
        made[key] = machine.finished(value)
    return made


def _counter(machine: Reader, counts: Made = None) -> Counter:
    if not isinstance(counts, dict):
        raise TypeError
    return Counter(counts)


def _set(kind: type) -> Callable[[Reader, Any], Any]:
    def make(machine: Reader, items: Made = ()) -> Made:
        for item in items:
            machine.check_key(item)
        return kind(items)

    return make


def _device(machine: Reader, name: Made, index: Made = None) -> Made:
    if not isinstance(name, str):
        raise TypeError
    try:
        return device(name, index)
    except ValueError as error:
        raise Refused(f"has a device that gpunn lacks ({error})") from None


def _encoded(machine: Reader, text: Made, encoding: Made) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"encodes a text in {str(encoding)[:30]!r}")
    return text.encode("latin-1")


def _numpy_type(machine: Reader, code: Made, *flags: Made) -> NumpyType:
    if code not in t.NUMPY:
        raise Refused(f"has an array of NumPy's type {str(code)[:30]!r}")
    return NumpyType(code)


def _numpy_array(machine: Reader, kind: Made, shape: Made, code: Made) -> NumpyArray:
    if kind is not t.NDARRAY:
        raise TypeError
    return NumpyArray()


def _scalar(machine: Reader, kind: Made, content: Made) -> Made:
    if not isinstance(kind, NumpyType) or not isinstance(content, bytes) or len(content) != kind.dtype.itemsize:
        raise TypeError
    return np.frombuffer(content, kind.dtype)[0].item()


CALLS: dict[Name, Callable[..., Any]] = {
    t.TENSOR: _tensor,
    t.TENSOR_V3: _tensor,
    t.PARAMETER: _parameter,
    t.ORDERED: _ordered,
    t.COUNTER: _counter,
    t.SET: _set(set),
    t.FROZEN: _set(frozenset),
    t.SIZE: lambda machine, sizes=(): wholes(tuple(sizes)),
    t.DEVICE: _device,
    t.ENCODE: _encoded,
    t.BYTES: lambda machine: b"",
    t.NUMPY_DTYPE: _numpy_type,
    t.RECONSTRUCT: _numpy_array,
    t.SCALAR: _scalar,
}
