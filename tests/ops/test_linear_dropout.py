"""linear, dropout and one_hot."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from tests import counting
from tests.parity import DTYPES, compare, normal, torch


@DTYPES
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("shape", [(5, 7), (7,), (2, 3, 7), (0, 7), (1, 7)], ids=str)
def test_linear(shape, bias, dtype):
    arrays = [normal(*shape), normal(4, 7, seed=1)] + [normal(4, seed=2)] * bias
    compare(ops.linear, torch().nn.functional.linear, *arrays, dtype=dtype, terms=60)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 7, 5), (8, 16, 4), (5, 13, 1)], ids=str)
def test_linear_against_one_dot_product_an_element(sizes):
    n, c, k = sizes
    x, w, b = normal(n, c), normal(k, c, seed=1), normal(k, seed=2)
    assert_close(ops.linear(x, w, b), naive.linear(x, w, b), c)


def test_linear_of_a_strided_input():
    x = normal(7, 6).T[::-1]
    w = normal(4, 14)[:, ::2]
    assert_close(ops.linear(x, w), naive.linear(x, w, None), 7)


@pytest.mark.parametrize("device", ["cpu", "emulator", "cuda"])
@pytest.mark.parametrize("shape", [(5, 7), (7,), (2, 3, 7)], ids=str)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_linear_with_an_activation_is_linear_and_the_activation(activation, shape, device, look_alike):
    if not gpunn.is_available(device):
        pytest.skip(f"device {device} is not available")
    found = []
    for fused in (True, False):
        x, w, b = (
            Tensor(gpunn.to_device(normal(*size, seed=i), device), requires_grad=True)
            for i, size in enumerate((shape, (4, 7), (4,)))
        )
        y = ops.linear(x, w, b, activation) if fused else getattr(ops, activation)(ops.linear(x, w, b))
        y.backward(gpunn.to_device(normal(*shape[:-1], 4, seed=9), device))
        found.append([gpunn.to_numpy(a) for a in (y.array, x.gradient, w.gradient, b.gradient)])
    for ours, theirs in zip(*found, strict=True):
        if device == "cpu":
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert_close(ours, theirs, 7)


def test_linear_refuses_an_activation_that_it_does_not_have():
    with pytest.raises(ValueError, match=r"linear: activation is 'gelu', expected one of 'relu', 'tanh'"):
        ops.linear(normal(2, 3), normal(4, 3), activation="gelu")


def test_the_layer_passes_its_activation_on():
    layer, x = nn.Linear(3, 4), Tensor(normal(2, 3).astype(np.float32))
    np.testing.assert_array_equal(layer(x, activation="relu").array, ops.relu(layer(x)).array)


def test_whatever_gradients_are_asked_for_take_one_launch(look_alike):
    x, w, b = (gpunn.to_device(normal(*shape), "cuda") for shape in ((5, 7), (4, 7), (4,)))
    for wanted in ((0,), (1,), (2,), (0, 1, 2)):
        given = [Tensor(a, requires_grad=i in wanted) for i, a in enumerate((x, w, b))]
        y = ops.linear(*given, activation="relu")
        gy = gpunn.to_device(normal(5, 4), "cuda")
        with counting.device_work() as work:
            y.backward(gy)
        assert work.launches["gemm_tiled"] == 1, str(work)
        assert work.launches.total() == 1, str(work)
        assert [i for i, a in enumerate(given) if a.gradient is not None] == list(wanted)


# ---------------------------------------------------------------- dropout
@DTYPES
def test_dropout_keeps_about_the_right_share_and_scales_it(dtype):
    x = Tensor(np.ones((200, 300), dtype), requires_grad=True)
    y = ops.dropout(x, p=0.3)
    assert y.dtype == dtype
    kept = y.array != 0
    assert abs(kept.mean() - 0.7) < 0.01  # five deviations of a binomial share
    assert_close(y.array[kept], np.full(kept.sum(), 1 / 0.7))
    gy = normal(200, 300).astype(dtype)
    y.backward(gy)
    assert_close(x.gradient, np.where(kept, gy / 0.7, 0), 4)


def test_dropout_draws_anew_each_time_and_repeats_under_a_seed():
    x = np.ones((50, 50))
    gpunn.manual_seed(3)
    first, second = ops.dropout(x), ops.dropout(x)
    assert (first != second).any()
    gpunn.manual_seed(3)
    np.testing.assert_array_equal(ops.dropout(x), first)


def test_dropout_off_is_the_identity():
    x = Tensor(normal(3, 4), requires_grad=True)
    for y in (ops.dropout(x, 0.5, training=False), ops.dropout(x, 0.0)):
        np.testing.assert_array_equal(y.array, x.array)
        x.gradient = None
        y.backward(np.full((3, 4), 2.0))
        assert (x.gradient == 2).all()


def test_dropout_of_everything_is_zero_without_nan():
    x = Tensor(normal(3, 4), requires_grad=True)
    y = ops.dropout(x, p=1.0)
    y.sum().backward()
    assert (y.array == 0).all() and (x.gradient == 0).all()


def test_dropout_of_an_empty_batch():
    assert ops.dropout(np.zeros((0, 3)), 0.5).shape == (0, 3)


# ---------------------------------------------------------------- one-hot
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)], ids=str)
@pytest.mark.parametrize("classes", [-1, 5, 9])
def test_one_hot(shape, classes):
    target = np.random.default_rng(0).integers(0, 5, shape)
    want = torch().nn.functional.one_hot(torch().tensor(target), classes).numpy()
    for got in (ops.one_hot(target, classes), ops.one_hot(target, num_classes=classes)):
        np.testing.assert_array_equal(got, want)
        assert got.dtype == np.int64
    assert isinstance(ops.one_hot(Tensor(target), classes), Tensor)


@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_a_label_that_is_no_class_is_noted_on_a_device(device, request):
    """Its row is zeros; the next read says which it was, once."""
    if device == "cuda":
        request.getfixturevalue("look_alike")
    elif not gpunn.is_available(device):
        pytest.skip("the emulator is not available here")
    y = ops.one_hot(gpunn.to_device(np.array([[2, 0], [7, -1]]), device), 3)
    words = r"one_hot: target has the label 7 \(element 2\), expected 0 to 2; correct the labels, or raise num_classes"
    with pytest.raises(IndexError, match=words):
        gpunn.to_numpy(y)
    np.testing.assert_array_equal(gpunn.to_numpy(y), [[[0, 0, 1], [1, 0, 0]], [[0, 0, 0], [0, 0, 0]]])
    with pytest.raises(IndexError, match=r"one_hot: target has the label 5 \(element 1\), expected 0 to 4"):
        ops.one_hot(np.array([0, 5]), 5)
