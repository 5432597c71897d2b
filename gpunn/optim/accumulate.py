"""Gradient accumulation: several batches, one update."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import is_
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, capture
from gpunn.engine.tensor import Tensor
from gpunn.optim.batch import by_kind
from gpunn.optim.saved import like


class Accumulation:
    """Sums gradients of `every` batches and releases their mean, as of one large batch.

    Each batch weighs what its loss's mean was divided by: its samples, or the labels that count. Such a count may stay
    on the device, which nobody waits for.

    The sums are arrays of their own in the parameters' order, so that they can be saved between two batches and a
    resumed run adds the same numbers in the same order. They are the same arrays for as long as the parameters stay
    what they are, as a captured step needs: a released gradient is overwritten by the next sum. Memory: one array a
    parameter; none with `every` 1, which leaves gradients where they are.
    """

    def __init__(self, every: int):
        self.every = every
        self._memory: list[Array | None] = []
        self._count: Array | None = None  # where the device keeps the samples, if it alone knows them
        self._kept: dict[tuple, dict[str, Any]] = {}  # what each launch keeps between two batches
        self._counts = False  # with `every` 1, whether the batch does
        self._start()

    def _start(self) -> None:
        self.batches = 0
        self.samples: float | Array = 0  # that count; an array of one where the host does not know
        self.begun: tuple[bool, ...] = ()  # which parameters' sums hold something

    @property
    def sums(self) -> list[Array | None]:
        """The sum of each parameter's gradients, None where it had none; empty before the first batch."""
        return [memory if begun else None for memory, begun in zip(self._memory, self.begun, strict=bool(self.begun))]

    @property
    def memory(self) -> list[Array]:
        """The arrays of the sums and of the device's count, in use or not."""
        return [array for array in (*self._memory, self._count) if array is not None]

    def counted(self) -> tuple[int, float | None, tuple[bool, ...]]:
        """Batches, samples and which sums have begun, for the host; None for samples that a device counts."""
        samples = self.samples
        return self.batches, samples if isinstance(samples, (int, float)) else None, self.begun

    def set_counted(self, counted: tuple[int, float | None, tuple[bool, ...]]) -> None:
        """Go on from what `counted` gave: a replay of a captured step counts nothing on the host."""
        self.batches, samples, self.begun = counted
        if samples is not None:
            self.samples = samples
        elif self._count is not None:
            self.samples = self._count

    @contextmanager
    def collecting(self, parameters: Iterable[Tensor], weight: float | Array | None, due: bool) -> Iterator[None]:
        """A block in which the mean loss of a batch runs backward; its gradients are taken in.

        The weight is what the mean was divided by, None where nothing counted; `due`: `release` is to follow.
        """
        yield
        if self.every == 1:
            self._counts = weight is not None
        elif weight is None:
            self.skip()
        else:
            self.add(parameters, weight)

    def add(self, parameters: Iterable[Tensor], samples: float | Array) -> None:
        """Take in the gradients of the mean loss of a batch in which so many samples count."""
        params = list(parameters)
        self._make_room(params)
        self._add(params, range(len(params)), samples)
        self._end_batch(samples)

    def _make_room(self, params: list[Tensor]) -> None:
        """See to memory for the sums that begin now."""
        self.begun = self.begun or (False,) * len(params)
        self._memory = self._memory or [None] * len(params)
        for i, (p, has) in enumerate(zip(params, self.begun, strict=True)):
            if not has and p.gradient is not None and not _fits(self._memory[i], p.array):
                self._memory[i] = backend.array_module(p.array).empty_like(p.array)

    def _add(self, params: list[Tensor], members: Sequence[int], weight: float | Array) -> None:
        """Add weight times the gradients of some of the parameters to their sums."""
        members = [i for i in members if params[i].gradient is not None]
        rows = []
        for i in members:
            total, gradient = self._memory[i], params[i].gradient
            assert total is not None and gradient is not None
            rows.append((total, _apart(gradient, total), not self.begun[i]))
        for kind, some in by_kind(rows).items():
            sums, grads, fresh = map(list, zip(*some, strict=True))
            kept = self._kept.setdefault((members[0], kind), {})
            backend.twins(sums[0]).optim.accumulate(sums, grads, weight, fresh, kept)
        added = set(members)
        self.begun = tuple([has or i in added for i, has in enumerate(self.begun)])

    def _end_batch(self, samples: float | Array) -> None:
        self.batches, self.samples = self.batches + 1, self._counted(samples)
        memory = self.memory
        capture.guard(lambda: len(self.memory) == len(memory) and all(map(is_, memory, self.memory)))

    def _counted(self, samples: float | Array) -> float | Array:
        """The samples so far and these, in float64; on a device in the one array that is kept there."""
        if not backend.is_array(samples):
            return self.samples + samples
        count = self._count
        if count is None or type(count) is not type(samples) or count.shape != samples.shape:
            count = self._count = backend.array_module(samples).empty_like(samples, dtype=np.float64)
        count[...] = samples + self.samples if self.batches else samples
        return count

    def skip(self) -> None:
        """Take in a batch of which nothing counts."""
        self.batches += 1

    def release(self, parameters: Iterable[Tensor]) -> bool:
        """Make the mean the parameters' gradients, and start anew; whether anything counted, as far as is known."""
        if self.every == 1:
            return self._counts
        found = bool(self.begun)
        for some in by_kind((total,) for total in self.sums if total is not None).values():
            sums = [total for (total,) in some]
            backend.twins(sums[0]).optim.divide(sums, self.samples)
        for p, total in zip(parameters, self.sums, strict=found):
            p.gradient = total
        self._start()
        return found

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches, "samples": _number(self.samples), "sums": self.sums}

    def load_state_dict(self, saved: Mapping[str, Any], parameters: Iterable[Tensor]) -> None:
        """Take over what `state_dict` returned, on the parameters' device, in their dtype and memory order."""
        self.batches, self.samples = saved["batches"], saved["samples"]
        self.begun = tuple([total is not None for total in saved["sums"]])
        self._memory = [
            None if total is None else like(total, p.array) for p, total in zip(parameters, saved["sums"], strict=False)
        ]


def _fits(memory: Array | None, array: Array) -> bool:
    """Whether the memory is an array like this one."""
    return (
        memory is not None
        and type(memory) is type(array)
        and (memory.shape, memory.dtype, memory.strides) == (array.shape, array.dtype, array.strides)
    )


def _apart(gradient: Array, total: Array) -> Array:
    """The gradient, a copy where it lies in the memory of the sum: a released one to which backward has added."""
    inside = gradient is total or (gradient.base is not None and gradient.base is total.base)
    return gradient.copy(order="K") if inside else gradient


def _number(count: float | Array) -> float:
    """A count as the host's number, which waits for a device; whole ones as int."""
    value = float(backend.to_numpy(count).reshape(())) if backend.is_array(count) else float(count)
    return int(value) if value.is_integer() else value
