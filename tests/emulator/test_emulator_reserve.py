"""Arrays past 2^31 elements that take no memory, and launches that run the end of their grid alone."""

import mmap
import resource

import numpy as np
import pytest

from gpunn import emulator
from gpunn.errors import DeviceError

COUNT = """
extern "C" __global__ void count(const float* x, float* y, long long size)
{
    const INT i = (INT)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) y[i] = x[i] + 1;
}
"""
SIZE = 2**31 + 1000


def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def run(kind, blocks, **options):
    kernel = emulator.load(COUNT, "count", {"INT": kind})
    x = emulator.reserved((SIZE,)).view(emulator.EmulatedArray)
    x[-3:] = 5, 6, 7
    with emulator.last_blocks(blocks):
        y = emulator.empty(SIZE)
        kernel((-(-SIZE // 256),), (256,), (x, y, SIZE), **options)
    return y


@pytest.mark.parametrize("schedule", ["forward", "reverse", "random"])
def test_the_last_blocks_write_the_end_of_an_array_past_2_31_elements(schedule):
    before = resident()
    y = run("long long", 2, schedule=schedule, strict=True)  # strict takes copies: not of these
    assert resident() - before < 64 << 20
    assert y.dtype == np.float32 and isinstance(y, emulator.EmulatedArray)
    written = SIZE % 256 + 256
    assert y[-3:].tolist() == [6, 7, 8] and (y[-written:-3] == 1).all() and not y[-written - 300 : -written].any()


def test_an_index_of_32_bits_is_caught_there():
    with pytest.raises(emulator.KernelError, match="that lies in no array passed in"):
        run("int", 2)


def test_more_blocks_than_there_are_and_none_asked_for():
    kernel = emulator.load(COUNT, "count", {"INT": "int"})
    x = emulator.EmulatedArray.of(np.arange(300.0, dtype=np.float32))
    y = emulator.empty(300)
    with emulator.last_blocks(9):
        kernel((2,), (256,), (x, y, 300))
    assert np.array_equal(y, np.arange(1.0, 301))
    assert np.isnan(emulator.empty((2, 3))).all()  # outside, new memory is poisoned again


def test_no_address_space_is_said_in_words(monkeypatch):
    def refused(*args, **options):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refused)
    with pytest.raises(DeviceError, match=r"no address space for 4,096 bytes .*ulimit -v unlimited"):
        emulator.reserved((1024,))
