"""Every op on every device that is here: equal numbers, and results and gradients that stay on the device."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor
from gpunn.reference.close import assert_close
from tests.ops.test_raw_arrays import CALLS, NO_GRADIENT
from tests.parity import normal


def moved(a, device):
    if not isinstance(a, np.ndarray):
        return a
    return gpunn.to_device(a.astype(np.float32) if a.dtype == np.float64 else a, device)


def tensors(arguments, device):
    floats = [isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arguments]
    return [
        Tensor(moved(a, device), requires_grad=True) if f else moved(a, device)
        for a, f in zip(arguments, floats, strict=True)
    ]


@pytest.fixture(params=["emulator", "cuda"])
def device(request):
    if not gpunn.is_available(request.param):
        pytest.skip(f"device {request.param} is not available here (gpunn doctor says why)")
    return request.param


# These close over a label array that lives on the cpu.
ON_CPU_ONLY = {"cross_entropy", "nll_loss"}


@pytest.mark.parametrize("name", sorted(set(CALLS) - ON_CPU_ONLY))
def test_op(name, device):
    function, *arguments = CALLS[name]
    on_cpu, there = tensors(arguments, "cpu"), tensors(arguments, device)
    want, got = function(*on_cpu), function(*there)
    assert str(got.device) == device, f"{name} left its device: {got.device}"
    assert got.dtype == want.dtype
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(gpunn.to_numpy(got), want.data)
    else:
        assert_close(gpunn.to_numpy(got), want.data, 40)
    if name in NO_GRADIENT:
        return
    gy = normal(*want.shape, seed=5).astype(np.float32)
    want.backward(gy)
    got.backward(gpunn.to_device(gy, device))
    for a, b in zip(on_cpu, there, strict=True):
        if isinstance(a, Tensor):
            assert type(b.grad) is type(b.data), f"{name}: the gradient left its device"
            assert b.grad.dtype == np.float32
            assert_close(gpunn.to_numpy(b.grad), a.grad, 60)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_losses_of_labels(name, device):
    x, labels = normal(3, 4).astype(np.float32), np.array([1, -100, 3])
    results = []
    for where in ("cpu", device):
        t = Tensor(gpunn.to_device(x, where), requires_grad=True)
        y = getattr(gpunn.ops, name)(t, gpunn.to_device(labels, where))
        y.backward()
        assert str(y.device) == where and type(t.grad) is type(t.data)
        results.append((y.item(), gpunn.to_numpy(t.grad)))
    assert_close(np.float32(results[1][0]), results[0][0], 12)
    assert_close(results[1][1], results[0][1], 12)


def test_moving_there_and_back_carries_the_gradient(device):
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = (x.to(device) * 2).to("cpu") * 3
    y.sum().backward()
    assert type(x.grad) is np.ndarray and x.grad.tolist() == [6, 6, 6]


def test_a_parameter_updated_in_place_stays_there(device):
    x = Tensor(gpunn.to_device(np.ones(3, np.float32), device), requires_grad=True)
    (x * x).sum().backward()
    x.data -= 0.5 * x.grad
    assert str(x.device) == device and gpunn.to_numpy(x.data).tolist() == [0, 0, 0]


def test_numbers_of_the_generator_are_equal_on_every_device(device):
    masks = []
    for where in ("cpu", device):
        gpunn.manual_seed(5)
        masks.append(gpunn.to_numpy(gpunn.ops.dropout(gpunn.to_device(np.ones((20, 20), np.float32), where), 0.5)))
    np.testing.assert_array_equal(*masks)
