"""A Tensor and the same memory in another form change together, with gradients recorded, as in PyTorch."""

import numpy as np
import pytest

import gpunn
from gpunn import ops

START = np.arange(12, dtype=np.float32).reshape(2, 2, 3) - 4
MASK = np.arange(12).reshape(4, 3) % 3 == 1


def masked(x):
    x[gpunn.tensor(MASK)] = -1e3


def filled(x):
    x.masked_fill_(gpunn.tensor(MASK), -1e3)


def added(x):
    x += 2 * x


@pytest.mark.parametrize("change", [masked, filled, added])
@pytest.mark.parametrize("form", ["reshape", "view"])
def test_base_and_form_change_together(change, form):
    leaf = gpunn.tensor(START, requires_grad=True)
    base = leaf * leaf
    x = getattr(base, form)(-1, 3)
    change(x)
    want = 3 * START**2 if change is added else np.where(MASK.reshape(START.shape), -1e3, START**2)
    np.testing.assert_array_equal(np.asarray(base), want)
    np.testing.assert_array_equal(np.asarray(x), want.reshape(4, 3))
    (ops.softmax(x, -1)[:, 0].sum() + 0.5 * base.sum()).backward()
    twin = gpunn.tensor(START, requires_grad=True)
    square = twin * twin
    y = 3 * square if change is added else ops.where(MASK.reshape(START.shape), -1e3, square)
    (ops.softmax(y.reshape(-1, 3), -1)[:, 0].sum() + 0.5 * y.sum()).backward()
    np.testing.assert_allclose(leaf.gradient, twin.gradient, rtol=1e-6)


def test_either_changes_again():
    leaf = gpunn.tensor(START, requires_grad=True)
    base = leaf * 2
    x = base.view(4, 3)
    x[0] = 7.0
    base[1, 1, 2] = 5.0
    x += 1
    assert np.asarray(base)[0, 0, 0] == 8 and np.asarray(x)[3, 2] == 6
    np.testing.assert_array_equal(np.asarray(base), np.asarray(x).reshape(2, 2, 3))
    base.sum().backward()
    want = np.full((4, 3), 2.0)
    want[0], want[3, 2] = 0, 0
    np.testing.assert_array_equal(leaf.gradient, want.reshape(2, 2, 3))


def test_forms_of_a_leaf_and_third_parties_are_refused():
    leaf = gpunn.tensor(START, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf that requires a gradient cannot be changed in place"):
        leaf.view(4, 3)[0] = 1.0
    base = leaf * 2
    other, x = base[0], base.view(4, 3)
    with pytest.raises(RuntimeError, match="shares memory with another Tensor"):
        x[0] = 1.0
    assert other.shape == (2, 3)


def test_sizes_make_a_tensor():
    x = gpunn.Tensor(2, 3)
    assert x.shape == (2, 3) and x.dtype == np.float32 and not x.requires_grad
    assert gpunn.nn.Parameter(gpunn.Tensor(4, 1, 2)).shape == (4, 1, 2)
    assert gpunn.Tensor(np.ones(2, np.float32), True).requires_grad


def test_a_whole_float_is_a_step_size():
    optimizer = gpunn.optim.SGD([gpunn.nn.Parameter(np.ones(1, np.float32))], lr=1.0)
    assert gpunn.optim.StepLR(optimizer, 2.0).step_size == 2
    with pytest.raises(ValueError, match="step_size must be a whole number of at least 1"):
        gpunn.optim.StepLR(optimizer, 1.5)


def test_a_part_in_another_form_does_not_part_from_its_base():
    leaf = gpunn.ones(2, 2, requires_grad=True)
    base = leaf * 1
    part = base[0]
    part.unsqueeze_(0)
    with pytest.raises(RuntimeError, match="fill_: in place, x shares memory with another Tensor"):
        part.fill_(5.0)
    base = leaf * 1
    part = base[0]
    base.t_()
    with pytest.raises(RuntimeError, match="square_: in place, x shares memory with another Tensor"):
        part.square_()
    plain = gpunn.ones(2, 2)
    part = plain[0]
    plain.t_()
    part.unsqueeze_(0)
    part.fill_(5.0)
    assert plain.tolist() == [[5, 1], [5, 1]] and part.tolist() == [[5, 5]]
