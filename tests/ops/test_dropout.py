"""dropout2d and stochastic_depth: what is dropped together, how often, and how the rest grows."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from tests.ops.test_devices import device  # noqa: F401  (a fixture)

ONES = np.ones((200, 50, 2, 3), np.float32)


def test_channels_are_dropped_whole():
    y = ops.dropout2d(ONES, 0.3)
    first = y[:, :, :1, :1]
    assert (y == first).all() and set(np.unique(y)) == {0, np.float32(1 / 0.7)}
    assert (first == 0).mean() == pytest.approx(0.3, abs=0.02)  # 10,000 channels: 4 standard errors
    assert ((first == 0).all(axis=1).sum(), (first == 0).any(axis=1).all()) == (0, True)


def test_rows_or_the_batch_are_dropped_whole():
    y = ops.stochastic_depth(ONES, 0.5, "row")
    assert (y == y[:, :1, :1, :1]).all() and set(np.unique(y)) == {0, 2}
    assert 60 < (y[:, 0, 0, 0] == 0).sum() < 140
    whole = [float(ops.stochastic_depth(ONES[:3], 0.5, "batch").mean()) for _ in range(60)]
    assert set(whole) == {0, 2} and 10 < whole.count(0) < 50


def test_the_gradient_takes_the_same_mask():
    for function in (lambda a: ops.dropout2d(a, 0.5), lambda a: ops.stochastic_depth(a, 0.5, "row")):
        x = Tensor(ONES[:9], requires_grad=True)
        y = function(x)
        y.backward(ONES[:9] * 3)
        np.testing.assert_array_equal(x.gradient, y.array * 3)
        (backward,) = [c.cell_contents for c in function(x)._node.backward.__closure__]
        kept = [c.cell_contents for c in backward.__wrapped__.__closure__]
        assert any(np.size(c) > 1 for c in kept) and all(np.size(c) <= 9 * 50 for c in kept), "the mask alone"


DROPS = {
    "dropout": lambda x: ops.dropout(x, 0.3),
    "dropout2d": lambda x: ops.dropout2d(x, 0.3),
    "rows": lambda x: ops.stochastic_depth(x, 0.3, "row"),
    "batch": lambda x: ops.stochastic_depth(x, 0.3, "batch"),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True], ids=["row-major", "channels-last"])
@pytest.mark.parametrize("name", DROPS)
def test_every_device_has_the_same_bits(name, last, dtype, device):  # noqa: F811
    values = np.random.default_rng(0).standard_normal((5, 6, 3, 7)).astype(dtype)
    values[0, 0, 0, :3] = np.inf, np.nan, -0.0
    found = []
    for where in ("cpu", device):
        gpunn.manual_seed(2**64 - 9)
        gpunn.random.uniform(3)  # the counter has moved
        x = gpunn.to_device(values, where)
        if last:  # the numbers belong to logical places, wherever memory has them
            x = x.transpose((0, 2, 3, 1)).copy().transpose((0, 3, 1, 2))
        x = Tensor(x, requires_grad=True)
        y = DROPS[name](x)
        y.backward(x.array * 3)
        assert y.array.strides == x.array.strides or where == "cpu"
        found.append((gpunn.to_numpy(y.array), gpunn.to_numpy(x.gradient), gpunn.random.get_state()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_mask_moves_the_counter_as_far_on_every_device(device):  # noqa: F811
    states = []
    for where in ("cpu", device):
        gpunn.manual_seed(4)
        ops.dropout(gpunn.to_device(np.ones((3, 3), np.float32), where))
        states.append(gpunn.random.get_state()["counter"])
    assert states == [3, 3]


def test_evaluation_and_the_ends():
    for function in (ops.dropout2d, lambda a, p, t=True: ops.stochastic_depth(a, p, "row", t)):
        assert function(ONES, 0.5, False) is ONES and function(ONES, 0.0) is ONES
        assert not function(ONES, 1.0).any()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ops.dropout2d(ONES, 2), "dropout2d: p is 2, expected 0 to 1: .* a channel is dropped"),
        (lambda: ops.dropout2d(ONES[0, 0]), "dropout2d: x has 2 dimensions .*; use dropout for vectors"),
        (
            lambda: ops.stochastic_depth(ONES, 0.5, "sample"),
            "stochastic_depth: mode is 'sample', expected one of 'row'",
        ),
        (lambda: ops.stochastic_depth(ONES, -1, "row"), "stochastic_depth: p is -1, expected 0 to 1: .* a branch"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
