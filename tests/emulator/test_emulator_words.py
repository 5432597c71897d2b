"""The words of CUDA C++ that host_cuda.h defines, against plain loops and NumPy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from gpunn import emulator

LANES = np.arange(32)


def run(body: str, *outputs: np.ndarray, block=32, source_before="", strict=True, types=None, inputs=()):
    """Run ``body`` in a kernel with parameters x0, x1, ... (inputs) and y0, y1, ... (outputs); t is the thread."""
    names = {"float32": "float", "int32": "int", "uint32": "unsigned", "float64": "double", "uint16": "unsigned short"}
    parts = [f"const {names[a.dtype.name]}* x{i}" for i, a in enumerate(inputs)]
    parts += [f"{names[a.dtype.name]}* y{i}" for i, a in enumerate(outputs)]
    source = f"""{source_before}
    extern "C" __global__ void k({", ".join(parts)}) {{
        int t = blockIdx.x * blockDim.x + threadIdx.x; {body}
    }}"""
    emulator.load(source, "k")(1, block, (*inputs, *outputs), strict=strict)


@pytest.mark.parametrize(
    ("call", "source"),
    [
        ("__shfl_sync(~0u, v, 5)", lambda i: 5),
        ("__shfl_sync(~0u, v, t + 1)", lambda i: (i + 1) % 32),
        ("__shfl_sync(~0u, v, 3, 8)", lambda i: i // 8 * 8 + 3),
        ("__shfl_up_sync(~0u, v, 4)", lambda i: i - 4 if i >= 4 else i),
        ("__shfl_up_sync(~0u, v, 3, 16)", lambda i: i - 3 if i % 16 >= 3 else i),
        ("__shfl_down_sync(~0u, v, 7)", lambda i: i + 7 if i + 7 < 32 else i),
        ("__shfl_down_sync(~0u, v, 2, 4)", lambda i: i + 2 if i % 4 + 2 < 4 else i),
        ("__shfl_xor_sync(~0u, v, 9)", lambda i: i ^ 9),
        ("__shfl_xor_sync(~0u, v, 3, 4)", lambda i: i ^ 3),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.float64])
def test_shuffles(call, source, dtype):
    kind = {np.float32: "float", np.int32: "int", np.float64: "double"}[dtype]
    y = emulator.empty(32, dtype)
    run(f"{kind} v = t * t + 1; y0[t] = {call};", y)
    want = [source(i) ** 2 + 1 for i in range(32)]
    np.testing.assert_array_equal(y, np.array(want, dtype))


def test_votes_and_reductions():
    y = [emulator.empty(64, np.uint32) for _ in range(8)]
    run(
        """y0[t] = __ballot_sync(~0u, t % 3 == 0); y1[t] = __any_sync(~0u, t == 40); y2[t] = __all_sync(~0u, t < 32);
        y3[t] = __reduce_add_sync(~0u, t); y4[t] = __reduce_max_sync(~0u, t % 7);
        y5[t] = __reduce_xor_sync(~0u, unsigned(t)); y6[t] = __syncthreads_count(t % 5 == 0);
        y7[t] = __syncthreads_or(t == 9) * 2 + __syncthreads_and(t >= 0);""",
        *y,
        block=64,
    )
    warps = np.arange(64).reshape(2, 32)
    for column, want in zip(
        y,
        [
            [sum(1 << lane for lane, t in enumerate(w) if t % 3 == 0) for w in warps],
            [0, 1],
            [1, 0],
            [w.sum() for w in warps],
            [(w % 7).max() for w in warps],
            [np.bitwise_xor.reduce(w) for w in warps],
            [13, 13],
            [3, 3],
        ],
        strict=True,
    ):
        np.testing.assert_array_equal(column, np.repeat(np.array(want, np.uint32), 32))


def test_a_half_warp_can_meet_alone():
    y = emulator.empty(32, np.int32)
    run("unsigned m = t < 16 ? 0xffff : 0xffff0000; y0[t] = __shfl_xor_sync(m, t, 1) + __popc(__ballot_sync(m, 1));", y)
    np.testing.assert_array_equal(y, (LANES ^ 1) + 16)


def test_a_shuffle_from_a_lane_that_takes_no_part_gives_nan():
    y = emulator.empty(32)
    run("if (t < 8) y0[t] = __shfl_down_sync(0xff, float(t), 4);", y)
    np.testing.assert_array_equal(y[:8], np.where(LANES[:8] < 4, LANES[:8] + 4, np.nan))


def test_a_partial_warp_meets_with_the_lanes_that_exist():
    y = emulator.empty(20, np.int32)
    run("y0[t] = __all_sync(~0u, t < 20) + __shfl_down_sync(~0u, t, 1, 4);", y, block=20)
    np.testing.assert_array_equal(y, 1 + np.where(LANES % 4 < 3, LANES + 1, LANES)[:20])


def test_warp_gather_gives_every_lane_all_values():
    y = emulator.empty(32)
    run("float all[32]; gpunn_host::warp_gather(t * 2.0f, all); float s = 0; for (float v : all) s += v; y0[t] = s;", y)
    np.testing.assert_array_equal(y, np.full(32, 2 * LANES.sum()))


def test_a_block_reduction_by_shuffles():
    x = np.random.default_rng(0).standard_normal(256).astype(np.float32)
    y = emulator.empty(1)
    run(
        """__shared__ float part[8];
        float v = x0[t];
        for (int d = 16; d > 0; d /= 2) v += __shfl_down_sync(~0u, v, d);
        if (t % 32 == 0) part[t / 32] = v;
        __syncthreads();
        if (t < 8) { v = part[t]; for (int d = 4; d > 0; d /= 2) v += __shfl_down_sync(0xff, v, d); }
        if (t == 0) y0[0] = v;""",
        y,
        block=256,
        inputs=(x,),
    )
    assert abs(y[0] - x.sum(dtype=np.float64)) < 1e-4


def test_atomics():
    y, f, d = np.zeros(12, np.int32), np.zeros(2, np.float32), np.zeros(1, np.float64)
    y[2], y[3], u = 100, -100, np.zeros(2, np.uint32)
    run(
        """atomicAdd(&y0[0], t); atomicSub(&y0[1], 1); atomicMin(&y0[2], t); atomicMax(&y0[3], t);
        atomicOr(&y0[4], 1 << t); atomicXor(&y0[5], t); atomicCAS(&y0[6], 0, 7); atomicExch(&y0[7], 5);
        atomicAdd(&y1[0], 0.5f); atomicAdd(&y2[0], 0.25); atomicInc(&y3[0], 4u); atomicAdd(&y3[1], 3u);""",
        y, f, d, u,
    )  # fmt: skip
    assert y[:8].tolist() == [496, -32, 0, 31, -1, 0, 7, 5] and f[0] == 16 and d[0] == 8 and u.tolist() == [32 % 5, 96]


def test_an_atomic_out_of_bounds_is_named():
    with pytest.raises(emulator.KernelError, match=r"k: writes y0\[32\] past the end at kernel.cu:3"):
        run("atomicAdd(&y0[t + 1], 1);", np.zeros(32, np.int32))


MATH = [
    ("sqrtf", np.sqrt), ("rsqrtf", lambda x: 1 / np.sqrt(x)), ("expf", np.exp), ("__expf", np.exp), ("logf", np.log),
    ("log1pf", np.log1p), ("tanhf", np.tanh), ("fabsf", np.abs), ("floorf", np.floor), ("sinf", np.sin),
    ("cosf", np.cos), ("exp2f", np.exp2), ("log2f", np.log2), ("truncf", np.trunc), ("rintf", np.rint),
    ("ceilf", np.ceil), ("sqrt", np.sqrt),
]  # fmt: skip


def test_math():
    x = np.linspace(0.05, 4, 64).astype(np.float32)
    y = [emulator.empty(64) for _ in MATH]
    run(" ".join(f"y{i}[t] = {name}(x0[t]);" for i, (name, _) in enumerate(MATH)), *y, block=64, inputs=(x,))
    for (name, function), got in zip(MATH, y, strict=True):
        np.testing.assert_allclose(got, function(x.astype(np.float64)), rtol=3e-7, atol=1e-7, err_msg=name)


def test_integer_intrinsics():
    y = emulator.empty((10, 32), np.int32)
    body = """unsigned u = 2654435761u * (t + 1); int* y = y0 + t;
    y[0] = __umulhi(u, 12345u); y[32] = __clz(t); y[64] = __popc(u); y[96] = __ffs(t); y[128] = __brev(u);
    y[160] = __float_as_int(float(t)); y[192] = min(t, 7) + max(t, 9); y[224] = __int_as_float(0x3f800000) == 1.0f;
    y[256] = __mulhi(-5, t << 28); y[288] = (int)warpSize + gridDim.x + blockDim.x;"""
    run(body, y)
    u = (np.uint64(2654435761) * (LANES + 1).astype(np.uint64)) % np.uint64(2**32)
    want = [
        [int(v) * 12345 >> 32 for v in u],
        [32 - int(t).bit_length() for t in LANES],
        [bin(int(v)).count("1") for v in u],
        [(int(t) & -int(t)).bit_length() for t in LANES],
        [int(f"{int(v):032b}"[::-1], 2) for v in u],
        LANES.astype(np.float32).view(np.int32).tolist(),
        (np.minimum(LANES, 7) + np.maximum(LANES, 9)).tolist(),
        [1] * 32,
        [-5 * int(np.int64(t << 28).astype(np.int32)) >> 32 for t in LANES],
        [32 + 1 + 32] * 32,
    ]
    np.testing.assert_array_equal(y, np.array(want, np.int64).astype(np.uint32).view(np.int32))


FROM_BITS = "#include <cuda_fp16.h>\n#include <cuda_bf16.h>\n"
KINDS = {
    "half": (np.float16, "__ushort_as_half", "__half2float", "__half_as_ushort", "__float2half_rn", "__double2half"),
    "bfloat": (
        ml_dtypes.bfloat16, "__ushort_as_bfloat16", "__bfloat162float", "__bfloat16_as_ushort", "__float2bfloat16_rn",
        "__double2bfloat16",
    ),
}  # fmt: skip


def bits_in_kernel(body: str, inputs: tuple, outputs: tuple):
    names = {"float32": "float", "float64": "double", "uint16": "unsigned short"}
    parts = [f"const {names[a.dtype.name]}* x{i}" for i, a in enumerate(inputs)]
    parts += [f"{names[a.dtype.name]}* y{i}" for i, a in enumerate(outputs)]
    source = f"""{FROM_BITS}extern "C" __global__ void k({", ".join(parts)}, int n) {{
        int t = blockIdx.x * blockDim.x + threadIdx.x; if (t >= n) return; {body} }}"""
    n = inputs[0].size
    emulator.load(source, "k")(-(-n // 256), 256, (*inputs, *outputs, n))


@pytest.mark.parametrize("kind", KINDS)
def test_every_16_bit_pattern_converts_to_float_and_back(kind):
    dtype, from_bits, to_float, to_bits, from_float, _ = KINDS[kind]
    bits = np.arange(65536, dtype=np.uint16)
    f, back = emulator.empty(65536), emulator.empty(65536, np.uint16)
    body = f"y0[t] = {to_float}({from_bits}(x0[t])); y1[t] = {to_bits}({from_float}(y0[t]));"
    bits_in_kernel(body, (bits,), (f, back))
    want = bits.view(dtype).astype(np.float32)
    np.testing.assert_array_equal(f, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(back[number], bits[number])
    assert np.isnan(np.asarray(back).view(dtype)[~number].astype(np.float32)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_to_16_bits_is_to_nearest_even(kind):
    dtype, _, _, to_bits, from_float, from_double = KINDS[kind]
    all_bits = np.arange(65536, dtype=np.uint16)
    exact = all_bits.view(dtype).astype(np.float32)
    exact = np.sort(exact[np.isfinite(exact)])
    middle = ((exact[1:].astype(np.float64) + exact[:-1]) / 2).astype(np.float32)  # ties, exact in float32
    inf = np.float32(np.inf)
    big = np.array(
        [65519.99, 65520, 65536, 1e30, -65520, inf, 3.4e38, -inf, 1e-40, -1e-45, 5.96e-8, 2.98e-8], np.float32
    )
    x = np.concatenate([middle, np.nextafter(middle, inf), np.nextafter(middle, -inf), big])
    with np.errstate(over="ignore"):
        want = x.astype(dtype).view(np.uint16)
    y, z = emulator.empty(x.size, np.uint16), emulator.empty(x.size, np.uint16)
    body = f"y0[t] = {to_bits}({from_float}(x0[t])); y1[t] = {to_bits}({from_double}((double)x0[t]));"
    bits_in_kernel(body, (x,), (y, z))
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(z, want)


@pytest.mark.parametrize("kind", KINDS)
def test_a_double_is_rounded_once(kind):
    dtype, _, _, to_bits, _, from_double = KINDS[kind]
    one = np.array(1, dtype)
    step = float(np.nextafter(one, np.array(2, dtype)).astype(np.float64)) - 1
    x = np.array([1 + step / 2 + 1e-15, 1 + step / 2, 1 + step / 2 - 1e-15, -1 - step / 2 - 1e-15])
    y = emulator.empty(4, np.uint16)
    bits_in_kernel(f"y0[t] = {to_bits}({from_double}(x0[t]));", (x,), (y,))
    up = 1 + step
    assert np.asarray(y).view(dtype).astype(np.float64).tolist() == [up, 1.0, 1.0, -up]


@pytest.mark.parametrize(("kind", "name"), [("half", "__half"), ("bfloat", "__nv_bfloat16")])
def test_arithmetic_in_16_bits_rounds_once(kind, name):
    dtype, from_bits, _, to_bits, *_ = KINDS[kind]
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal(4096).astype(dtype) for _ in range(2))
    y = [emulator.empty(4096, np.uint16) for _ in range(5)]
    expressions = ("a + b", "a - b", "a * b", "a / b", "__hmax(a, b)")
    body = f"{name} a = {from_bits}(x0[t]), b = {from_bits}(x1[t]);"
    body += " ".join(f"y{i}[t] = {to_bits}({e});" for i, e in enumerate(expressions))
    bits_in_kernel(body, (a.view(np.uint16), b.view(np.uint16)), tuple(y))
    fa, fb = a.astype(np.float64), b.astype(np.float64)
    for got, want in zip(y, (fa + fb, fa - fb, fa * fb, fa / fb, np.maximum(fa, fb)), strict=True):
        # float64 to 16 bits directly: NumPy's float16 cast rounds once; bfloat16's goes through float32, as do we
        through = want if dtype is np.float16 else want.astype(np.float32)
        np.testing.assert_array_equal(np.asarray(got), through.astype(dtype).view(np.uint16))


ASYNC = """
extern "C" __global__ void k(const float* x, float* early, float* late, int bytes) {
    __shared__ __align__(16) float tile[4 * 32];
    int t = threadIdx.x;
    for (int i = 0; i < 4; i++) tile[4 * t + i] = -1;
    gpunn_host::cp_async(&tile[4 * t], x + 4 * t, 16, bytes);
    gpunn_host::cp_async_commit();
    for (int i = 0; i < 4; i++) early[4 * t + i] = tile[4 * t + i];
    gpunn_host::cp_async_wait(0);
    __syncthreads();
    for (int i = 0; i < 4; i++) late[4 * t + i] = tile[4 * (31 - t) + i];
}
"""


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_cp_async_data_arrives_at_the_wait_with_zero_fill(count):
    x = np.arange(128, dtype=np.float32) + 1
    early, late = emulator.empty(128), emulator.empty(128)
    emulator.load(ASYNC, "k")(1, 32, (x, early, late, 4 * count))
    assert (early == -1).all()
    want = np.where(np.arange(4) < count, x.reshape(32, 4), 0)[::-1]
    np.testing.assert_array_equal(late.reshape(32, 4), want)
    early, again = emulator.empty(128), emulator.empty(128)
    emulator.load(ASYNC, "k")(1, 32, (x, early, again, 4 * count), arrival="issue")
    np.testing.assert_array_equal(early.reshape(32, 4), want[::-1])
    np.testing.assert_array_equal(again, late)


def test_cp_async_groups_arrive_in_order():
    y = emulator.empty(4)
    x = np.arange(1, 5, dtype=np.float32)
    body = """__shared__ float s[3];
    for (int i = 0; i < 3; i++) { gpunn_host::cp_async(&s[i], x0 + i, 4, 4); gpunn_host::cp_async_commit(); }
    gpunn_host::cp_async_wait(2); volatile float* v = s; y0[0] = v[0]; y0[1] = v[1];
    gpunn_host::cp_async_wait(1); y0[2] = v[1]; y0[3] = v[2];"""
    run(body, y, block=1, inputs=(x,), strict=False)
    assert y[0] == 1 and np.isnan(y[1]) and y[2] == 2 and np.isnan(y[3])


def test_cp_async_without_a_barrier_is_a_race():
    source = ASYNC.replace("__syncthreads();", "").replace("early[4 * t + i] = tile[4 * t + i]", "early[4 * t + i] = 0")
    y = [emulator.empty(128) for _ in range(2)]
    with pytest.raises(emulator.KernelError, match=r"k: race: .*shared tile"):
        emulator.load(source, "k")(1, 32, (np.zeros(128, np.float32), *y, 16), strict=True)


def test_dynamic_shared_memory_of_any_type():
    y = emulator.empty(64, np.float64)
    run("y0[t] = 0;", y, block=64)
    source = """extern __shared__ __align__(16) unsigned char raw[];
    extern "C" __global__ void k(double* y) {
        double* s = reinterpret_cast<double*>(raw);
        s[threadIdx.x] = threadIdx.x;
        __syncthreads();
        y[threadIdx.x] = s[63 - threadIdx.x];
    }"""
    emulator.load(source, "k")(1, 64, (y,), shared_bytes=512, strict=True)
    np.testing.assert_array_equal(y, np.arange(64)[::-1])
