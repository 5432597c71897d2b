"""Planted mistakes: each must make a run fail, and the message must name what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import emulator
from gpunn.emulator import KernelError

# Reverses groups of 64 elements through shared memory; without the barrier a thread may read before the other wrote.
REVERSE = """
extern "C" __global__ void reverse(const float* x, float* y) {
    __shared__ float tile[64];
    int i = threadIdx.x;
    tile[i] = x[blockIdx.x * 64 + i];
    BARRIER;
    y[blockIdx.x * 64 + i] = tile[63 - i];
}
"""


def reverse(barrier: bool):
    return emulator.load(REVERSE, "reverse", {"BARRIER": "__syncthreads()" if barrier else ""}, "reverse.cu")


def test_a_barrier_makes_all_schedules_agree():
    x = np.arange(128, dtype=np.float32)
    for schedule in (*emulator.schedules, "all"):
        y = emulator.empty(128)
        if schedule == "all":
            reverse(True)(2, 64, (x, y), strict=True)
        else:
            reverse(True)(2, 64, (x, y), schedule=schedule)
        np.testing.assert_array_equal(y, x.reshape(2, 64)[:, ::-1].reshape(-1))


def test_a_missing_barrier_shows_as_schedules_that_disagree():
    x, y = np.arange(128, dtype=np.float32), emulator.empty(128)
    with pytest.raises(
        KernelError, match=r"reverse: y depends on the order of threads: element 0 in memory is nan when"
    ):
        reverse(False)(2, 64, (x, y), strict=True, races=False)


def test_a_missing_barrier_is_named_as_a_race():
    x, y = np.arange(128, dtype=np.float32), emulator.empty(128)
    with pytest.raises(KernelError) as caught:
        reverse(False)(2, 64, (x, y), strict=True)
    message = str(caught.value)
    assert "reverse: race: " in message and "shared tile at byte " in message
    assert "at reverse.cu:7, which thread" in message or "at reverse.cu:5, which thread" in message


def test_a_missing_barrier_in_one_launch_reads_nan():
    x, y = np.arange(64, dtype=np.float32), emulator.empty(64)
    reverse(False)(1, 64, (x, y))
    assert np.isnan(y[:32]).all() and not np.isnan(y[32:]).any()


SHIFT = """
extern "C" __global__ void shift(const float* __restrict__ x, float* __restrict__ y, int n, int by) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i + by];
}
"""


@pytest.mark.parametrize(("by", "where"), [(1, r"x\[10\] past the end"), (-1, r"x\[-1\] before the start")])
@pytest.mark.parametrize("strict", [False, True])
def test_one_element_out_of_bounds_is_named(by, where, strict):
    shift = emulator.load(SHIFT, "shift", filename="shift.cu")
    x, y = np.zeros(10, np.float32), emulator.empty(10)
    thread = 9 if by == 1 else 0
    words = rf"shift: reads {where} at shift.cu:4: x has 10 elements of float32, shape \(10,\); "
    with pytest.raises(KernelError, match=words + rf"block \(0, 0, 0\), thread \({thread}, 0, 0\)"):
        shift(1, 32, (x, y, 10, by), strict=strict)


def test_a_slice_ends_where_it_ends():
    shift = emulator.load(SHIFT, "shift", filename="shift.cu")
    memory = np.zeros(30, np.float32)
    with pytest.raises(KernelError, match=r"shift: reads x\[10\] past the end"):
        shift(1, 32, (memory[10:20], emulator.empty(10), 10, 1))


def test_a_store_out_of_bounds_is_named():
    shift = emulator.load(SHIFT, "shift", filename="shift.cu")
    with pytest.raises(KernelError, match=r"shift: writes y\[9\] past the end at shift.cu:4: y has 9 elements"):
        shift(1, 32, (np.zeros(10, np.float32), emulator.empty(9), 10, 0))


def test_an_unwritten_output_element_stays_nan():
    shift = emulator.load(SHIFT, "shift")
    y = emulator.empty(10)
    shift(1, 32, (np.zeros(10, np.float32), y, 9, 0), strict=True)
    assert np.flatnonzero(np.isnan(y)).tolist() == [9]


def test_uninitialised_shared_memory_reads_as_nan():
    source = """
    extern "C" __global__ void leak(float* y, int* k) {
        __shared__ float a[32];
        extern __shared__ int b[];
        if (threadIdx.x == 0) a[0] = 1.0f;
        __syncthreads();
        y[threadIdx.x] = a[threadIdx.x];
        k[threadIdx.x] = b[threadIdx.x];
    }"""
    y, k = emulator.empty(32), emulator.empty(32, np.int32)
    for _ in range(2):  # the second launch must not find the first one's values
        emulator.load(source, "leak")(2, 32, (y, k), shared_bytes=128)
        assert y[0] == 1 and np.isnan(y[1:]).all() and (k == -1).all()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("if (threadIdx.x == 3) return; __syncthreads();", r"63 of 64 threads wait at k.cu:2, 1 have left the kernel"),
        (
            "if (threadIdx.x < 32) __syncthreads();\nelse\n__syncthreads();",
            r"\(0, 0, 0\) waits at k.cu:2, \(32, 0, 0\) at k",
        ),
        (
            "for (int i = 0; i <= threadIdx.x / 32; i++) __syncthreads();",
            r"32 of 64 threads wait at k.cu:2, 32 have left",
        ),
    ],
)
def test_a_divergent_barrier_is_an_error_and_no_hang(body, words):
    source = f'extern "C" __global__ void k(int* y) {{\n{body}\ny[0] = 1; }}'
    for schedule in emulator.schedules:
        with pytest.raises(KernelError, match=rf"k: divergent barrier: .*{words}"):
            emulator.load(source, "k", filename="k.cu")(1, 64, (np.zeros(1, np.int32),), schedule=schedule)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("if (threadIdx.x != 5) __syncthreads(); else __syncwarp();", r"divergent warp operation at k.cu:2"),
        ("__shfl_sync(0xff, 1, 0);", r"at k.cu:2: the calling lane is not in its own mask"),
        ("y[0] = 7; assert(y[0] == 8);", r"assertion `y\[0\] == 8` failed at k.cu:2"),
        (
            "*(float4*)(y + 1) = float4();",
            r"k: writes 16 bytes of y from element 1 at k.cu:2, which is no multiple of 16",
        ),
    ],
)
def test_other_misuse_is_named(body, words):
    source = f'extern "C" __global__ void k(int* y) {{\n{body}\n}}'
    y = np.zeros(64, np.int32)
    with pytest.raises(KernelError, match=words):
        emulator.load(source, "k", filename="k.cu")(1, 32, (y,))


def test_a_null_pointer_is_named():
    source = 'extern "C" __global__ void k(const float* x, float* bias) { bias[threadIdx.x] = x[threadIdx.x]; }'
    words = r"k: writes through a null pointer at k.cu:1; None was passed for bias; block"
    with pytest.raises(KernelError, match=words):
        emulator.load(source, "k", filename="k.cu")(1, 4, (np.zeros(4, np.float32), None))


def test_writing_a_const_array_is_an_error():
    source = 'extern "C" __global__ void k(const int* x) { const_cast<int*>(x)[0] = 1; }'
    x = np.zeros(4, np.int32)
    with pytest.raises(KernelError, match=r"k: writes x\[0\] at k.cu:1, but takes x as const"):
        emulator.load(source, "k", filename="k.cu")(1, 1, (x,))
    assert x[0] == 0


def test_static_and_dynamic_shared_memory_end_where_they_end():
    static = (
        'extern "C" __global__ void k(int i) { __shared__ float tile[24]; tile[i] = 1; if (i < 0) tile[0] = tile[1]; }'
    )
    with pytest.raises(
        KernelError, match=r"k: writes shared tile\[byte 96\] past the end at k.cu:1: shared tile has 96"
    ):
        emulator.load(static, "k", filename="k.cu")(1, 1, (24,))
    dynamic = 'extern "C" __global__ void k(int i) { extern __shared__ float s[]; s[i] = 1; }'
    emulator.load(dynamic, "k")(1, 1, (7,), shared_bytes=32)
    with pytest.raises(
        KernelError, match=r"writes dynamic shared memory\[byte 32\] past the end.* is shared_bytes of the la"
    ):
        emulator.load(dynamic, "k")(1, 1, (8,), shared_bytes=32)


def test_a_failed_launch_leaves_the_next_one_well():
    shift = emulator.load(SHIFT, "shift", filename="shift.cu")
    x, y = np.arange(10, dtype=np.float32), emulator.empty(10)
    with pytest.raises(KernelError):
        shift(1, 32, (x, y, 10, 1))
    shift(1, 32, (x, y, 10, 0))
    np.testing.assert_array_equal(y, x)


def test_blocks_that_write_the_same_element_disagree():
    source = 'extern "C" __global__ void k(int* y) { y[0] = blockIdx.x; }'
    y = np.zeros(1, np.int32)
    with pytest.raises(
        KernelError, match=r"k: y depends on the order of threads: element 0 in memory is 2 when they run fo"
    ):
        emulator.load(source, "k")(3, 1, (y,), strict=True, races=False)
    assert y[0] == 0  # a strict launch that fails changes nothing


def test_a_strict_launch_keeps_in_place_arguments_in_one_memory():
    source = 'extern "C" __global__ void k(const float* x, float* y) { int i = threadIdx.x; y[i] = x[i] + 1; x[i]; }'
    x = np.arange(8, dtype=np.float32)
    emulator.load(source, "k")(1, 8, (x, x), strict=True)
    np.testing.assert_array_equal(x, np.arange(8) + 1)


TEMPLATE = """
template <int N, typename V> __device__ V total(V v) {
    __shared__ V part[N];
    part[threadIdx.x] = v;
    BARRIER;
    V sum = 0;
    for (int i = 0; i < N; i++) sum += part[i];
    return sum;
}
__device__ int calls[4];
extern "C" __global__ void k(float* y) {
    calls[threadIdx.x & 3] = 1;
    y[threadIdx.x] = total<33>(1.0f) + total<32>(2.0);
}
"""


def test_shared_variables_of_templates_are_shared_memory_too():
    good, bad = (emulator.load(TEMPLATE, "k", {"BARRIER": b}) for b in ("__syncthreads()", ""))
    assert sorted((v.name, v.bytes) for v in good.shared) == [("part", 132), ("part", 256)]
    y = emulator.empty(32)
    good(2, 32, (y,))
    assert np.isnan(y).all()  # the 33rd element was never written
    with pytest.raises(KernelError, match=r"k: reads shared part at byte 128 .* no thread of the block has written"):
        good(1, 32, (y,), strict=True)
    with pytest.raises(KernelError, match=r"k: race: .* shared part at byte"):
        bad(1, 32, (y,), strict=True)


WARP_REDUCE = """
extern "C" __global__ void k(float* y) {
    __shared__ float s[32];
    int t = threadIdx.x;
    s[t] = t;
    __syncwarp();
    float v = s[31 - t];
    SECOND;
    s[t] = v;
    y[t] = v;
}
"""


def test_a_warp_barrier_orders_the_lanes_of_a_warp():
    y = emulator.empty(32)
    emulator.load(WARP_REDUCE, "k", {"SECOND": "__syncwarp()"})(1, 32, (y,), strict=True)
    np.testing.assert_array_equal(y, np.arange(32)[::-1])
    with pytest.raises(
        KernelError, match=r"race: reads shared s at byte \d+ at w.cu:7, which thread .* wrote at w.cu:9"
    ):
        emulator.load(WARP_REDUCE, "k", {"SECOND": ""}, "w.cu")(1, 32, (y,), strict=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("y[0] = 7 / n;", r"k: divides an integer by zero at k.cu:2; block \(0, 0, 0\), thread \(0, 0, 0\)"),
        ("volatile char big[200000]; big[n] = 1; y[0] = big[n];", r"k: overflows its stack"),
    ],
)
def test_a_signal_becomes_an_error(body, words):
    source = f'extern "C" __global__ void k(int* y, int n) {{\n{body}\n}}'
    k = emulator.load(source, "k", filename="k.cu")
    for _ in range(2):
        with pytest.raises(KernelError, match=words):
            k(1, 32, (np.zeros(1, np.int32), 0))


def test_a_wild_pointer_in_an_unchecked_build_is_an_error():
    k = emulator.load(SHIFT, "shift", checked=False)
    with pytest.raises(KernelError, match="shift: reads or writes the invalid address 0x"):
        k(1, 32, (np.zeros(10, np.float32), emulator.empty(10), 10, 2**31 - 1))
