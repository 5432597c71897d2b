"""Room for arrays past 2^31 elements, zeros but for their end, and the tasks of `gpunn verify` on them.

The emulator reserves such arrays without memory and runs the last blocks of each launch alone, which are all that make
anything but zeros. A card runs them whole, where it has the memory. Storage is float16, since no index depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from zlib import crc32

import numpy as np

from gpunn.backend import Array, free_bytes, require_emulator, streams, to_device, twins
from gpunn.backend.contract import Twins
from gpunn.cuda.device import zeros
from gpunn.layout import channels_first
from gpunn.verify.task import Task

F16 = np.dtype(np.float16)
Want = Callable[..., tuple]


class Space:
    """Room for large arrays on a device."""

    def __init__(self, device: str):
        self.device = device
        self.on_emulator = device == "emulator"

    @property
    def twins(self) -> Twins:
        """The functions that take its arrays."""
        return twins(self.give(np.zeros(1, F16)))

    def free(self) -> float:
        """Bytes that arrays may take."""
        return free_bytes(self.device)

    def zeros(self, *shape: int, dtype: np.dtype = F16) -> Array:
        """New zeros, on the emulator address space alone."""
        if self.on_emulator:
            host = require_emulator()
            return host.reserved(shape, dtype).view(host.EmulatedArray)
        return zeros(self.give(np.zeros(1, dtype)), shape, dtype)

    def give(self, values: np.ndarray) -> Array:
        """A small array on the device."""
        return to_device(np.asarray(values), self.device)

    def image(self, samples: int, last: np.ndarray, channels_last: bool = True, dtype: np.dtype = F16) -> Array:
        """(samples, C, *spatial), of which `last` (C, *spatial) is the last one."""
        if not channels_last:
            made = self.zeros(samples, *last.shape, dtype=dtype)
        else:
            made = channels_first(self.zeros(samples, *last.shape[1:], last.shape[0], dtype=dtype))
        made[-1] = self.give(last)
        return made

    def draw(self, count: int) -> None:
        """Where the emulator runs the last block alone: have its first ticket drawn by those before it."""
        if self.on_emulator:
            streams.tickets(streams.EMULATOR, 1)[0] = count

    def last_blocks(self, count: int) -> AbstractContextManager:
        """Where launches run so many blocks alone, on the emulator."""
        return require_emulator().last_blocks(count) if self.on_emulator else nullcontext()


class Beyond:
    """One task: `run` gives the ends of the results, `want` what the oracle says of them; `gigabytes` is its memory."""

    def __init__(self, operation: str, name: str, gigabytes: int, blocks: int, run: Callable[[], tuple], want: Want):
        self.operation, self.name, self.gigabytes = operation, f"{name}, past 2^31 elements", gigabytes
        self.blocks, self.run, self.want = blocks, run, want

    def task(self, space: Space) -> Task:
        def run() -> tuple:
            with space.last_blocks(self.blocks):
                return tuple([end.copy() for end in self.run()])

        return Task(self.operation, self.name, run, self.want)


def numbers(name: str, *shape: int) -> np.ndarray:
    """Seeded float16 numbers with ties, each a small multiple of 1/8: sums of a few products are exact."""
    rng = np.random.default_rng(crc32(name.encode()))
    return (rng.integers(-16, 17, shape) / 8).astype(F16)


def exact(*values: np.ndarray) -> tuple:
    """What a task wants where sums are exact."""
    return tuple((np.asarray(value, np.float64) if value.dtype.kind == "f" else value, 0, None) for value in values)
