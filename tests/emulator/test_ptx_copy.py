"""The host version of cp.async's wrappers."""

import os

import numpy as np
import pytest

from gpunn import emulator
from gpunn.cuda import nvrtc
from tests.emulator.ptx import with_ptx

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of NVRTC: in CI")
COPY = with_ptx(
    """
extern "C" __global__ void k(const float* x, float* y, int real) {
    __shared__ __align__(16) float tile[4 * 32];
    const int t = threadIdx.x;
    copy_async(shared_address(tile + 4 * t), x + 4 * t, t < real);
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    for (int i = 0; i < 4; i++) y[4 * t + i] = tile[4 * t + i];
}
""",
    "copy",
)


@pytest.mark.parametrize("real", [0, 5, 32])
def test_a_copy_of_nothing_writes_zeros_and_reads_nothing(real):
    x, y = np.arange(1, 1 + 4 * max(real, 1), dtype=np.float32), emulator.empty(128)
    emulator.load(COPY, "k")(1, 32, (x, y, real), strict=True)  # x ends where the real rows do
    np.testing.assert_array_equal(y, np.append(x[: 4 * real], np.zeros(128 - 4 * real)))


@in_ci
def test_the_wrappers_compile_for_sm_80():
    if not nvrtc.find_library().exists():
        pytest.skip("no libnvrtc")
    cubin, log = nvrtc.Compiler().cubin(COPY, "k.cu", 80)
    assert cubin and " 0 bytes spill stores" in log
