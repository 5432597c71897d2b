"""Convolutions whose border is not of zeros: values and gradients beside PyTorch's layers, and what they refuse."""

import warnings

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from gpunn.reference.close import assert_close
from tests.parity import normal

ALSO = {"zero": "zeros", "mirror": "reflect", "replicate": "replicate", "modulo": "circular"}
SIZES = {1: ((2, 4, 6), (4, 2, 2)), 2: ((2, 4, 6, 5), (4, 2, 3, 2)), 3: ((1, 2, 4, 3, 4), (2, 1, 3, 2, 3))}


@pytest.fixture(params=["cpu", "emulator", "cuda"])
def device(request):
    if not gpunn.is_available(request.param):
        pytest.skip(f"device {request.param} is not available here (gpunn doctor says why)")
    return request.param


@pytest.mark.parametrize("word", ALSO)
@pytest.mark.parametrize("rank, padding", [(1, 1), (2, (1, 2)), (2, "same"), (3, "same")], ids=str)
def test_values_and_gradients_are_those_of_pytorch(rank, padding, word, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    shape, taps = SIZES[rank]
    x, w = normal(*shape), normal(*taps, seed=1)
    kind = getattr(torch.nn, f"Conv{rank}d")
    layer = kind(shape[1], taps[0], taps[2:], 1, padding, groups=2, padding_mode=ALSO[word], dtype=torch.float64)
    layer.weight.data = torch.tensor(w)
    below = torch.tensor(x, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of even windows, which PyTorch pads by a copy
        y = layer(below)
    gy = normal(*y.shape, seed=2)
    want = torch.autograd.grad(y, (below, layer.weight, layer.bias), torch.tensor(gy))

    bias = layer.bias.detach().numpy()
    given = [Tensor(gpunn.to_device(a.astype(np.float64), device), requires_grad=True) for a in (x, w, bias)]
    made = getattr(ops, f"conv{rank}d")(*given, 1, padding, groups=2, padding_mode=word)
    assert_close(gpunn.to_numpy(made.array), y.detach().numpy(), terms=w[0].size)
    for one, two in zip(gpunn.grad(made, given, gpunn.to_device(gy, device)), want, strict=True):
        assert_close(gpunn.to_numpy(one), two.numpy(), terms=gy.size)


def test_what_follows_a_convolution_follows_a_bordered_one():
    x, w, residual = normal(1, 2, 5, 5), normal(2, 2, 3, 3, seed=1), normal(1, 2, 5, 5, seed=2)
    padded = ops.pad(x, (1, 1, 1, 1), "reflect")
    want = ops.conv2d(padded, w, activation="relu", residual=residual)
    out = np.empty_like(want)
    made = ops.conv2d(x, w, padding=1, activation="relu", residual=residual, padding_mode="mirror", out=out)
    assert made is out
    np.testing.assert_array_equal(out, want)
    assert_close(ops.conv2d(x[0], w, padding=1, stride=2, padding_mode="reflect"), ops.conv2d(padded[0], w, stride=2))


def test_refusals_name_the_convolution():
    x, w = normal(1, 1, 3, 3), normal(1, 1, 3, 3)
    with pytest.raises(ValueError, match=r"conv2d: padding_mode is 'symmetric', expected one of .zeros., .reflect."):
        ops.conv2d(x, w, padding=1, padding_mode="symmetric")
    with pytest.raises(ValueError, match=r"conv2d: mode 'reflect' cannot pad axis 2 of size 3 by \(3, 3\); expected"):
        ops.conv2d(x, w, padding=3, padding_mode="reflect")
    with pytest.raises(ValueError, match="conv3d: x has 1 channels but w expects 2"):
        ops.conv3d(normal(1, 1, 3, 3, 3), normal(1, 2, 1, 1, 1), padding_mode="circular")
