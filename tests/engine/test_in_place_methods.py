"""x.add_(y) and its kin beside PyTorch's own rules, and where other Tensors share the memory."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, no_grad, ops

X = np.arange(6.0).reshape(2, 3)


def leaf(values=X):
    return Tensor(np.array(values), requires_grad=True)


def test_values_without_gradients_change_in_memory():
    x = gpunn.tensor(X)
    row, flat = x[0], x.reshape(-1)
    row.add_(1, alpha=2)
    flat[4] = 9
    x.T.sub_(1)
    assert x.tolist() == [[1, 2, 3], [2, 8, 4]] and row.tolist() == [1, 2, 3] and flat.tolist()[4] == 8


@pytest.mark.parametrize(
    "change, want",
    [
        (lambda x: x.fill_(2), 2),
        (lambda x: x.zero_(), 0),
        (lambda x: x.copy_(np.array([1, 2, 3])), [1, 2, 3]),
        (lambda x: x.sub_(gpunn.tensor([1.0, 1.0, 1.0]), alpha=3), X - 3),
        (lambda x: x.exp_(), np.exp(X)),
        (lambda x: x.clip_(1, 2), X.clip(1, 2)),
        (lambda x: x.pow_(2), X**2),
    ],
)
def test_what_they_write(change, want):
    x = gpunn.tensor(X)
    memory = x.array
    assert change(x) is x and x.array is memory
    np.testing.assert_allclose(x.array, np.broadcast_to(want, X.shape), rtol=1e-6)


def test_random_numbers_of_the_stream():
    x = gpunn.tensor(np.zeros(20_000, np.float32))
    gpunn.manual_seed(3)
    first = x.normal_(2, 3).numpy().copy()
    assert abs(first.mean() - 2) < 0.1 and abs(first.std() - 3) < 0.1
    gpunn.manual_seed(3)
    assert np.array_equal(x.normal_(2, 3).numpy(), first)
    assert x.uniform_(1, 2).numpy().min() >= 1 and x.numpy().max() < 2 and abs(x.numpy().mean() - 1.5) < 0.02


def test_data_and_grad_change_a_weight_while_recording():
    w = leaf()
    (w * w).sum().backward()
    w.data -= 0.5 * w.grad
    assert not w.array.any() and w.is_leaf and w.requires_grad
    w.data[0].fill_(3)
    w.grad.zero_()
    assert w.array.tolist() == [[3, 3, 3], [0, 0, 0]] and not w.gradient.any()
    w.grad = Tensor(np.ones((2, 3)))
    assert w.gradient.tolist() == np.ones((2, 3)).tolist()


def test_a_view_whose_base_a_gradient_wants_is_refused():
    y = leaf() * 2
    view = y.T
    with pytest.raises(RuntimeError, match=r"add: in place, x shares memory with another .*; write x = ops.add"):
        view += 1
    view.detach().mul_(2)
    assert np.array_equal(y.array, X * 4) and np.array_equal(view.array, y.array.T)
    del view
    y += 1  # nobody else looks
    assert np.array_equal(y.array, X * 4 + 1)


@pytest.mark.parametrize("index", [0, (slice(None), 1), np.array([1, 0]), X > 2, (Ellipsis, None, 2)], ids=str)
def test_gradients_of_assigned_parts_are_pytorchs(index):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    part = X[index]
    found = []
    for _lib, value, given in (
        (torch, torch.tensor(X, requires_grad=True), torch.tensor(part + 1, requires_grad=True)),
        (None, leaf(), leaf(part + 1)),
    ):
        y = value * 3
        y[index] = given * 2
        y[index] += given
        ((y * y).sum()).backward()
        found.append([np.array(a.detach().numpy()) for a in (y, value.grad, given.grad)])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_a_part_of_a_constant_learns():
    w, out = leaf([2.0]), gpunn.tensor(np.zeros(3))
    for i in range(3):
        out[i] = w[0] * i
    out.sum().backward()
    assert w.gradient.tolist() == [3] and out.requires_grad


def test_a_part_is_not_assigned_to_where_a_view_would_keep_the_old_values():
    y = leaf() * 1
    row = y[0]
    with pytest.raises(RuntimeError, match=r"setitem: in place, x shares memory with another Tensor, as views do"):
        y[0] = 7.0
    assert np.array_equal(y.array, X) and np.array_equal(row.array, X[0])


def test_conversions():
    x = gpunn.tensor([1.5, -2.5], requires_grad=True)
    assert [x.half().dtype, x.double().dtype, x.long().dtype, x.bool().dtype] == ["f2", "f8", "i8", "?"]
    assert x.to("cpu", np.float64).dtype == "f8" and x.to(gpunn.tensor([1])).dtype == "i8" and x.to(x) is x
    assert x.to("cpu", copy=True) is not x and x.type() == "float32" and x.type_as(x.double()).dtype == "f8"
    copied = x.clone()
    (copied * 2).sum().backward()
    assert copied.array is not x.array and x.grad.tolist() == [2, 2] and x.new_zeros(2, 3).shape == (2, 3)
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [9, -15] and y.detach_() is y and y.is_leaf
    with pytest.raises(NotImplementedError, match="create_graph=True asks for second derivatives, which gpunn has not"):
        ops.sum(x * x).backward(create_graph=True)


def test_reshaped_in_place():
    x = gpunn.tensor(X)
    assert x.unsqueeze_(0) is x and x.shape == (1, 2, 3) and x.squeeze_().shape == (2, 3)
    y = leaf() * 2
    y.transpose_()
    y.sum().backward()
    assert y.shape == (3, 2)


def test_every_method_in_place_is_its_op():
    """x.f_(...) is x, in its own memory, with the values of ops.f(x, ...)."""
    mask, index = X > 2, np.array([1, 0])
    calls = {
        "masked_fill": (mask, 7.0), "index_fill": (0, index[:1], 3.0), "index_add": (0, index, X), "tril": (),
        "scatter": (1, np.array([[0, 2], [1, 1]]), 5.0), "scatter_add": (1, np.array([[0], [2]]), X), "triu": (1,),
        "index_copy": (0, index, X), "floor_divide": (2.0,), "atan2": (X + 1,), "cumprod": (1,), "hypot": (X,),
        "lerp": (X + 1, 0.25), "addcmul": (X, X), "clamp": (1, 2), "round": (), "remainder": (2.0,), "sinh": (),
    }  # fmt: skip
    for name, args in calls.items():
        x = gpunn.tensor(X + 0.5)
        memory, want = x.array, np.asarray(getattr(ops, name)(x.clone(), *args))
        given = [gpunn.tensor(a) if isinstance(a, np.ndarray) else a for a in args]
        assert getattr(x, f"{name}_")(*given) is x and x.array is memory, name
        np.testing.assert_array_equal(x.array, want, err_msg=name)


def test_more_random_numbers():
    x = gpunn.tensor(np.zeros(20_000, np.float32))
    assert set(x.bernoulli_(0.25).tolist()) == {0, 1} and abs(x.array.mean() - 0.25) < 0.02
    assert set(x.random_(3, 6).tolist()) == {3, 4, 5} and x.random_(2).array.max() == 1
    assert abs(x.exponential_(2).array.mean() - 0.5) < 0.02 and x.array.min() >= 0
    for call, words in (
        (lambda: x.bernoulli_(1.5), "bernoulli_: p is 1.5, expected probabilities from 0 to 1; clip it first"),
        (lambda: x.random_(3, 3), "random_: got 3 to 3, expected a range that is not empty"),
        (lambda: x.exponential_(0), "exponential_: lambd is 0, expected above 0: one over the mean"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_a_view_of_channels_last_memory_is_a_copy_that_neither_side_may_change():
    """PyTorch's convolutions give row-major memory, which x.view(n, -1) sees: ours give channels-last."""
    w = leaf(np.ones((3, 2, 1, 1)))
    y = ops.conv2d(gpunn.tensor(np.arange(16.0).reshape(2, 2, 2, 2)), w)
    flat = y.view(2, -1)
    assert np.array_equal(flat.array, y.array.reshape(2, -1))
    flat.sum().backward()
    assert w.gradient.ravel().tolist() == [44, 76] * 3
    for changed in (y, flat):
        with no_grad(), pytest.raises(RuntimeError, match="mul_: in place, x would part from a copy, which"):
            changed.mul_(2)
    del y, changed
    with no_grad():
        assert flat.mul_(0).array.max() == 0
    weight = ops.conv2d(gpunn.tensor(np.ones((1, 2, 2, 2))), gpunn.tensor(np.ones((3, 2, 1, 1)))).detach()
    copied = weight.data.view(-1)
    with pytest.raises(RuntimeError, match="zero_: in place, x would part from a copy"):
        copied.zero_()
    with pytest.raises(ValueError, match=r"view: x \(3, 2\) lies in memory in steps of \(1, 3\), which cannot be seen"):
        gpunn.tensor(X).t().view(-1)


@pytest.mark.parametrize("named", [False, True])
def test_a_part_is_changed_by_another_part_of_the_same_tensor(named):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    found = []
    for w in (torch.tensor(X, requires_grad=True), leaf()):
        y = w * 2
        if named:
            total, other = y[0], y[1]
            total += other
            del total
            other.add_(1)  # still a part of y
        else:
            y[1] += y[0]
            y[0, :2].add_(y[1, 1:])
            other = y[1]
        (y * y).sum().backward()
        found.append([np.asarray(a.detach().numpy()) for a in (y, other, w.grad)])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_a_part_that_overlaps_what_it_changes_is_refused():
    y = leaf() * 2
    row, rest = y[0, :2], y[0, 1:]
    with pytest.raises(RuntimeError, match="setitem: in place, x shares memory with another Tensor"):
        row += rest


def test_a_list_is_multiplied_by_alpha_as_numbers():
    x = gpunn.tensor(np.zeros(2))
    assert x.add_([1.0, 2.0], alpha=2).tolist() == [2, 4] and x.sub_([1.0, 1.0], alpha=3).tolist() == [-1, 1]
