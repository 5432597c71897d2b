"""Hooks, no_grad, detach and gpunn.grad."""

import threading

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, no_grad
from gpunn.engine.autograd import Known
from gpunn.engine.record import record
from gpunn.reference.close import assert_close


def leaf(values=(1.0, 2.0, 3.0), dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


# ---------------------------------------------------------------- hooks
def test_a_leafs_hook_sees_and_may_replace_the_gradient():
    x, seen = leaf(), []
    x.register_hook(lambda g: seen.append(g.numpy().copy()))
    x.register_hook(lambda g: g * 10)
    (x * 2).sum().backward()
    assert seen[0].tolist() == [2, 2, 2] and x.gradient.tolist() == [20, 20, 20]


def test_a_leafs_hook_sees_the_whole_gradient_of_one_pass_once():
    x, seen = leaf(), []
    x.register_hook(lambda g: seen.append(g.numpy().copy()))
    (x * 2 + x * 3).sum().backward()
    assert len(seen) == 1 and (seen[0] == 5).all()


def test_an_inner_hook_replaces_what_flows_on():
    x = leaf()
    y = x * 2
    y.register_hook(lambda g: g * 100)
    (y * 3).sum().backward()
    assert x.gradient.tolist() == [600, 600, 600]


def test_a_removed_hook_is_silent():
    x, seen = leaf(), []
    remove = x.register_hook(lambda g: seen.append(1))
    remove()
    x.sum().backward()
    assert not seen


def test_a_hook_that_returns_another_shape_is_refused():
    x = leaf()
    x.register_hook(lambda g: g[:1])
    with pytest.raises((RuntimeError, ValueError), match=r"hook.*\(1,\)"):
        x.sum().backward()


def test_a_hook_that_raises_stops_the_pass_with_its_own_error():
    x = leaf()

    def hook(g):
        raise KeyError("mine")

    x.register_hook(hook)
    with pytest.raises(KeyError, match="mine"):
        x.sum().backward()


# ---------------------------------------------------------------- no_grad, detach, grad
def test_no_grad_as_context_and_decorator():
    x = leaf()
    with no_grad():
        assert not gpunn.is_grad_enabled() and not (x * 2).requires_grad
        with no_grad():
            pass
        assert not gpunn.is_grad_enabled(), "the inner block must restore what it found"
    assert gpunn.is_grad_enabled()

    @no_grad()
    def f():
        return (x * 2).requires_grad

    assert f() is False and gpunn.is_grad_enabled()


def test_no_grad_is_left_after_an_exception():
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert gpunn.is_grad_enabled()


def test_no_grad_holds_in_its_own_thread_only():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(gpunn.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_a_leaf_made_under_no_grad_may_still_require_gradients():
    with no_grad():
        x = leaf()
    (x * 2).sum().backward()
    assert (x.gradient == 2).all()


def test_detach_shares_the_array_and_cuts_the_graph():
    x = leaf()
    y = x * 2
    d = y.detach()
    assert d.array is y.array and not d.requires_grad
    (y * d).sum().backward()
    assert_close(x.gradient, 4 * x.array)


def test_grad_returns_gradients_and_leaves_grad_alone():
    x, z = leaf(), leaf([4.0, 5.0, 6.0])
    y = (x * z).sum()
    gx, gz = gpunn.grad(y, (x, z))
    assert_close(gx, z.array)
    assert_close(gz, x.array)
    assert x.gradient is None and z.gradient is None


def test_grad_of_an_inner_tensor():
    x = leaf()
    middle = x * 2
    y = (middle**2).sum()
    (gm,) = gpunn.grad(y, (middle,))
    assert_close(gm, 2 * middle.array)


def test_grad_of_a_single_input_and_with_a_given_gradient():
    x = leaf()
    g = gpunn.grad(x * 3, x, gy=np.array([1.0, 2.0, 3.0]))
    g = g[0] if isinstance(g, list | tuple) else g
    assert g.tolist() == [3, 6, 9]


def test_grad_of_something_unused_is_none_or_refused_by_name():
    x, z = leaf(), leaf()
    try:
        result = gpunn.grad((x * 2).sum(), (z,))
    except (RuntimeError, ValueError) as error:
        assert "grad" in str(error)
    else:
        assert result[0] is None


def test_grads_results_share_memory_with_nothing():
    x, z, gy = leaf(), leaf(), np.ones(3)
    gx, gz = gpunn.grad(x + z, (x, z), gy=gy)
    gx *= 10
    assert (gz == 1).all() and (gy == 1).all()


def test_grad_does_not_touch_other_leaves():
    x, w = leaf(), leaf()
    gpunn.grad((x * w).sum(), (x,))
    assert w.gradient is None


@pytest.mark.parametrize("owned", [True, False])
def test_a_gradient_that_its_op_owns_is_kept_without_a_copy(owned):
    x, made = Tensor(np.ones((2, 3)), requires_grad=True), np.ones((3, 2))
    record("op", x.array * 2, (x,), lambda gy, needs: (made.T,), owned=owned).backward(np.ones((2, 3)))
    assert np.shares_memory(x.gradient, made) == owned


# ---------------------------------------------------------------- what an op knows of the gradient that it gives
def doubled(x, known, told):
    """2 x, whose backward says what it was told of its gradient."""

    def backward(gy, needs):
        told.append(known.of(gy))
        return (2 * gy,)

    y = record("doubled", 2 * x.array, (x,), backward, owned=True)
    y._node.known = known
    return y


def tripled(y, known):
    """3 y, which knows the sum of the gradient that it gives."""

    def backward(gy, needs):
        known.gradient = gx = 3 * gy
        known.more = (gx.sum(),)
        return (gx,)

    return record("tripled", 3 * y.array, (y,), backward, owned=True)


@pytest.mark.parametrize(
    "rest, told, gradient",
    [
        (lambda y: 0, (9.0,), 6.0),
        (lambda y: y * 1, None, 8.0),
        (lambda y: y.register_hook(lambda g: None) and 0, None, 6.0),
    ],
)
def test_what_is_known_of_a_gradient_is_told_where_it_came_alone(rest, told, gradient):
    x, known, found = leaf(), Known(()), []
    y = doubled(x, known, found)
    more = rest(y)
    total = tripled(y, known).sum()
    total = total if isinstance(more, int) else total + more.sum()
    total.backward()
    assert found == [told] and x.gradient.tolist() == [gradient] * 3


def test_only_the_first_reader_is_asked_what_it_knows():
    known = Known((1,))
    assert known.take() is known and known.take() is None and known.below is None
    assert Known((1,)).take(all_of_it=False) is None
