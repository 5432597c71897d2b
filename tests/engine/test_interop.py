"""NumPy and DLPack, both ways, without copies where none is needed."""

import copy
import pickle

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops, to_numpy
from tests.parity import normal, torch


def test_numpy_reads_a_tensor():
    x = Tensor(normal(2, 3))
    assert np.shares_memory(np.asarray(x), x.array)
    np.testing.assert_array_equal(np.asarray(x), x.array)
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(x), x.array)
    assert not np.shares_memory(np.array(x, copy=True), x.array)


def test_numpy_refuses_a_view_that_needs_a_copy():
    with pytest.raises(ValueError):
        np.asarray(Tensor(normal(2, 3)), dtype=np.float32, copy=False)


def test_numpy_functions_take_tensors():
    x = Tensor(normal(2, 3))
    np.testing.assert_allclose(np.sum(np.asarray(x)), x.sum().item())
    np.testing.assert_allclose(x, x.array)


def test_numpy_method_and_to_numpy():
    x = Tensor(normal(2, 3), requires_grad=True)
    for a in (x.numpy(), to_numpy(x), to_numpy(x.array)):
        assert type(a) is np.ndarray
        np.testing.assert_array_equal(a, x.array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_numpy_reads_a_tensor_through_dlpack(dtype):
    x = Tensor(np.arange(6, dtype=dtype).reshape(2, 3))
    a = np.from_dlpack(x)
    assert a.dtype == dtype and np.shares_memory(a, x.array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_pytorch_reads_a_tensor_through_dlpack(dtype):
    x = Tensor(np.arange(6, dtype=dtype).reshape(2, 3))
    t = torch().from_dlpack(x)
    np.testing.assert_array_equal(t.numpy(), x.array)
    t[0, 0] = 7
    assert x.array[0, 0] == 7, "the memory is shared"


def test_pytorch_reads_strided_views():
    x = Tensor(normal(4, 6)[::2, ::3].T)
    np.testing.assert_array_equal(torch().from_dlpack(x).numpy(), x.array)


def test_a_tensor_is_made_from_pytorchs():
    t = torch().arange(6, dtype=torch().float32).reshape(2, 3)
    x = Tensor(t)
    assert isinstance(x.array, np.ndarray) and x.dtype == np.float32
    np.testing.assert_array_equal(x.array, t.numpy())


def test_ops_take_pytorch_tensors_among_the_arguments_or_refuse_them_by_name():
    t = torch().ones(3, dtype=torch().float64)
    try:
        y = ops.add(Tensor(normal(3)), t)
    except TypeError as error:
        assert "add" in str(error)
    else:
        np.testing.assert_array_equal(y.array, normal(3) + 1)


def test_a_tensor_is_made_from_whatever_speaks_dlpack():
    class Foreign:
        """Speaks DLPack and nothing else."""

        def __init__(self, a):
            self.a = a

        def __dlpack__(self, **options):
            return self.a.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.a.__dlpack_device__()

    a = normal(2, 3)
    np.testing.assert_array_equal(Tensor(Foreign(a)).array, a)


def test_copies_and_pickles_keep_values_and_the_wish_for_gradients():
    x = Tensor(normal(2, 3), requires_grad=True)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        np.testing.assert_array_equal(twin.array, x.array)
        assert twin.requires_grad and not np.shares_memory(twin.array, x.array)
        (twin * 2).sum().backward()
        assert (twin.gradient == 2).all() and x.gradient is None


def test_a_pickled_leaf_takes_its_gradient_along_and_a_shallow_copy_does_not():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    loaded, shallow = pickle.loads(pickle.dumps(x)), copy.copy(x)
    assert loaded.gradient.tolist() == [2, 4] and loaded.gradient is not x.gradient
    assert shallow.array is x.array and shallow.gradient is None
    (loaded * loaded).sum().backward()
    assert loaded.gradient.tolist() == [4, 8] and x.gradient.tolist() == [2, 4]


def test_torch_views_of_turned_sign_keep_their_sign():
    imaginary = torch().tensor([1 + 2j, 3 - 4j]).conj().imag
    assert imaginary.is_neg()
    assert Tensor(imaginary).tolist() == [-2, 4]
    assert to_numpy(imaginary).tolist() == [-2, 4]
    assert imaginary.tolist() == [-2, 4]


def test_torch_tensors_go_to_a_device_as_arrays_do():
    narrow = torch().tensor([1.5, -2]).bfloat16()
    assert to_numpy(narrow).astype("float32").tolist() == [1.5, -2]
    assert to_numpy(torch().ones(2, requires_grad=True)).tolist() == [1, 1]
    if gpunn.is_available("emulator"):
        moved = gpunn.to_device(narrow, "emulator")
        assert str(Tensor(moved).device) == "emulator" and moved.dtype.name == "bfloat16"
