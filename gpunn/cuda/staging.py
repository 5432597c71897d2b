"""From the host to a GPU through page-locked memory, on a stream of its own, beside what the GPU computes.

A copy from memory that may be paged out makes the host wait; from page-locked memory it does not. Two sets of buffers
take turns: one is filled while the other's copies run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array

STAGED = "biuf"  # kinds of numbers that go this way; others (bfloat16) as ever


class Staging:
    """Copies to one GPU: `begin`, `place` for each array, `end`, and `arrive` before the arrays are used.

    Memory comes from the caller's stream, which copies wait for, and which waits for them in `arrive`.
    """

    def __init__(self, index: int):
        self.cupy = backend.require_cupy()
        cuda = self.cupy.cuda
        self.device = cuda.Device(index)
        with self.device:
            self.stream = cuda.Stream(non_blocking=True)
            self._before = cuda.Event(disable_timing=True)
            self._sets = [_Buffers(cuda), _Buffers(cuda)]

    def begin(self) -> None:
        """Take the other set of buffers, once its copies have ended."""
        self._sets.reverse()
        self._sets[0].reuse()

    def place(self, array: Array) -> Array:
        """The array on the device, its memory order kept; there once `arrive` has been called."""
        where = backend.Device("cuda", self.device.id)
        if backend.device_of(array).type != "cpu" or array.dtype.kind not in STAGED or not array.size:
            return backend.to_device(array, where)
        host = backend.to_numpy(array)
        axes = sorted(range(host.ndim), key=lambda axis: -host.strides[axis])
        if not host.transpose(axes).flags.c_contiguous:
            axes = list(range(host.ndim))
        rows = host.transpose(axes)
        with self.device:
            there = self.cupy.empty(rows.shape, rows.dtype)
            self._before.record(self.cupy.cuda.get_current_stream())  # whatever used this memory before
            self.stream.wait_event(self._before)
            there.data.copy_from_host_async(self._sets[0].filled(rows), rows.nbytes, self.stream)
        return there.transpose([axes.index(axis) for axis in range(host.ndim)])

    def end(self) -> Any:
        """What `arrive` takes: the moment at which the arrays placed since `begin` are there."""
        with self.device:
            self._sets[0].copied.record(self.stream)
        return self._sets[0].copied

    def arrive(self, copied: Any) -> None:
        """Let the caller's stream wait for the copies."""
        with self.device:
            self.cupy.cuda.get_current_stream().wait_event(copied)

    def close(self) -> None:
        """Wait for the copies: only then may others have the memory."""
        self.stream.synchronize()


class _Buffers:
    """Page-locked memory for the arrays of one batch, and the moment at which their copies have ended."""

    def __init__(self, cuda: Any):
        self._cuda, self._memory = cuda, []
        self._used, self._begun = 0, False
        self.copied = cuda.Event(disable_timing=True)

    def reuse(self) -> None:
        if self._begun:
            self.copied.synchronize()
        self._used, self._begun = 0, True

    def filled(self, array: np.ndarray) -> int:
        """The address of memory that holds the array's values in row-major order."""
        if self._used == len(self._memory):
            self._memory.append(self._cuda.alloc_pinned_memory(array.nbytes))
        elif self._memory[self._used].size() < array.nbytes:
            self._memory[self._used] = self._cuda.alloc_pinned_memory(array.nbytes)
        memory = self._memory[self._used]
        self._used += 1
        np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)[...] = array
        return memory.ptr
