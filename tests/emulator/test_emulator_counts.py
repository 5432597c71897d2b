"""Counts of sectors, bank conflicts and barriers for patterns whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import emulator

SHARED = """
extern "C" __global__ void k(float* y) {
    __shared__ float tile[32 * 40];
    tile[threadIdx.x * STRIDE] = 1.0f;
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x * STRIDE];
}
"""


def counts_of(
    source: str, args, block: int | tuple = 32, grid: int | tuple = 1, macros=None, shared_bytes=0
) -> emulator.Counters:
    counters = emulator.Counters()
    emulator.load(source, "k", macros, "k.cu")(grid, block, args, shared_bytes, counters=counters)
    return counters


@pytest.mark.parametrize(("stride", "ways"), [(1, 1), (2, 2), (4, 4), (32, 32), (33, 1)])
def test_bank_conflicts_of_strides(stride, ways):
    c = counts_of(SHARED, (emulator.empty(32),), macros={"STRIDE": stride})
    loads = [s for s in c.sites if s.space == "shared" and not s.write]
    assert c.shared_accesses == 2
    assert [s.wavefronts for s in loads] == [ways] and c.conflict_ways == ways


WIDE = """
extern "C" __global__ void k(float* y) {
    __shared__ __align__(16) float tile[32 * 8];
    for (int i = threadIdx.x; i < 256; i += 32) tile[i] = i;
    __syncthreads();
    TYPE v = *reinterpret_cast<const TYPE*>(&tile[INDEX]);
    y[threadIdx.x] = v.x + v.y;
}
"""


@pytest.mark.parametrize(
    ("kind", "index", "wavefronts", "phases"),
    [
        ("float4", "threadIdx.x * 4", 4, 4),  # 512 bytes: four passes of 128
        ("float4", "threadIdx.x * 8", 8, 4),  # every other 16 bytes: two ways
        ("float4", "blockIdx.x", 4, 4),  # a broadcast
        ("float2", "threadIdx.x * 2", 2, 2),
        ("float2", "threadIdx.x * 4", 4, 2),
    ],
)
def test_wide_shared_accesses_go_in_phases(kind, index, wavefronts, phases):
    c = counts_of(WIDE, (emulator.empty(32),), macros={"TYPE": kind, "INDEX": index})
    (load,) = (s for s in c.sites if s.space == "shared" and not s.write)
    assert (load.instructions, load.wavefronts, load.phases) == (1, wavefronts, phases)
    assert load.bytes_a_lane == {"float4": 16, "float2": 8}[kind]


GLOBAL = """
extern "C" __global__ void k(const float* __restrict__ x, float* __restrict__ y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    LOAD;
    y[i] = v;
}
"""


@pytest.mark.parametrize(
    ("load", "sectors", "compulsory"),
    [
        ("float v = x[i]", 4, 4),  # 32 lanes of 4 bytes: 128 bytes in 4 sectors
        ("float v = x[2 * i]", 8, 4),  # every other element
        ("float v = x[8 * i]", 32, 4),  # one sector a lane
        ("float v = x[i + 1]", 5, 4),  # shifted off the sector boundary
        ("float v = x[0]", 1, 1),
        ("float4 q = reinterpret_cast<const float4*>(x)[i]; float v = q.x * q.y + q.w", 16, 16),
        ("float4 q = __ldg(reinterpret_cast<const float4*>(x) + 2 * i); float v = q.z", 32, 16),
        ("double q = *reinterpret_cast<const double*>(x + 2 * i); float v = q", 8, 8),
    ],
)
def test_sectors_of_loads(load, sectors, compulsory):
    c = counts_of(GLOBAL, (np.ones(400, np.float32), emulator.empty(32)), macros={"LOAD": load})
    assert c.global_load_sectors == sectors and c.global_store_sectors == 4
    assert c.total("compulsory", "global", False) == compulsory
    assert c.total("instructions", "global", False) == 1  # a float4 stays one access


def test_counts_add_up_over_warps_blocks_and_launches():
    with emulator.counting() as counts:
        function = emulator.load(GLOBAL, "k", {"LOAD": "float v = x[i]"}, "k.cu")
        for _ in range(2):
            function(3, 64, (np.ones(192, np.float32), emulator.empty(192)))
    c = counts["k"]
    assert (c.launches, c.blocks, c.global_load_sectors, c.sector_excess) == (2, 6, 2 * 3 * 2 * 4, 1.0)
    assert sorted(s.place for s in c.sites) == ["k.cu:4", "k.cu:5"]
    assert "k.cu:4" in c.table() and "global load" in c.table()


def test_a_helper_in_another_file_is_named_with_its_caller():
    source = '#line 1 "common.cuh"\n__forceinline__ float twice(const float* p) { return 2 * *p; }\n#line 1 "k.cu"\n'
    source += 'extern "C" __global__ void k(const float* x, float* y) {\n  y[threadIdx.x] = twice(x + threadIdx.x);\n}'
    c = counts_of(source, (np.ones(32, np.float32), emulator.empty(32)))
    assert sorted(s.place for s in c.sites) == ["common.cuh:1 from k.cu:2", "k.cu:2"]
    with pytest.raises(
        emulator.KernelError, match=r"k: reads x\[31\] past the end at common.cuh:1 from k.cu:2: x has 31"
    ):
        counts_of(source, (np.ones(31, np.float32), emulator.empty(32)))


def test_a_partial_warp_counts_the_lanes_that_ran():
    source = GLOBAL.replace("LOAD;", "if (i >= 20) return; float v = x[i];")
    c = counts_of(source, (np.ones(20, np.float32), emulator.empty(20)))
    (load,) = (s for s in c.sites if not s.write)
    assert (load.lanes, load.sectors, load.compulsory) == (20, 3, 3)


def test_barriers_are_counted_a_block():
    source = 'extern "C" __global__ void k(int n) { for (int i = 0; i < n; i++) __syncthreads(); }'
    assert counts_of(source, (5,), block=96, grid=4).barriers_per_block == 5


def test_a_tiled_matmul_has_the_figures_of_its_design():
    source = """
    extern "C" __global__ void k(const float* a, const float* b, float* c, int n) {
        __shared__ float ta[16][16], tb[16][16];
        int col = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;
        float sum = 0;
        for (int k = 0; k < n; k += 16) {
            ta[threadIdx.y][threadIdx.x] = a[row * n + k + threadIdx.x];
            tb[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + col];
            __syncthreads();
            #pragma unroll
            for (int i = 0; i < 16; i++) sum += ta[threadIdx.y][i] * tb[i][threadIdx.x];
            __syncthreads();
        }
        c[row * n + col] = sum;
    }"""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((32, 32)).astype(np.float32) for _ in range(2))
    c = emulator.empty((32, 32))
    counters = counts_of(source, (a, b, c, 32), block=(16, 16), grid=(2, 2))
    np.testing.assert_allclose(c, a @ b, atol=1e-5)
    assert (counters.sector_excess, counters.conflict_ways, counters.barriers_per_block) == (1.0, 1.0, 4.0)
    # 4 blocks x 8 warps x 2 tiles: 2 loads each, of 2 rows of 16 floats
    assert counters.global_load_sectors == 4 * 8 * 2 * 2 * 4
    assert counters.hottest("shared", 1)[0].place == "k.cu:11"
