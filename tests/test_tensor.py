"""The backward pass: accumulation, aliasing, hooks, no_grad, detach, grad, long chains, freed graphs."""

import gc
import threading
import weakref

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, no_grad, ops
from tests.close import assert_close
from tests.parity import compare, normal


def leaf(values=(1.0, 2.0, 3.0), dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


# ---------------------------------------------------------------- what a Tensor is
def test_attributes():
    x = Tensor(np.zeros((2, 3), np.float32))
    assert x.shape == (2, 3) and x.ndim == 2 and x.size == 6 and x.dtype == np.float32
    assert str(x.device) == "cpu" and not x.requires_grad and x.grad is None
    assert "float64" in repr(leaf()), "the dtype is shown where it is not the default"
    assert "requires_grad" in repr(leaf())


def test_data_is_the_array_itself_not_a_copy():
    a = np.zeros(3)
    x = Tensor(a)
    assert x.data is a
    a[0] = 5
    assert x.data[0] == 5


def test_lists_and_numbers_become_arrays():
    assert Tensor([[1.0, 2.0]]).shape == (1, 2)
    assert Tensor(3.0).shape == () and isinstance(Tensor(3.0).data, np.ndarray)


def test_item_tolist_and_float():
    assert Tensor(np.array([[2.5]])).item() == 2.5
    assert float(Tensor(np.array(2.5))) == 2.5 and int(Tensor(np.array(3))) == 3
    assert Tensor(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]
    with pytest.raises((ValueError, RuntimeError), match=r"\(2,\)|2 elements"):
        Tensor(np.ones(2)).item()


def test_truth_of_more_than_one_element_is_refused():
    assert bool(Tensor(np.array(1.0))) and not bool(Tensor(np.array([0])))
    with pytest.raises((ValueError, RuntimeError), match=r"ambiguous|any"):
        bool(Tensor(np.ones(2)))


def test_to_another_dtype_backpropagates_in_the_first():
    x = leaf(dtype=np.float32)
    y = x.to(np.float64)
    assert y.dtype == np.float64
    (y * 2).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.tolist() == [2, 2, 2]


# ---------------------------------------------------------------- accumulation and sharing
def test_gradients_accumulate_until_cleared():
    x = leaf()
    for expected in (2, 4, 6):
        (x * 2).sum().backward()
        assert (x.grad == expected).all()
    x.grad = None
    (x * 2).sum().backward()
    assert (x.grad == 2).all()


def test_an_earlier_gradient_array_is_not_changed_behind_the_back():
    """Whoever kept the array of step 1 may see it accumulate, but a second leaf's gradient never does."""
    x, z = leaf(), leaf()
    gy = np.ones(3)
    x.backward(gy)
    z.backward(gy)
    x.backward(gy)
    assert (x.grad == 2).all() and (z.grad == 1).all() and (gy == 1).all()


def test_a_tensor_used_twice():
    compare(lambda x: x * x + x, lambda x: x * x + x, normal(3, 4))
    compare(lambda x: x + x, lambda x: x + x, normal(3, 4))
    compare(lambda x: x @ x, lambda x: x @ x, normal(4, 4), terms=8)


def test_a_diamond_runs_each_node_once():
    calls = []
    x = leaf()
    middle = x * 2
    middle.register_hook(lambda g: calls.append(g.copy()))
    (middle * 3 + middle * 4).sum().backward()
    assert len(calls) == 1 and (calls[0] == 7).all()
    assert (x.grad == 14).all()


def test_a_deep_ladder_of_diamonds_takes_linear_time():
    x = leaf([1.0])
    y = x
    for _ in range(200):  # 2^200 paths
        y = y * 0.5 + y * 0.5
    y.sum().backward()
    assert x.grad.tolist() == [1.0]


@pytest.mark.parametrize("function", [lambda x, z: x + z, lambda x, z: x - (-z), lambda x, z: ops.add(x, z)])
def test_gradients_that_pass_through_unchanged_do_not_share_memory(function):
    x, z = leaf(), leaf()
    gy = np.ones(3)
    function(x, z).backward(gy)
    x.grad *= 10
    assert (z.grad == 1).all() and (gy == 1).all()


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.reshape(2, 3),
        lambda x: x.transpose(0, 1),
        lambda x: x.T,
        lambda x: x[...],
        lambda x: x.unsqueeze(0).squeeze(0),
        lambda x: x + 0,
        lambda x: ops.broadcast_to(x, (3, 2)),
        lambda x: ops.concatenate([x]),
        lambda x: ops.pad(x, (0, 0)),
        lambda x: x.flatten(),
        lambda x: ops.permute(x, (0, 1)),
        lambda x: ops.dropout(x, 0.0),
    ],
)
def test_views_hand_back_gradients_of_their_own(view):
    x, z = Tensor(np.ones((3, 2)), requires_grad=True), Tensor(np.ones((3, 2)), requires_grad=True)
    a, b = view(x), view(z)
    gy = np.ones(a.shape)
    (a + b).backward(gy)
    x.grad += 5
    assert (z.grad == 1).all() and (gy == 1).all()


def test_the_same_leaf_twice_in_a_sum():
    x = leaf()
    (x + x).backward(np.ones(3))
    assert (x.grad == 2).all()
    (x + x).backward(np.ones(3))
    assert (x.grad == 4).all()


def test_changing_the_leafs_array_in_place_after_the_forward_pass_is_the_optimisers_right():
    """An optimiser writes p.data in place after backward; the next step sees the new numbers."""
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    x.data -= 0.5 * x.grad
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


# ---------------------------------------------------------------- which gradients
def test_inner_tensors_keep_no_grad_but_leaves_do():
    x = leaf()
    y = x * 2
    y.sum().backward()
    assert y.grad is None and x.grad is not None


def test_an_input_that_asks_for_nothing_gets_nothing():
    x, z = leaf(), Tensor(np.ones(3))
    (x * z).sum().backward()
    assert z.grad is None


def test_requires_grad_of_a_result():
    x, z = leaf(), Tensor(np.ones(3))
    assert (x + z).requires_grad and not (z + z).requires_grad


def test_backward_needs_a_gradient_unless_the_value_is_one_number():
    x = leaf()
    with pytest.raises((ValueError, RuntimeError), match=r"backward.*\(3,\)"):
        (x * 2).backward()
    (x * 2).sum().backward()
    Tensor(np.ones((1, 1)), requires_grad=True).sum().backward()


def test_backward_refuses_a_gradient_of_another_shape():
    with pytest.raises((ValueError, RuntimeError), match=r"\(2,\).*\(3,\)|\(3,\).*\(2,\)"):
        (leaf() * 2).backward(np.ones(2))


def test_backward_from_a_tensor_without_history_says_so():
    with pytest.raises((ValueError, RuntimeError), match="require"):
        Tensor(np.ones(3)).sum().backward()


def test_the_gradient_has_the_datas_dtype_whatever_came_in():
    x = leaf(dtype=np.float32)
    (x * 2).backward(np.ones(3))
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_integers_refuse_gradients_by_name(dtype):
    with pytest.raises((TypeError, ValueError, RuntimeError), match=np.dtype(dtype).name) as caught:
        Tensor(np.ones(3, dtype), requires_grad=True)
    assert "float" in str(caught.value), "the remedy: convert to float32 or float64"
    x = Tensor(np.ones(3, dtype))
    with pytest.raises((TypeError, ValueError, RuntimeError), match=np.dtype(dtype).name):
        x.requires_grad = True
    assert not x.requires_grad


def test_an_integer_result_of_a_float_tensor_asks_for_nothing():
    x = leaf()
    assert not (x > 1).requires_grad
    assert not ops.argmax(x).requires_grad


# ---------------------------------------------------------------- long graphs
def test_a_chain_of_ten_thousand_operations():
    x = leaf([1.0, 1.0])
    y = x
    for _ in range(10_000):
        y = y * 1.0001
    y.sum().backward()
    assert_close(x.grad, np.full(2, 1.0001**10_000), 10_000)


def test_a_chain_of_ten_thousand_operations_is_also_dropped_without_recursion():
    y = leaf([1.0])
    for _ in range(10_000):
        y = y + 1.0
    del y
    gc.collect()


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
    data, gradient = weakref.ref(x.data), weakref.ref(x.grad)
    gc.disable()
    try:
        del x
        assert data() is None and gradient() is None
    finally:
        gc.enable()


def test_inner_results_are_freed_while_the_loss_lives():
    x = leaf()
    middle = ops.exp(x)
    reference = weakref.ref(middle.data)
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
    reference = weakref.ref(middle.data)
    y = NEEDS_NO_INPUT[name](middle)
    del middle
    assert reference() is None, f"{name} keeps its input"
    y.sum().backward()
    assert x.grad.shape == (3,)


@pytest.mark.parametrize(
    "view",
    [lambda a: a.reshape(3, 1), lambda a: a[1:], lambda a: ops.permute(a, (0,)), lambda a: ops.broadcast_to(a, (2, 3))],
)
def test_a_views_closure_keeps_no_more_than_the_view(view):
    x = leaf()
    middle = x + np.ones(3)
    reference = weakref.ref(middle.data)
    y = view(middle)
    total = y.sum()
    del middle, y
    assert reference() is None
    total.backward()
    assert x.grad.shape == (3,)


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
    assert_close(x.grad, 4 * x.data)


# ---------------------------------------------------------------- hooks
def test_a_leafs_hook_sees_and_may_replace_the_gradient():
    x, seen = leaf(), []
    x.register_hook(lambda g: seen.append(g.copy()))
    x.register_hook(lambda g: g * 10)
    (x * 2).sum().backward()
    assert seen[0].tolist() == [2, 2, 2] and x.grad.tolist() == [20, 20, 20]


def test_a_leafs_hook_sees_the_whole_gradient_of_one_pass_once():
    x, seen = leaf(), []
    x.register_hook(lambda g: seen.append(g.copy()))
    (x * 2 + x * 3).sum().backward()
    assert len(seen) == 1 and (seen[0] == 5).all()


def test_an_inner_hook_replaces_what_flows_on():
    x = leaf()
    y = x * 2
    y.register_hook(lambda g: g * 100)
    (y * 3).sum().backward()
    assert x.grad.tolist() == [600, 600, 600]


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
    assert (x.grad == 2).all()


def test_detach_shares_the_array_and_cuts_the_graph():
    x = leaf()
    y = x * 2
    d = y.detach()
    assert d.data is y.data and not d.requires_grad
    (y * d).sum().backward()
    assert_close(x.grad, 4 * x.data)


def test_grad_returns_gradients_and_leaves_grad_alone():
    x, z = leaf(), leaf([4.0, 5.0, 6.0])
    y = (x * z).sum()
    gx, gz = gpunn.grad(y, (x, z))
    assert_close(gx, z.data)
    assert_close(gz, x.data)
    assert x.grad is None and z.grad is None


def test_grad_of_an_inner_tensor():
    x = leaf()
    middle = x * 2
    y = (middle**2).sum()
    (gm,) = gpunn.grad(y, (middle,))
    assert_close(gm, 2 * middle.data)


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
    assert w.grad is None


# ---------------------------------------------------------------- whole programs
def test_two_layers_by_hand_agree_with_pytorch():
    labels = np.array([0, 2, 1, 1])

    def ours(x, w1, b1, w2):
        return ops.cross_entropy(ops.linear(ops.tanh(ops.linear(x, w1, b1)), w2), labels)

    def theirs(x, w1, b1, w2):
        import torch

        f = torch.nn.functional
        return f.cross_entropy(f.linear(torch.tanh(f.linear(x, w1, b1)), w2), torch.tensor(labels))

    for dtype in (np.float32, np.float64):
        compare(ours, theirs, normal(4, 5), normal(7, 5), normal(7), normal(3, 7), dtype=dtype, terms=140)


def test_a_small_convolutional_net_agrees_with_pytorch():
    labels = np.array([1, 0])

    def net(o, x, w, b, v, relu, pool, flat, target):
        return o.cross_entropy(o.linear(flat(pool(relu(o.conv2d(x, w, b, padding=1)), 2)), v), target)

    def ours(x, w, b, v):
        return net(ops, x, w, b, v, ops.relu, ops.max_pool2d, lambda a: ops.flatten(a, 1), labels)

    def theirs(x, w, b, v):
        import torch

        f = torch.nn.functional
        return net(f, x, w, b, v, f.relu, f.max_pool2d, lambda a: a.flatten(1), torch.tensor(labels))

    arrays = normal(2, 3, 6, 6), normal(4, 3, 3, 3) / 3, normal(4), normal(2, 36) / 6
    for dtype in (np.float32, np.float64):
        compare(ours, theirs, *arrays, dtype=dtype, terms=600)
