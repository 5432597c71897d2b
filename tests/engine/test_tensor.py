"""What a Tensor is, how gradients accumulate and never share memory, which tensors get one."""

import subprocess
import sys

import numpy as np
import pytest

from gpunn import Tensor, ops
from tests.parity import compare, normal


def leaf(values=(1.0, 2.0, 3.0), dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


# ---------------------------------------------------------------- what a Tensor is
def test_attributes():
    x = Tensor(np.zeros((2, 3), np.float32))
    assert x.shape == (2, 3) and x.ndim == 2 and x.size == 6 and x.dtype == np.float32
    assert str(x.device) == "cpu" and not x.requires_grad and x.gradient is None
    assert "float64" in repr(leaf()), "the dtype is shown where it is not the default"
    assert "requires_grad" in repr(leaf())


def test_data_is_the_array_itself_not_a_copy():
    a = np.zeros(3)
    x = Tensor(a)
    assert x.array is a
    a[0] = 5
    assert x.array[0] == 5


def test_lists_and_numbers_become_arrays():
    assert Tensor([[1.0, 2.0]]).shape == (1, 2)
    assert Tensor(3.0).shape == () and isinstance(Tensor(3.0).array, np.ndarray)


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


def test_bfloat16_is_known_by_name_before_anything_asked_for_it():
    program = "import gpunn; print(gpunn.tensor([1.0]).to('bfloat16').dtype)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "bfloat16\n", done.stderr


def test_to_another_dtype_backpropagates_in_the_first():
    x = leaf(dtype=np.float32)
    y = x.to(np.float64)
    assert y.dtype == np.float64
    (y * 2).sum().backward()
    assert x.gradient.dtype == np.float32 and x.gradient.tolist() == [2, 2, 2]


# ---------------------------------------------------------------- accumulation and sharing
def test_gradients_accumulate_until_cleared():
    x = leaf()
    for expected in (2, 4, 6):
        (x * 2).sum().backward()
        assert (x.gradient == expected).all()
    x.gradient = None
    (x * 2).sum().backward()
    assert (x.gradient == 2).all()


def test_an_earlier_gradient_array_is_not_changed_behind_the_back():
    """Whoever kept the array of step 1 may see it accumulate, but a second leaf's gradient never does."""
    x, z = leaf(), leaf()
    gy = np.ones(3)
    x.backward(gy)
    z.backward(gy)
    x.backward(gy)
    assert (x.gradient == 2).all() and (z.gradient == 1).all() and (gy == 1).all()


def test_a_tensor_used_twice():
    compare(lambda x: x * x + x, lambda x: x * x + x, normal(3, 4))
    compare(lambda x: x + x, lambda x: x + x, normal(3, 4))
    compare(lambda x: x @ x, lambda x: x @ x, normal(4, 4), terms=8)


def test_a_diamond_runs_each_node_once():
    calls = []
    x = leaf()
    middle = x * 2
    middle.register_hook(lambda g: calls.append(g.numpy().copy()))
    (middle * 3 + middle * 4).sum().backward()
    assert len(calls) == 1 and (calls[0] == 7).all()
    assert (x.gradient == 14).all()


def test_a_deep_ladder_of_diamonds_takes_linear_time():
    x = leaf([1.0])
    y = x
    for _ in range(200):  # 2^200 paths
        y = y * 0.5 + y * 0.5
    y.sum().backward()
    assert x.gradient.tolist() == [1.0]


@pytest.mark.parametrize("function", [lambda x, z: x + z, lambda x, z: x - (-z), lambda x, z: ops.add(x, z)])
def test_gradients_that_pass_through_unchanged_do_not_share_memory(function):
    x, z = leaf(), leaf()
    gy = np.ones(3)
    function(x, z).backward(gy)
    x.gradient *= 10
    assert (z.gradient == 1).all() and (gy == 1).all()


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
    x.gradient += 5
    assert (z.gradient == 1).all() and (gy == 1).all()


def test_the_same_leaf_twice_in_a_sum():
    x = leaf()
    (x + x).backward(np.ones(3))
    assert (x.gradient == 2).all()
    (x + x).backward(np.ones(3))
    assert (x.gradient == 4).all()


def test_changing_the_leafs_array_in_place_after_the_forward_pass_is_the_optimisers_right():
    """An optimiser writes p.array in place after backward; the next step sees the new numbers."""
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    x.array -= 0.5 * x.gradient
    x.gradient = None
    (x * x).sum().backward()
    assert x.gradient.tolist() == [0.0, 0.0]


# ---------------------------------------------------------------- which gradients
def test_inner_tensors_keep_no_grad_but_leaves_do():
    x = leaf()
    y = x * 2
    y.sum().backward()
    assert y.gradient is None and x.gradient is not None


def test_an_input_that_asks_for_nothing_gets_nothing():
    x, z = leaf(), Tensor(np.ones(3))
    (x * z).sum().backward()
    assert z.gradient is None


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
    assert x.gradient.dtype == np.float32


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
