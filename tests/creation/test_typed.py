"""PyTorch's older constructors: data converted to the dtype of their name, or sizes."""

import numpy as np
import pytest

import gpunn
from tests.parity import torch

NAMES = ["Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short"]


@pytest.mark.parametrize("name", NAMES)
def test_the_dtype_is_that_of_the_name(name):
    ours, theirs = getattr(gpunn, f"{name}Tensor"), getattr(torch(), f"{name}Tensor")
    for data in ([0, 1, 2], [[1.5], [0.0]], [], np.zeros((0, 2))):
        got, want = ours(data), theirs(data)
        assert got.shape == tuple(want.shape) and str(got.dtype) == str(want.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    assert ours(2, 3).shape == (2, 3) and ours().shape == (0,) and ours(4).shape == (4,)
    assert gpunn.ones(2).type(ours).dtype == ours.dtype


def test_several_lists_are_refused():
    with pytest.raises(TypeError, match="LongTensor: got 2 values, expected one list, array or Tensor, or sizes"):
        gpunn.LongTensor([1], [2])


def test_a_tensor_of_a_list_is_floating_point():
    assert gpunn.Tensor([1, 2]).dtype == np.float32 and gpunn.Tensor([[True]]).dtype == np.float32
    assert gpunn.Tensor([0.5]).dtype == np.float32 and gpunn.Tensor(np.arange(2)).dtype == np.int64
    assert gpunn.tensor([1, 2]).dtype == np.int64
