"""In which order of their axes results lie in memory, as the docstring of gpunn.ops has it."""

import numpy as np
import pytest

from gpunn import ops
from tests.ops.test_devices import W4, X, moved

ROWS, LAST, TURNED = (0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)
CONVS = {
    "conv2d": lambda x, w: ops.conv2d(x, w, groups=2),
    "conv_transpose2d": lambda x, w: ops.conv_transpose2d(x, w),
    "conv2d_grad_input": lambda x, w: ops.conv2d_grad_input(ops.conv2d(x, w, groups=2), w, x.shape, groups=2),
    "conv2d_grad_weight": lambda x, w: ops.conv2d_grad_weight(ops.conv2d(x, w, groups=2), x, w.shape, groups=2),
}
KEPT = {
    "max_pool2d": lambda x, w: ops.max_pool2d(x, 2),
    "avg_pool2d": lambda x, w: ops.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x, w: ops.adaptive_avg_pool2d(x, 2),
    "batch_norm": lambda x, w: ops.batch_norm(x, None, None, training=True),
    "group_norm": lambda x, w: ops.group_norm(x, 2),
}
ANY = {
    "relu": lambda x, w: ops.relu(x),
    "add": lambda x, w: ops.add(x, x),
    "sum": lambda x, w: ops.sum(x, 0, keepdims=True),
    "softmax": lambda x, w: ops.softmax(x, 1),
}
TWO_ON_DEVICES = {
    "dropout": lambda x, w: ops.dropout(x, 0.5),
    "dropout2d": lambda x, w: ops.dropout2d(x, 0.5),
    "local_response_norm": lambda x, w: ops.local_response_norm(x, 3),
    "local_response_norm_backward": lambda x, w: ops.local_response_norm_backward(x, x, 3),
}
SLOPES = {
    "relu": ops.relu_backward, "hardtanh": ops.hardtanh_backward, "elu": ops.elu_backward, "gelu": ops.gelu_backward,
}  # fmt: skip


def order(a):
    return tuple(sorted(range(a.ndim), key=lambda axis: -a.strides[axis]))


def lying(axes, place):
    """X with its axes in this order in memory."""
    return moved(np.ascontiguousarray(X.transpose(axes)), place).transpose(np.argsort(axes).tolist())


@pytest.mark.parametrize("name", CONVS)
def test_convolutions_give_channels_last_memory(name, place):
    for axes in (ROWS, LAST, TURNED):
        assert order(CONVS[name](lying(axes, place), moved(W4, place))) == LAST


@pytest.mark.parametrize("name", KEPT)
def test_pools_and_norms_keep_which_of_two_orders_x_has(name, place):
    w = moved(W4, place)
    assert order(KEPT[name](lying(LAST, place), w)) == LAST
    assert order(KEPT[name](lying(ROWS, place), w)) == (LAST if place == "cpu" else ROWS)


@pytest.mark.parametrize("name", ANY)
def test_what_works_element_by_element_or_adds_up_keeps_every_order(name, place):
    for axes in (ROWS, LAST, TURNED):
        y = ANY[name](lying(axes, place), moved(W4, place))
        assert [i for i in order(y) if y.shape[i] > 1] == [i for i in axes if y.shape[i] > 1]


@pytest.mark.parametrize("name", TWO_ON_DEVICES)
def test_dropout_and_local_response_norm_know_two_orders_on_devices(name, place):
    for axes in (ROWS, LAST, TURNED):
        y = TWO_ON_DEVICES[name](lying(axes, place), moved(W4, place))
        assert order(y) == (LAST if axes == TURNED and place != "cpu" else axes)


def test_a_dropout_by_its_mask_keeps_every_order(place):
    mask = moved(X > 0, place)
    for axes in (ROWS, LAST, TURNED):
        assert order(ops.dropout_backward(lying(axes, place), mask, 0.5)) == axes


@pytest.mark.parametrize("name", SLOPES)
def test_an_activations_gradient_lies_as_what_it_is_read_from(name, place):
    for axes in (ROWS, LAST, TURNED):
        for gy in (lying(ROWS, place), lying(LAST, place)):
            assert order(SLOPES[name](gy, lying(axes, place), lying(axes, place))) == axes
