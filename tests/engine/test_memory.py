"""Long graphs without recursion, and arrays freed as soon as no gradient needs them."""

import gc
import weakref

import numpy as np
import pytest

from gpunn import Tensor, no_grad, ops
from gpunn.reference.close import assert_close


def leaf(values=(1.0, 2.0, 3.0), dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


# ---------------------------------------------------------------- long graphs
def test_a_chain_of_ten_thousand_operations():
    x = leaf([1.0, 1.0])
    y = x
    for _ in range(10_000):
        y = y * 1.0001
    y.sum().backward()
    assert_close(x.gradient, np.full(2, 1.0001**10_000), 10_000)


def test_a_chain_of_ten_thousand_operations_is_also_dropped_without_recursion():
    """All of it, at once and without the collector; a destructor that recurses too deep would leave a warning."""
    y, kept = leaf([1.0]), []
    for _ in range(10_000):
        factor = np.ones(1)
        kept.append(weakref.ref(factor))
        y = y * factor
    del factor
    assert all(reference() is not None for reference in kept), "the chain must hold what backward needs"
    gc.disable()
    try:
        del y
        assert not any(reference() is not None for reference in kept)
    finally:
        gc.enable()


# ---------------------------------------------------------------- freed memory
def saved_array_of(x):
    """A weak reference to an array that only the graph holds."""
    big = np.full((3,), 2.0)
    reference = weakref.ref(big)
    y = (x * big).sum()
    return y, reference


def test_saved_arrays_are_freed_by_the_backward_pass():
    y, reference = saved_array_of(leaf())
    gc.disable()
    try:
        assert reference() is not None, "the graph must hold what backward needs"
        y.backward()
        assert reference() is None, "backward must drop what it has used, without the help of the collector"
    finally:
        gc.enable()


def test_saved_arrays_are_freed_when_the_result_is_dropped():
    y, reference = saved_array_of(leaf())
    gc.disable()
    try:
        del y
        assert reference() is None, "a graph nobody holds must vanish at once: no reference cycles"
    finally:
        gc.enable()


def test_a_leaf_is_freed_when_it_is_dropped():
    """A cycle between a leaf and its node would keep every parameter, and its gradient, until the collector runs."""
    x = leaf()
    (x * 2).sum().backward()
    data, gradient = weakref.ref(x.array), weakref.ref(x.grad)
    gc.disable()
    try:
        del x
        assert data() is None and gradient() is None
    finally:
        gc.enable()


def test_inner_results_are_freed_while_the_loss_lives():
    x = leaf()
    middle = ops.exp(x)
    reference = weakref.ref(middle.array)
    loss = middle.sum()
    del middle
    assert reference() is not None
    loss.backward()
    assert reference() is None
    assert loss.item() > 0


# What each of these needs for its gradient is a shape, or an array other than its first input.
NEEDS_NO_INPUT = {
    "add": lambda a: a + np.ones(3),
    "add to a number": lambda a: 1.0 + a,
    "sub": lambda a: a - np.ones(3),
    "neg": lambda a: -a,
    "mul by a number": lambda a: a * 3.0,
    "mul by an array": lambda a: a * np.ones(3),
    "div by a number": lambda a: a / 3.0,
    "sum": lambda a: a.sum(),
    "mean": lambda a: a.mean(),
    "exp": lambda a: ops.exp(a),
    "sqrt": lambda a: ops.sqrt(a),
    "tanh": lambda a: ops.tanh(a),
    "sigmoid": lambda a: ops.sigmoid(a),
    "relu": lambda a: ops.relu(a),
    "softmax": lambda a: ops.softmax(a, 0),
    "log_softmax": lambda a: ops.log_softmax(a, 0),
    "concatenate": lambda a: ops.concatenate([a, np.ones(2)]),
    "stack": lambda a: ops.stack([a, a]),
    "pad": lambda a: ops.pad(a, (1, 1)),
    "index by numbers": lambda a: a[np.array([0, 2])],
    "where": lambda a: ops.where(np.array([True, False, True]), a, 0.0),
    "dropout": lambda a: ops.dropout(a, 0.5),
    "matmul by an array": lambda a: a @ np.ones((3, 2)),
    "linear": lambda a: ops.linear(a, np.ones((2, 3))),
    "max_pool2d": lambda a: ops.max_pool2d(a.reshape(1, 1, 3), 1),
    "avg_pool2d": lambda a: ops.avg_pool2d(a.reshape(1, 1, 3), 1),
    "conv1d": lambda a: ops.conv1d(a.reshape(1, 3), np.ones((2, 1, 1))),
    "cross_entropy": lambda a: ops.cross_entropy(a, np.array(1)),
    "mse_loss": lambda a: ops.mse_loss(a, np.zeros(3)),
}


@pytest.mark.parametrize("name", NEEDS_NO_INPUT)
def test_an_activation_that_no_gradient_needs_is_freed_at_once(name):
    """Half of a training step's memory lies in what closures hold on to."""
    x = leaf()
    middle = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True) + x
    reference = weakref.ref(middle.array)
    y = NEEDS_NO_INPUT[name](middle)
    del middle
    assert reference() is None, f"{name} keeps its input"
    y.sum().backward()
    assert x.gradient.shape == (3,)


@pytest.mark.parametrize(
    "view",
    [lambda a: a.reshape(3, 1), lambda a: a[1:], lambda a: ops.permute(a, (0,)), lambda a: ops.broadcast_to(a, (2, 3))],
)
def test_a_views_closure_keeps_no_more_than_the_view(view):
    x = leaf()
    middle = x + np.ones(3)
    reference = weakref.ref(middle.array)
    y = view(middle)
    total = y.sum()
    del middle, y
    assert reference() is None
    total.backward()
    assert x.gradient.shape == (3,)


def test_no_grad_saves_nothing():
    x = leaf()
    with no_grad():
        y, reference = saved_array_of(x)
    assert reference() is None and not y.requires_grad


def test_a_second_backward_through_a_freed_graph_says_what_to_do():
    y = (leaf() ** 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward") as caught:
        y.backward()
    assert "retain_graph" in str(caught.value) or "again" in str(caught.value)


def test_backward_through_a_shared_part_that_is_freed_says_so():
    x = leaf()
    shared = x**2
    a, b = shared.sum(), (shared * 3).sum()
    a.backward()
    with pytest.raises(RuntimeError, match="backward"):
        b.backward()


def test_retain_graph_lets_a_second_backward_through():
    x = leaf()
    y = (x**2).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert_close(x.gradient, 4 * x.array)
