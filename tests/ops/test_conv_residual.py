"""conv2d that adds a residual before its activation: the numbers of three calls, on every device, one rounding."""

import os

import ml_dtypes
import numpy as np
import pytest

import gpunn
from gpunn import Tensor, gradcheck, ops
from gpunn.reference.close import assert_close
from tests.ops.test_conv_pool import inputs

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of kernels in 16 bits: in CI")
ACTIVATIONS = (None, "relu", "tanh")


def together(x, w, b, r, activation):
    return ops.conv2d(x, w, b, padding=1, activation=activation, residual=r)


def apart(x, w, b, r, activation):
    y = ops.conv2d(x, w, b, padding=1) + r
    return y if activation is None else getattr(ops, activation)(y)


def given(dtype=np.float64):
    """Arrays of the convolution, and a residual of its output."""
    return [*inputs(dtype), np.random.default_rng(2).integers(-8, 9, (2, 5, 9, 8)).astype(dtype) / 4]


def results(function, arrays, device, activation):
    tensors = [Tensor(gpunn.to_device(a, device), requires_grad=True) for a in arrays]
    y = function(*tensors, activation)
    y.backward(gpunn.to_device(np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype), device))
    return [gpunn.to_numpy(a) for a in (y.array, *(t.gradient for t in tensors))]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_cpu_gives_the_bits_of_three_calls(activation):
    for dtype in (np.float32, np.float64):
        for a, b in zip(*(results(f, given(dtype), "cpu", activation) for f in (together, apart)), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_a_device_agrees_with_the_cpu(activation, device):
    if not gpunn.is_available(device):
        pytest.skip(f"device {device} is not available here (gpunn doctor says why)")
    got, want = (results(together, given(np.float32), where, activation) for where in (device, "cpu"))
    for a, b in zip(got, want, strict=True):
        assert_close(a, b, 200)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_against_differences(activation):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in ((1, 2, 4, 5), (3, 2, 3, 3), (3,), (1, 3, 4, 5))]
    assert gradcheck(lambda *a: together(*a, activation), arrays)


def test_the_residuals_gradient_is_its_own_memory():
    x, w, b, r = (Tensor(a, requires_grad=True) for a in given())
    y = together(x, w, b, r, None)
    (y + y).sum().backward()
    r.gradient[...] = 0
    np.testing.assert_array_equal(b.gradient, np.full(5, 2.0 * 2 * 9 * 8))


def test_an_image_without_a_batch_and_an_empty_batch():
    x, w, b, r = given()
    np.testing.assert_array_equal(together(x[0], w, b, r[0], "relu"), together(x, w, b, r, "relu")[0])
    assert together(x[:0], w, b, r[:0], "relu").shape == (0, 5, 9, 8)
    one = Tensor(r[0], requires_grad=True)
    together(x[0], w, b, one, "relu").sum().backward()
    assert one.gradient.shape == (5, 9, 8)


@pytest.mark.parametrize("device", ["cpu", pytest.param("emulator", marks=in_ci)])
def test_sixteen_bits_round_once_and_gradients_keep_their_types(device):
    if not gpunn.is_available(device):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    x, w, b, r = (a.astype(np.float32) for a in given())
    r *= 64.25  # beside which a sum in 16 bits has lost its last places
    want = apart(x, w, b, r.astype(ml_dtypes.bfloat16).astype(np.float32), "relu")
    tensors = [Tensor(gpunn.to_device(a, device), requires_grad=True) for a in (x, w, b, r)]
    with gpunn.precision("bf16"):
        y = together(*tensors, "relu")
        y.sum().backward()
    assert y.dtype.name == "bfloat16" and {t.gradient.dtype.name for t in tensors} == {"float32"}
    np.testing.assert_array_equal(gpunn.to_numpy(y.array), want.astype(y.dtype))
    np.testing.assert_array_equal(gpunn.to_numpy(tensors[3].gradient), (want > 0).astype(np.float32))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rank", [1, 3])
def test_in_other_ranks(rank, activation):
    """Values and gradients of three calls on the cpu, and the kernels' numbers, of an image without a batch too."""
    op, rng = getattr(ops, f"conv{rank}d"), np.random.default_rng(3)
    shapes = (4, *(5, 3, 4)[:rank]), (6, 2, *[3] * rank), (6,), (6, *(5, 3, 4)[:rank])
    arrays = [rng.integers(-8, 9, shape).astype(np.float32) / 4 for shape in shapes]

    def fused(x, w, b, r, activation):
        return op(x, w, b, padding=1, groups=2, activation=activation, residual=r)

    def in_turn(x, w, b, r, activation):
        y = op(x, w, b, padding=1, groups=2) + r
        return y if activation is None else getattr(ops, activation)(y)

    wanted = results(in_turn, arrays, "cpu", activation)
    for a, b in zip(results(fused, arrays, "cpu", activation), wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    batched = fused(arrays[0][None], *arrays[1:3], arrays[3][None], activation)
    np.testing.assert_array_equal(batched[0], wanted[0])
    if gpunn.is_available("emulator"):
        for a, b in zip(results(fused, arrays, "emulator", activation), wanted, strict=True):
            assert_close(a, b, 200)
