"""The memory behind a tree's Tensors: what is shared is saved once, and is shared again where it is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from gpunn.backend import Array, Device, array_module, device_of, to_numpy
from gpunn.backend.memory import address, block_of
from gpunn.engine.tensor import Tensor, data_of


class View(NamedTuple):
    """Where a Tensor's numbers lie in its storage; offset and strides in elements."""

    key: str
    count: int
    itemsize: int
    offset: int
    strides: tuple[int, ...]
    device: Device


class Storages:
    """The storages of the Tensors of a tree."""

    def __init__(self, tree: Any):
        self.contents: dict[str, np.ndarray] = {}
        self._views: dict[int, View] = {}
        arrays = {id(data_of(x)): data_of(x) for x in tensors_of(tree)}
        self._kept = list(arrays.values())
        shared: dict[Any, list[Array]] = {}
        for a in self._kept:
            shared.setdefault(self._memory(a), []).append(a)
        for group in shared.values():
            self._store(group)

    def view(self, a: Array) -> View:
        """Where an array of the tree lies."""
        return self._views[id(a)]

    @staticmethod
    def _memory(a: Array) -> Any:
        """What arrays have in common whose numbers go into one storage."""
        steps = [step for step, n in zip(a.strides, a.shape, strict=True) if n > 1]
        if not a.size or min(steps, default=0) < 0 or any(step % a.itemsize for step in steps):
            return id(a)
        return block_of(a), a.dtype.str, address(a) % a.itemsize

    def _store(self, group: list[Array]) -> None:
        """One storage: the span of memory that several arrays use, or the numbers of one."""
        key, first = str(len(self.contents)), group[0]
        if len(group) == 1:
            values = to_numpy(first).copy(order="K")
            flat, low, parts = _flat(values), 0, [(first, values.strides, 0)]
        else:
            low = min(address(a) for a in group)
            high = max(address(a) + sum((n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)) for a in group)
            start = next(a for a in group if address(a) == low)
            count = (high - low) // first.itemsize + 1
            flat = to_numpy(_span(start, count)).copy()
            parts = [(a, a.strides, address(a) - low) for a in group]
        self.contents[key] = flat
        for a, strides, offset in parts:
            steps = tuple([s // a.itemsize if n > 1 else 1 for n, s in zip(a.shape, strides, strict=True)])
            self._views[id(a)] = View(key, flat.size, a.itemsize, offset // a.itemsize, steps, device_of(a))


def _flat(a: np.ndarray) -> np.ndarray:
    """A dense array's memory, in its order."""
    order = sorted(range(a.ndim), key=lambda axis: -a.strides[axis])
    return a.transpose(order).reshape(-1)


def _span(start: Array, count: int) -> Array:
    """So many elements of memory from an array's first on."""
    return array_module(start).lib.stride_tricks.as_strided(start, (count,), (start.itemsize,))


def tensors_of(tree: Any) -> Iterable[Tensor]:
    """The Tensors of a tree of dicts, lists, tuples and sets."""
    left, seen = [tree], set()
    while left:
        value = left.pop()
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            left += value.values() if isinstance(value, dict) else value
