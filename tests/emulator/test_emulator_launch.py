"""Launching: arguments are checked against the kernel's signature by name; speed stays sane."""

from __future__ import annotations

import re
import threading
import time

import ml_dtypes
import numpy as np
import pytest

from gpunn import emulator
from gpunn.emulator import function, loader
from gpunn.errors import DeviceError

SCALE = """
// A commented-out declaration must not confuse: extern "C" __global__ void scale(int a, int b);
extern "C" __global__ void __launch_bounds__(128, 2)
scale(const float* __restrict__ x,  // the input, (n,)
      float* __restrict__ y, const int n, float factor, long long offset, double bias)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i + offset] = factor * x[i] + bias;
}
"""


def scale():
    return emulator.load(SCALE, "scale", filename="scale.cu")


def test_the_signature_is_read_from_the_compiled_kernel():
    found = [(p.name, p.code, p.pointer, p.constant) for p in scale().parameters]
    assert found == [
        ("x", "f4", True, True),
        ("y", "f4", True, False),
        ("n", "i4", False, False),
        ("factor", "f4", False, False),
        ("offset", "i8", False, False),
        ("bias", "f8", False, False),
    ]


def test_arguments_arrive():
    x, y = np.arange(5, dtype=np.float32), emulator.empty(8)
    scale()((1,), (32, 1, 1), (x, y, np.int32(5), 2, np.int64(3), np.float64(0.5)))
    np.testing.assert_array_equal(y[3:], 2 * x + 0.5)
    assert np.isnan(y[:3]).all()


def test_what_is_only_read_may_have_gaps_in_which_a_strict_launch_has_nan():
    x, y = np.ones((5, 2), np.float32)[:, 0], emulator.empty(9)
    scale()((1,), (32,), (x, y, 9, 2.0, 0, 0.0), strict=True)
    np.testing.assert_array_equal(y, [2, np.nan] * 4 + [2])
    with pytest.raises(emulator.KernelError, match=r"scale: reads .*x"):
        scale()((1,), (32,), (x, emulator.empty(10), 10, 2.0, 0, 0.0))


@pytest.mark.parametrize(
    ("position", "value", "error", "words"),
    [
        (0, np.zeros(5), TypeError, "scale: x is an array of float64, expected float32; cast it with astype"),
        (0, [1.0], TypeError, "scale: x is list, expected an array of float32, or None"),
        (0, np.zeros(5, np.float32)[::-1], ValueError, "scale: x has gaps (shape (5,), strides (-4,)); make it cont"),
        (
            1,
            np.zeros((5, 2), np.float32)[:, 0],
            ValueError,
            "scale: y has gaps (shape (5,), strides (8,)); make it cont",
        ),
        (2, 2.5, TypeError, "scale: n is float, expected an int"),
        (2, 2**31, ValueError, "scale: n is 2147483648, which does not fit int32"),
        (3, "2", TypeError, "scale: factor is str, expected a number"),
        (3, 1e39, ValueError, "scale: factor is 1e+39, which does not fit float32"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(position, value, error, words):
    args: list = [np.zeros(5, np.float32), emulator.empty(5), 5, 1.0, 0, 0.0]
    args[position] = value
    with pytest.raises(error, match=re.escape(words)):
        scale()(1, 32, args)


def test_a_wrong_number_of_arguments_is_refused():
    with pytest.raises(
        TypeError, match=re.escape("scale: got 1 arguments, expected 6 (x, y, n, factor, offset, bias)")
    ):
        scale()(1, 32, (np.zeros(5, np.float32),))


def test_a_read_only_output_is_refused():
    y = np.zeros(5, np.float32)
    y.flags.writeable = False
    with pytest.raises(ValueError, match="scale: y is read-only, and the kernel takes it as an output; pass a copy"):
        scale()(1, 32, (np.zeros(5, np.float32), y, 5, 1.0, 0, 0.0))


@pytest.mark.parametrize(
    ("grid", "block", "shared", "words"),
    [
        (0, 32, 0, "scale: grid is 0; expected 1 to 3 sizes of at least 1"),
        ((1, 65536), 32, 0, "hardware ends at (2147483647, 65535, 65535); fold the large axis into x"),
        (1, (64, 32), 0, "scale: block is (64, 32, 1); hardware ends at 1024 threads and 64 in z"),
        (1, (1, 1, 65), 0, "hardware ends at 1024 threads and 64 in z"),
        (1, 32, 300_000, "scale: shared_bytes is 300000; hardware ends at 232448"),
    ],
)
def test_a_shape_that_hardware_refuses_is_refused(grid, block, shared, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        scale()(grid, block, (np.zeros(5, np.float32), emulator.empty(5), 5, 1.0, 0, 0.0), shared)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="launch: schedule is 'sideways'; expected one of forward, reverse, random"):
        scale()(1, 32, (), schedule="sideways")
    with pytest.raises(ValueError, match="launch: arrival is 'never'; expected one of wait, issue"):
        scale()(1, 32, (), arrival="never")


def test_dense_arrays_of_any_axis_order_are_taken():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for view in (x, x.transpose(2, 0, 1), np.asfortranarray(x), x.transpose(0, 2, 1)):
        y = emulator.empty_like(view)
        assert y.strides == view.strides and np.isnan(y).all()
        scale()(1, 32, (view, y, 24, 1.0, 0, 0.0), strict=True)
        np.testing.assert_array_equal(y, view)


def test_all_element_types_have_their_dtype():
    types = {
        "float": "float32", "double": "float64", "__half": "float16", "__nv_bfloat16": "bfloat16", "int": "int32",
        "unsigned": "uint32", "long long": "int64", "unsigned char": "uint8", "unsigned short": "uint16",
        "signed char": "int8", "short": "int16", "bool": "bool",
    }  # fmt: skip
    for name, dtype in types.items():
        source = 'extern "C" __global__ void copy(const T* x, T* y) { y[threadIdx.x] = x[threadIdx.x]; }'
        x = np.arange(8).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
        y = emulator.empty_like(x)
        emulator.load(source, "copy", {"T": name})(1, 8, (x, y))
        np.testing.assert_array_equal(y, x)
        with pytest.raises(TypeError, match=f"copy: y is an array of complex64, expected {dtype}"):
            emulator.load(source, "copy", {"T": name})(1, 8, (x, np.zeros(8, np.complex64)))


def test_a_struct_goes_by_value():
    source = """
    struct Window { int size[2]; float4 weight; long long stride; };
    extern "C" __global__ void k(const Window w, float* y, float4 v, const bool on) {
        y[0] = w.size[1]; y[1] = w.weight.z; y[2] = w.stride; y[3] = v.w; y[4] = on;
    }"""
    fields = [("size", "i4", 2), ("pad", "i8"), ("w", "f4", 4), ("stride", "i8"), ("end", "i8")]
    window = np.zeros((), np.dtype(fields))
    window["size"], window["w"], window["stride"] = (3, 5), (1, 2, 7, 4), 11
    y = emulator.empty(5)
    function = emulator.load(source, "k")
    function(1, 1, (window, y, np.array([1, 2, 3, 9], np.float32), True))
    assert y.tolist() == [5, 7, 11, 9, 1]
    with pytest.raises(ValueError, match="k: v has 8 bytes, expected a struct of 16"):
        function(1, 1, (window, y, np.zeros(1), True))


def test_macros_do_not_reach_the_host_headers():
    source = 'extern "C" __global__ void k(T* y) { y[threadIdx.x] = N * R + C; }'
    y = emulator.empty(4, np.float64)
    emulator.load(source, "k", {"T": "double", "N": 2, "R": 3, "C": 1, "A": 1, "i": "i", "all": 5})(1, 4, (y,))
    assert y.tolist() == [7.0] * 4


def test_strict_can_be_set_for_a_block(monkeypatch):
    source = 'extern "C" __global__ void k(int* y) { y[0] = threadIdx.x; }'
    k = emulator.load(source, "k")
    k(1, 4, (np.zeros(1, np.int32),))
    with emulator.strict(), pytest.raises(emulator.KernelError, match=r"k: race: writes y\[0\]"):
        k(1, 4, (np.zeros(1, np.int32),))
    monkeypatch.setenv("GPUNN_EMULATOR_STRICT", "1")
    with pytest.raises(emulator.KernelError, match=r"k: race: writes y\[0\]"):
        k(1, 4, (np.zeros(1, np.int32),))
    with emulator.strict(False):
        k(1, 4, (np.zeros(1, np.int32),))


def test_an_unchecked_build_computes_the_same():
    x, y = np.arange(5, dtype=np.float32), emulator.empty(5)
    fast = emulator.load(SCALE, "scale", filename="scale.cu", checked=False)
    fast(1, 32, (x, y, 5, 3.0, 0, 1.0))
    np.testing.assert_array_equal(y, 3 * x + 1)
    with pytest.raises(DeviceError, match="scale: built without checks, so it cannot be counted"):
        fast(1, 32, (x, y, 5, 3.0, 0, 1.0), counters=emulator.Counters())


TILED = """
extern "C" __global__ void matmul(const float* a, const float* b, float* c, int n) {
    __shared__ float ta[16][16], tb[16][16];
    int col = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;
    float sum = 0;
    for (int k = 0; k < n; k += 16) {
        ta[threadIdx.y][threadIdx.x] = a[row * n + k + threadIdx.x];
        tb[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + col];
        __syncthreads();
        for (int i = 0; i < 16; i++) sum += ta[threadIdx.y][i] * tb[i][threadIdx.x];
        __syncthreads();
    }
    c[row * n + col] = sum;
}
"""


def test_a_tiled_matmul_takes_a_fraction_of_a_second():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((256, 256)).astype(np.float32) for _ in range(2))
    c = emulator.empty((256, 256))
    matmul = emulator.load(TILED, "matmul")
    best = 9.0
    for _ in range(3):
        start = time.process_time()
        matmul((16, 16), (16, 16), (a, b, c, 256))
        best = min(best, time.process_time() - start)
    np.testing.assert_allclose(c, a @ b, atol=1e-3)
    assert best < 2.0  # about 0.17 s; processor time, so that a busy machine changes little


def test_a_small_launch_is_cheap():
    x, y = np.zeros(32, np.float32), emulator.empty(32)
    function, times = scale(), []
    for _ in range(200):
        start = time.process_time()
        function(1, 32, (x, y, 32, 1.0, 0, 0.0))
        times.append(time.process_time() - start)
    assert sorted(times)[100] < 500e-6  # about 20 microseconds of processor time


def test_no_library_is_loaded_while_a_kernel_runs(monkeypatch):
    source = 'extern "C" __global__ void one(float* y) { __shared__ float s[4]; s[0] = 1; y[0] = s[0]; }'
    emulator.load(source, "one")  # built: what follows loads alone
    monkeypatch.setattr(function, "_loaded", {})
    thread = threading.Thread(target=emulator.load, args=(source, "one"))
    with loader.one_at_a_time:  # as a launch in another thread holds it
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join()
    y = np.zeros(1, np.float32)
    emulator.load(source, "one")(1, 1, (y,))
    assert y[0] == 1
