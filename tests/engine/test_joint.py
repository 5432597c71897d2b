"""Ops of several results: one backward for all of them, whichever gradients arrive."""

import numpy as np
import pytest

from gpunn import Tensor, grad, no_grad
from gpunn.engine.record import record_all


def both(x, w):
    """x w and x + w, by one node; `calls` gets what backward is given."""
    a, b = x.array, w.array

    def backward(gys, needs):
        calls.append(gys)
        product, total = (np.zeros_like(a) if g is None else g for g in gys)
        return (product * b + total if needs[0] else None, product * a + total if needs[1] else None)

    return record_all("both", (a * b, a + b), (x, w), backward, owned=True)


calls: list = []
ONE, TWO = np.array([1.0, 2.0]), np.array([3.0, 5.0])


@pytest.fixture
def leaves():
    calls.clear()
    return Tensor(ONE, requires_grad=True), Tensor(TWO, requires_grad=True)


def test_backward_runs_once_with_all_gradients(leaves):
    x, w = leaves
    product, total = both(x, w)
    (product * 2.0 + total + product).sum().backward()  # product's gradient is a sum of two
    assert len(calls) == 1
    np.testing.assert_array_equal(x.gradient, 3 * TWO + 1)
    np.testing.assert_array_equal(w.gradient, 3 * ONE + 1)


@pytest.mark.parametrize("which", [0, 1])
def test_a_result_that_nobody_used_gives_none(leaves, which):
    x, w = leaves
    both(x, w)[which].backward(np.ones(2))
    assert [g is None for g in calls[0]] == [which == 1, which == 0]
    np.testing.assert_array_equal(x.gradient, 1 if which else TWO)


def test_a_second_pass_begins_anew(leaves):
    """No gradient of an earlier pass through the same graph is left behind."""
    x, w = leaves
    product, total = both(x, w)
    np.testing.assert_array_equal(grad(product, x, np.ones(2), retain_graph=True), TWO)
    np.testing.assert_array_equal(grad(total, x, np.ones(2), retain_graph=True), 1)
    np.testing.assert_array_equal(grad(product + total, [w], np.ones(2))[0], ONE + 1)
    with pytest.raises(RuntimeError, match="the graph behind 'both' was used and freed"):
        product.backward(np.ones(2))


def test_hooks_and_gradients_of_the_results(leaves):
    x, w = leaves
    product, total = both(x, w)
    total.register_hook(lambda g: 10 * g)
    last = (product + total).sum()
    np.testing.assert_array_equal(grad(last, product, retain_graph=True), 1)
    last.backward()
    np.testing.assert_array_equal(x.gradient, TWO + 10)


def test_what_is_not_recorded(leaves):
    x, w = leaves
    with no_grad():
        assert not any(r.requires_grad for r in both(x, w))
    plain = both(Tensor(ONE), Tensor(TWO))
    assert all(isinstance(r, Tensor) and not r.requires_grad for r in plain)
    assert all(type(r) is np.ndarray for r in record_all("both", (ONE, TWO), (ONE, TWO), lambda gys, needs: ()))
