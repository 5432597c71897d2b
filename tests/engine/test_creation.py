"""gpunn.tensor: a copy of whatever data, in the dtype and on the device that were asked for."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor
from gpunn.errors import DeviceError

DEVICES = [name for name in ("cpu", "emulator", "cuda") if gpunn.is_available(name)]


@pytest.mark.parametrize("data", [[[1, 2.5]], ((1.0, 2.5),), np.array([[1, 2.5]], np.float32), Tensor([[1.0, 2.5]])])
def test_data_of_every_kind_becomes_a_leaf(data):
    x = gpunn.tensor(data, requires_grad=True)
    assert isinstance(x, Tensor) and x.is_leaf and x.requires_grad and x.dtype == np.float32
    assert x.tolist() == [[1.0, 2.5]]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("wrap", [lambda a: a, Tensor], ids=["array", "Tensor"])
def test_it_copies_and_keeps_the_memory_order(device, wrap):
    a = gpunn.to_device(np.zeros((2, 3), np.float32).T, device)
    x = gpunn.tensor(wrap(a))
    x.array[...] = 7
    assert not gpunn.to_numpy(a).any() and str(x.device) == device and type(x.array) is type(a)
    assert x.array.strides == a.strides


def test_a_subclass_and_another_framework_are_copied_too():
    matrix = np.zeros((2, 2)).view(np.matrix)
    gpunn.tensor(matrix).array[...] = 1
    assert not matrix.any()

    class Foreign:
        def __init__(self, array):
            self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__

    a = np.zeros(3, np.float32)
    gpunn.tensor(Foreign(a)).array[...] = 1
    assert not a.any()


def test_dtypes():
    assert gpunn.tensor([1, 2]).dtype == np.int64 and gpunn.tensor([True]).dtype == np.bool_
    assert gpunn.tensor(0.1).dtype == np.float32 and gpunn.tensor(np.float64(0.1)).dtype == np.float64
    assert gpunn.tensor([0.1], dtype="float64").item() == 0.1, "not rounded to float32 on the way"
    assert gpunn.tensor(np.ones(2), np.float32).dtype == np.float32
    assert gpunn.tensor([1, 2], dtype="float32", requires_grad=True).requires_grad


@pytest.mark.parametrize("device", DEVICES)
def test_devices(device):
    assert str(gpunn.tensor([1.0], device=device).device) == device
    assert str(gpunn.tensor(np.ones(1), device=gpunn.device(device)).device) == device


def test_history_stays_behind():
    x = Tensor(np.ones(2), requires_grad=True)
    y = gpunn.tensor(x * 2)
    assert y.is_leaf and not y.requires_grad and y.tolist() == [2.0, 2.0]


def test_refusals():
    with pytest.raises(TypeError, match=r"tensor: dtype is 'flaot', expected one of numbers, for example 'float32'"):
        gpunn.tensor([1.0], dtype="flaot")
    with pytest.raises(TypeError, match="dtype int64 cannot require a gradient"):
        gpunn.tensor([1], requires_grad=True)
    with pytest.raises(ValueError, match="make all rows equally long"):
        gpunn.tensor([[1], [2, 3]])
    if not gpunn.is_available("cuda"):
        with pytest.raises(DeviceError):
            gpunn.tensor([1.0], device="cuda")
    with pytest.raises(TypeError, match="a list of Tensors that require gradients"):
        gpunn.tensor([Tensor(1.0, requires_grad=True)])
    with pytest.raises(TypeError, match="a list of Tensors that require gradients"):
        gpunn.tensor([Tensor(1.0, requires_grad=True)], dtype="float64")
