"""Dynamic shared memory and cooperative launches, through the launcher, on the emulator."""

from dataclasses import replace

import numpy as np
import pytest

from gpunn import emulator
from gpunn.cuda import kernel, source
from tests.emulator.ptx import with_ptx

pytestmark = pytest.mark.usefixtures("emulator")

# Each block reverses its part through shared memory whose size the launch decides.
TEXT = """#line 1 "reduce/sum_parts.cu"
extern "C" __global__ void sum_parts(const ACC* parts, T* out, long long L, int J) {
    extern __shared__ float tile[];
    const long long at = (long long)blockIdx.x * blockDim.x;
    tile[threadIdx.x] = parts[at + threadIdx.x];
    __syncthreads();
    out[at + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}
"""


@pytest.fixture
def reverse():
    macros = (("ACC", "float"), ("T", "float"))
    return kernel.Kernel(replace(source.read("reduce/sum_parts"), text=TEXT), macros)


def test_the_launch_decides_its_size(reverse):
    x = emulator.EmulatedArray.of(np.arange(512, dtype=np.float32))
    y = emulator.empty((512,), np.float32)
    reverse((2,), (256,), x, y, 512, 1, shared_bytes=1024)
    assert np.array_equal(np.asarray(y).reshape(2, 256), np.arange(512).reshape(2, 256)[:, ::-1])


def test_too_little_of_it_is_an_access_out_of_bounds(reverse):
    x = emulator.EmulatedArray.of(np.arange(512, dtype=np.float32))
    with pytest.raises(emulator.KernelError, match="shared"):
        reverse((2,), (256,), x, emulator.empty((512,), np.float32), 512, 1, shared_bytes=1020)


# Each block reverses its part in global memory, behind its neighbour's.
COOPERATIVE = """#line 1 "reduce/sum_parts.cu"
extern "C" __global__ void sum_parts(const ACC* parts, T* out, long long L, int J) {
    unsigned* counter = reinterpret_cast<unsigned*>(out + L);
    const long long at = (long long)blockIdx.x * blockDim.x, end = (long long)gridDim.x * blockDim.x - 1;
    out[at + threadIdx.x] = parts[at + threadIdx.x];
    grid_barrier(counter);
    const float v = out[end - at - threadIdx.x];
    grid_barrier(counter);
    out[at + threadIdx.x] = v;
}
"""


def test_a_cooperative_launch_runs_its_blocks_together():
    text = with_ptx("", "barrier") + COOPERATIVE
    swap = kernel.Kernel(replace(source.read("reduce/sum_parts"), text=text), (("ACC", "float"), ("T", "float")))
    x = emulator.EmulatedArray.of(np.arange(512, dtype=np.float32))
    y = emulator.empty((513,), np.float32)
    y[512] = 0
    swap((2,), (256,), x, y, 512, 1, cooperative=True)
    assert np.array_equal(y[:512], np.arange(512)[::-1])
    with pytest.raises(emulator.KernelError, match=r"one after the other here: .* launch with cooperative=True"):
        swap((2,), (256,), x, y, 512, 1)
