"""Leaves that are copied, pickled, replaced, frozen or shared by threads keep their gradients to themselves."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

from gpunn import Tensor, grad, is_grad_enabled, nn, no_grad, ops


def used_leaf() -> Tensor:
    """A leaf that a graph has gone through already, so that it has a node."""
    leaf = Tensor(np.ones(2, np.float32), requires_grad=True)
    (leaf * 2).sum().backward()
    return leaf


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copy_of_a_used_leaf_takes_its_own_gradients(copied):
    leaf = used_leaf()
    other = copied(leaf)
    other.gradient = None
    (other * 3).sum().backward()
    assert leaf.gradient.tolist() == [2, 2]
    assert other.gradient.tolist() == [3, 3]


def test_a_computed_value_cannot_be_copied_with_its_history():
    y = used_leaf() * 2
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match=r"Tensor: .* cannot be copied or pickled .* use \.detach\(\) first"):
            copied(y)
    assert copy.deepcopy(y.detach()).numpy().tolist() == [2, 2]


def test_data_replaced_by_float64_gets_float64_gradients():
    leaf = used_leaf()
    leaf.array = leaf.array.astype(np.float64) / 3
    (leaf * leaf).sum().backward()
    assert leaf.gradient.dtype == np.float64
    assert np.array_equal(leaf.gradient, 2 + 2 * leaf.array)


def test_hooks_stay_when_data_is_replaced():
    leaf, seen = used_leaf(), []
    leaf.register_hook(seen.append)
    leaf.array = leaf.array.astype(np.float64)
    (leaf * 2).sum().backward()
    assert len(seen) == 1


def test_a_leaf_frozen_after_the_forward_pass_gets_no_gradient():
    leaf = Tensor(np.ones(2, np.float32), requires_grad=True)
    y = (leaf * 2).sum()
    leaf.requires_grad = False
    y.backward()
    assert leaf.gradient is None


def test_a_parameter_of_read_only_memory_is_a_copy_that_can_learn():
    array = np.frombuffer(np.ones(2, np.float32).tobytes(), np.float32)
    parameter = nn.Parameter(array)
    parameter.array -= 1
    assert parameter.numpy().tolist() == [0, 0]
    assert array.tolist() == [1, 1]


def test_threads_lose_no_gradient_of_a_shared_parameter():
    leaf = Tensor(np.zeros(1 << 16, np.float32), requires_grad=True)

    def work() -> None:
        for _ in range(20):
            (leaf * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(leaf.gradient, np.full(1 << 16, 80, np.float32))


def test_no_grad_as_a_decorator_leaves_each_thread_its_own_mode():
    inside, go_on, modes = threading.Event(), threading.Event(), []

    @no_grad()
    def wait(entered: threading.Event, leave: threading.Event) -> None:
        entered.set()
        leave.wait(5)

    def other() -> None:
        with no_grad():
            wait(inside, go_on)

    def first() -> None:
        started, second = threading.Event(), threading.Thread(target=other)

        def until_the_other_is_inside() -> None:
            started.wait(5)
            second.start()
            inside.wait(5)
            leave.set()

        leave, helper = threading.Event(), threading.Thread(target=until_the_other_is_inside)
        helper.start()
        wait(started, leave)
        modes.append(is_grad_enabled())
        go_on.set()
        helper.join()
        second.join()

    thread = threading.Thread(target=first)
    thread.start()
    thread.join()
    assert modes == [True]


def test_a_list_of_tensors_does_not_lose_gradients_in_silence():
    leaf = used_leaf()
    for use in (ops.sum, Tensor, lambda x: ops.add(1.0, x)):
        with pytest.raises(TypeError, match=r"a list of Tensors .* lose them; join them with ops\.stack"):
            use([leaf, [leaf]] if use is Tensor else [leaf, leaf])
    with no_grad():
        assert Tensor([leaf, leaf]).shape == (2, 2)


def test_a_list_of_arrays_keeps_float64_and_a_list_of_numbers_becomes_float32():
    assert Tensor([np.ones(2), np.ones(2)]).dtype == np.float64
    assert Tensor([[1.0, 2.0], [3.0, 4.0]]).dtype == np.float32


def test_a_matrix_is_an_array_whose_product_goes_element_by_element():
    matrix = np.arange(4.0).reshape(2, 2).view(np.matrix)
    for product in (ops.mul(matrix, matrix), (Tensor(matrix) * matrix).array):
        assert type(product) is np.ndarray
        assert product.tolist() == [[0, 1], [4, 9]]


def test_a_masked_array_is_refused():
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    for use in (Tensor, ops.sum, ops.relu):
        with pytest.raises(TypeError, match=r"masked array, expected a plain one.*x\.filled\(value\)"):
            use(masked)


def test_gradients_of_an_input_named_twice_are_two_arrays():
    leaf = used_leaf()
    first, second = grad((leaf * leaf).sum(), [leaf, leaf])
    assert first.tolist() == second.tolist() == [2, 2]
    assert not np.shares_memory(first, second)


def test_a_gradient_of_another_shape_is_refused_where_it_is_given():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    for wrong, got in ((5, "a int"), (np.ones(3), r"\(3,\)"), (Tensor(np.ones((3, 2))), r"\(3, 2\)")):
        with pytest.raises(
            ValueError, match=rf"grad: got {got}, expected an array of the Tensor's shape \(2, 3\), or None"
        ):
            x.grad = wrong
    assert x.grad is None
