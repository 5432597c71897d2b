"""Whose memory a change in place reaches, and the backward passes that it makes impossible."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, no_grad
from tests.engine.test_in_place_methods import leaf


def test_whoever_shares_the_memory_of_a_constant_sees_its_changes_after_a_recorded_op():
    array, w = np.zeros(3, np.float32), leaf(np.ones(3))
    x = gpunn.from_numpy(array)
    (w * x).sum().backward()
    x += 1
    assert array.tolist() == x.numpy().tolist() == [1, 1, 1]


def test_a_buffer_that_forward_counts_in_counts_in_a_state_held_before():
    class Counting(gpunn.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = gpunn.nn.Linear(2, 2)
            self.register_buffer("calls", gpunn.zeros(1))

        def forward(self, x):
            self.calls += 1
            return self.layer(x) * self.calls

    model = Counting()
    state = model.state_dict()
    for _ in range(2):
        model(gpunn.ones(1, 2)).sum().backward()
    assert state["calls"].tolist() == model.calls.tolist() == [2]


def _by_hand(w):
    with no_grad():
        w -= 0.1 * w.gradient


@pytest.mark.parametrize(
    "change",
    [
        _by_hand,
        lambda w: gpunn.optim.SGD([w], 0.1).step(),
        lambda w: gpunn.optim.LBFGS([w]).step(lambda: (w * w).sum()),
        lambda w: w.detach().zero_(),
    ],
    ids=["by hand", "SGD", "LBFGS", "detached"],
)
def test_a_backward_pass_that_needs_a_weight_of_before_a_step_is_refused(change):
    w, x = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    needs, needs_not = (w * x).sum(), (w + x).sum()
    needs.backward(retain_graph=True)
    change(w)
    x.grad = None
    with pytest.raises(
        RuntimeError, match=r"a value \(2,\) that the gradient of 'mul' needs was changed in place after"
    ):
        needs.backward()
    assert x.grad is None
    needs_not.backward()
    (w * x).sum().backward()  # computed after the change
    np.testing.assert_allclose(x.gradient, w.array + 1)


def test_one_element_is_a_view_too():
    x = gpunn.zeros(2, 3)
    x[0][1].fill_(7)
    x[1, 2].add_(1)
    x.view(-1)[0].sub_(1)
    x.select(0, 1)[0].mul_(0).add_(4)
    view = x[1, 1]
    x += 1
    view += 1
    assert x.tolist() == [[0, 8, 1], [5, 2, 2]] and float(view) == 2
    w = leaf([1.0, 2.0])
    with no_grad():
        w[0].fill_(5)
    assert w.tolist() == [5, 2] and (w[0] * 2).requires_grad


def test_a_constant_that_begins_to_learn_keeps_its_memory():
    array, w = np.zeros((3, 2), np.float32), leaf([1.0, 2.0])
    x = gpunn.from_numpy(array)
    x[1] = w * 2
    assert array.tolist() == [[0, 0], [2, 4], [0, 0]] and x.requires_grad
    total = gpunn.from_numpy(np.zeros(2, np.float32))
    memory = total.array
    total += x.sum(0)
    assert total.array is memory and memory.tolist() == [2, 4]
    total.sum().backward()
    assert w.gradient.tolist() == [2, 2]


def test_what_was_copied_changes_apart_from_its_source():
    w = leaf([1.0, 2.0])
    source, x = w * 2, w * 3
    x.copy_(source)
    source.data.zero_()
    assert x.tolist() == [2, 4]


def test_a_product_assigned_to_a_matrix_is_a_new_one():
    x = gpunn.full((2, 2), 2.0)
    held = x
    x @= x
    assert held.tolist() == [[2, 2], [2, 2]] and x.tolist() == [[8, 8], [8, 8]]


def test_values_of_more_dimensions_and_numbers_for_bools_are_assigned():
    x, mask, w = gpunn.zeros(3), gpunn.zeros(3, dtype=bool), leaf([[4.0]])
    x[0] = gpunn.tensor([[3.0]])
    x[1:] = gpunn.ones(1, 2)
    mask[np.array([0, 2])] = 1
    assert x.tolist() == [3, 1, 1] and mask.tolist() == [True, False, True]
    x[2] = w * 2
    x.sum().backward()
    assert x.tolist() == [3, 1, 8] and w.gradient.tolist() == [[2]]
    with pytest.raises(ValueError, match=r"setitem: the part is \(\) but the value \(1, 2\)|does not|fit"):
        x[0] = gpunn.ones(1, 2)


@pytest.mark.parametrize(
    "op, expected",
    [
        (lambda w: w.max(0)[0], [[0, 0], [1, 1]]),
        (lambda w: w.sort()[0], [[1, 1], [1, 1]]),
        (lambda w: gpunn.ops.embedding([1, 1], w), [[0, 0], [2, 2]]),
    ],
    ids=["max", "sort", "embedding"],
)
def test_a_backward_pass_that_needs_no_values_goes_on_after_a_step(op, expected):
    w = leaf([[1.0, 2.0], [4.0, 3.0]])
    y = op(w).sum()
    with no_grad():
        w += 1
    y.backward()
    assert w.gradient.tolist() == expected


def test_the_gradient_of_a_product_does_not_need_the_only_factor_that_learns():
    w = leaf([1.0, 2.0])
    y = (w * gpunn.tensor([3.0, 4.0])).sum()
    with no_grad():
        w += 1
    y.backward()
    assert w.gradient.tolist() == [3, 4]


@pytest.mark.parametrize(
    "change",
    [lambda layer, state: layer.load_state_dict(state), lambda layer, state: nn.init.ones_(layer.weight)],
    ids=["load_state_dict", "init"],
)
def test_a_layer_filled_anew_is_not_what_the_forward_pass_took(change):
    layer = nn.Linear(3, 2)
    state = {name: array * 2 for name, array in layer.named_arrays().items()}
    x = Tensor(np.ones((1, 3), np.float32), requires_grad=True)
    y = layer(x).sum()
    change(layer, state)
    with pytest.raises(
        RuntimeError, match=r"backward: a value .* that the gradient of 'linear' needs was changed in place"
    ):
        y.backward()
    layer(x).sum().backward()
    np.testing.assert_allclose(x.gradient[0], layer.weight.array.sum(0), rtol=1e-6)
