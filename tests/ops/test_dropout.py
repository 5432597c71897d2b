"""dropout2d and stochastic_depth: what is dropped together, how often, and how the rest grows."""

import numpy as np
import pytest

from gpunn import Tensor, ops

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
        np.testing.assert_array_equal(x.grad, y.data * 3)
        kept = [c.cell_contents for c in function(x)._node.backward.__closure__]
        assert all(c.size <= 9 * 50 for c in kept), "the mask, not an array of x's size"


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
