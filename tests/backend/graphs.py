"""What tests of the look-alike's captures share."""

import numpy as np
import pytest

X = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def xp(look_alike):
    return look_alike


@pytest.fixture
def stream(xp):
    return xp.cuda.Stream(non_blocking=True)


def is_poison(array):
    """Whether a device array's every byte is 0xFF."""
    return (array.get().reshape(-1).view(np.uint8) == 0xFF).all()


def captured(xp, stream, pool, work):
    """(graph, results) of work() after it has run once, so that the pool holds what it needs."""
    with stream, xp.cuda.using_allocator(pool.malloc):
        work()
        stream.begin_capture()
        results = work()
        return stream.end_capture(), results


class Feed:
    """Numbers that a capture asks for: in memory which the device and the host share."""

    def __init__(self, xp):
        self.xp, self.slots = xp, []

    def add(self, make, dtype, shape):
        size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        pinned = self.xp.cuda.alloc_pinned_memory(size)
        host = np.frombuffer(pinned, np.uint8, size)
        self.slots.append((make, host, np.dtype(dtype)))
        pointer = self.xp.cuda.MemoryPointer(self.xp.cuda.UnownedMemory(pinned.ptr, size, pinned), 0)
        return self.xp.ndarray(shape, dtype, pointer)

    def guard(self, holds):
        assert holds()

    def fill(self):
        """What the host does before each replay."""
        for make, host, dtype in self.slots:
            values = np.asarray(make(), dtype)
            host[: values.nbytes] = values.reshape(-1).view(np.uint8)
