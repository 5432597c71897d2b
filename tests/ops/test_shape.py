"""Reshaping, joining, padding: values and gradients against PyTorch."""

import numpy as np
import pytest

from gpunn import Tensor, ops, to_device
from gpunn.reference.close import assert_close
from tests import counting
from tests.parity import DTYPES, compare, normal, torch


@DTYPES
@pytest.mark.parametrize("shape", [(12,), (3, 8), (-1, 4), (2, 3, 2, 2), (24, 1), (-1,)][1:], ids=str)
def test_reshape(shape, dtype):
    compare(lambda x: ops.reshape(x, shape), lambda x: x.reshape(shape), normal(2, 3, 4), dtype=dtype)


def test_reshape_follows_logical_order_of_channels_last_memory():
    x = np.ascontiguousarray(normal(2, 4, 5, 3)).transpose(0, 3, 1, 2)  # (2, 3, 4, 5) in NHWC memory
    compare(lambda x: ops.reshape(x, (2, -1)), lambda x: x.reshape(2, -1), x)
    compare(lambda x: ops.flatten(x, 1), lambda x: x.flatten(1), x)


def test_flatten_of_channels_last_memory_is_one_copy_and_its_gradient_a_view(look_alike):
    """As between the last convolution and the first linear layer: 100 KB of LeNet-5 b64, 0.05 us of a card's memory."""
    a = to_device(np.ones((4, 5, 3, 2), np.float32), "cuda").transpose(0, 3, 1, 2)
    x = Tensor(a, requires_grad=True)
    with counting.device_work() as work:
        y = ops.flatten(ops.relu(x), 1)
    assert dict(work.launches) == {"activation_forward": 1, "map": 1}
    with counting.device_work() as work:
        y.backward(to_device(np.ones((4, 30), np.float32), "cuda"))
    assert set(work.launches) == {"activation_backward", "map"}  # of the leaf's own gradient
    assert not work.reads


def test_reshape_method_takes_a_tuple_or_numbers():
    x = Tensor(normal(2, 6))
    assert x.reshape(3, 4).shape == x.reshape((3, 4)).shape == x.reshape(-1, 4).shape == (3, 4)


@pytest.mark.parametrize(("start", "end"), [(0, -1), (1, -1), (1, 2), (0, 1), (2, 2), (-2, -1)])
def test_flatten(start, end):
    compare(lambda x: ops.flatten(x, start, end), lambda x: torch().flatten(x, start, end), normal(2, 3, 4, 2))
    compare(lambda x: ops.flatten(x, start_dim=start, end_dim=end), lambda x: x.flatten(start, end), normal(2, 3, 4, 2))


def test_flatten_of_a_number_is_a_vector():
    compare(ops.flatten, lambda x: x.flatten(), np.array(2.0))


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (-1, 0, 1)])
def test_permute(axes):
    compare(lambda x: ops.permute(x, axes), lambda x: x.permute(axes), normal(2, 3, 4))
    compare(lambda x: ops.transpose(x, axes), lambda x: x.permute(axes), normal(2, 3, 4))


def test_transpose_reverses_a_matrix():
    compare(lambda x: x.T, lambda x: x.T, normal(2, 5))
    compare(lambda x: x.transpose(0, 2), lambda x: x.transpose(0, 2), normal(2, 3, 4))


@pytest.mark.parametrize("axis", [None, 1, -3, 3])
def test_squeeze(axis):
    compare(
        lambda x: ops.squeeze(x, axis), lambda x: x.squeeze() if axis is None else x.squeeze(axis), normal(2, 1, 3, 1)
    )


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_unsqueeze_and_expand_dims(axis):
    compare(lambda x: ops.unsqueeze(x, axis), lambda x: x.unsqueeze(axis), normal(2, 3))
    compare(lambda x: ops.expand_dims(x, axis), lambda x: x.unsqueeze(axis), normal(2, 3))


@pytest.mark.parametrize(
    ("shape", "to"), [((3, 1), (3, 4)), ((4,), (2, 3, 4)), ((), (2, 2)), ((1, 1), (0, 5))], ids=str
)
def test_broadcast_to(shape, to):
    compare(lambda x: ops.broadcast_to(x, to), lambda x: torch().broadcast_to(x, to), normal(*shape), terms=9)


@DTYPES
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenate(axis, dtype):
    parts = [normal(2, 3, 4, seed=i) for i in range(3)]
    compare(lambda *xs: ops.concatenate(xs, axis=axis), lambda *xs: torch().cat(xs, axis), *parts, dtype=dtype)


def test_concatenate_of_unequal_lengths_one_of_them_empty():
    parts = [normal(2, 3), normal(0, 3), normal(5, 3)]
    compare(lambda *xs: ops.concatenate(xs), lambda *xs: torch().cat(xs), *parts)


def test_concatenate_takes_constants_among_tensors():
    x = Tensor(normal(2, 3), requires_grad=True)
    y = ops.concatenate([np.zeros((1, 3)), x, x], axis=0)
    y.backward(np.arange(15.0).reshape(5, 3))
    assert_close(x.gradient, np.arange(3.0, 9).reshape(2, 3) + np.arange(9.0, 15).reshape(2, 3))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_stack(axis):
    parts = [normal(2, 3, seed=i) for i in range(4)]
    compare(lambda *xs: ops.stack(xs, axis=axis), lambda *xs: torch().stack(xs, axis), *parts)


# ---------------------------------------------------------------- pad
FLAT = [(1, 2), (0, 0), (2, 1, 1, 0), (1, 1, 0, 2), (0, 3, 2, 0)]


@DTYPES
@pytest.mark.parametrize("padding", FLAT, ids=str)
def test_pad_with_a_number(padding, dtype):
    pad = torch().nn.functional.pad
    compare(
        lambda x: ops.pad(x, padding, value=1.5), lambda x: pad(x, padding, value=1.5), normal(2, 3, 4, 5), dtype=dtype
    )


@DTYPES
@pytest.mark.parametrize("padding", FLAT, ids=str)
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_pad_modes(mode, padding, dtype):
    pad = torch().nn.functional.pad
    x = normal(2, 3, 4, 5) if len(padding) == 4 else normal(2, 3, 5)
    compare(lambda x: ops.pad(x, padding, mode=mode), lambda x: pad(x, padding, mode=mode), x, dtype=dtype, terms=4)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_pad_to_the_limit_of_the_mode(mode):
    n = {"reflect": 3, "replicate": 9, "circular": 4}[mode]
    pad = torch().nn.functional.pad
    compare(lambda x: ops.pad(x, (n, n), mode=mode), lambda x: pad(x, (n, n), mode=mode), normal(2, 3, 4), terms=20)


def test_pad_by_numpys_width_pairs():
    x = normal(2, 3)
    want = np.pad(x, ((1, 0), (2, 3)), constant_values=7)
    assert_close(ops.pad(x, ((1, 0), (2, 3)), value=7), want)


def test_pad_of_an_empty_batch():
    assert ops.pad(np.zeros((0, 2, 3)), (1, 1)).shape == (0, 2, 5)


def test_a_frame_of_zeros_keeps_the_memory_order():
    x = np.ones((2, 5, 4, 3)).transpose(0, 3, 1, 2)
    for value in (0, 2):
        y = ops.pad(x, (1, 2, 0, 1), value=value)
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous and (y[:, :, 5] == value).all() and (y[..., 0] == value).all()
    assert ops.pad(x, (0, 0)) is not x
