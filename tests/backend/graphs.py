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
