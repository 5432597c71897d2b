"""Views and parts: memory is shared where PyTorch shares it, and what cannot be a view is refused."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops, tensor
from tests.parity import compare, normal, torch

X = normal(4, 6, 5)
VIEWS = {
    "view": lambda x: x.view(2, 2, -1),
    "view_as": lambda x: x.view_as(x.reshape(24, 5)),
    "flatten": lambda x: x.flatten(),
    "narrow": lambda x: x.narrow(1, -3, 2),
    "select": lambda x: x.select(-1, 2),
    "split": lambda x: x.split([1, 3, 2], dim=1)[1],
    "chunk": lambda x: x.chunk(3, 1)[2],
    "tensor_split": lambda x: x.tensor_split(4, dim=1)[1],
    "unbind": lambda x: x.unbind(1)[3],
    "iteration": lambda x: list(x)[1],
    "unfold": lambda x: x.unfold(1, 3, 2),
    "diagonal": lambda x: x.diagonal(-1, 2, 0),
    "movedim": lambda x: x.movedim((0, 2), (1, 0)),
    "transpose": lambda x: x.transpose(dim0=0, dim1=2),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "t": lambda x: x[0].t(),
    "unflatten": lambda x: x.unflatten(1, (2, -1)),
    "expand": lambda x: x[:, :1].expand(-1, 3, 5),
    "expand_as": lambda x: x.expand_as(x),
    "contiguous": lambda x: x.contiguous(),
}


@pytest.mark.parametrize("name", VIEWS)
def test_memory_is_shared_as_in_pytorch(name):
    y = compare(VIEWS[name], VIEWS[name], X)
    x, theirs = Tensor(X.copy()), torch().tensor(X)
    y = VIEWS[name](x)
    assert np.shares_memory(y.numpy(), x.numpy())
    assert y.stride() == VIEWS[name](theirs).stride()


def test_a_part_can_be_written_to():
    a = np.zeros((3, 3))
    for part in (ops.diagonal(a), ops.narrow(a, 0, 1, 1), ops.unbind(a)[2], ops.expand(a, (3, 3))):
        part += 1
    np.testing.assert_array_equal(a, [[2, 1, 1], [2, 3, 2], [2, 2, 3]])


@pytest.mark.parametrize("step", [1, 2, 3])
def test_windows_that_overlap_add_up_in_one_order(step):
    compare(lambda x: x.unfold(1, 3, step), lambda x: x.unfold(1, 3, step), X, terms=3)


def test_what_is_no_view_is_refused():
    x = Tensor(X[0]).t()
    words = (
        r"view: x \(5, 6\) lies in memory in steps of \(1, 5\), which cannot be seen as \(30,\) without a "
        r"copy; use reshape, or contiguous\(\) first"
    )
    with pytest.raises(ValueError, match=words):
        x.view(30)
    assert x.contiguous().view(-1).shape == x.reshape(30).shape == (30,)
    with pytest.raises(TypeError, match=r"view: got dtype\('float32'\), expected sizes: memory is not read as another"):
        x.view(np.dtype("float32"))


def test_size_is_a_number_and_a_method():
    x = Tensor(X)
    assert x.size == x.numel() == x.nelement() == 120 and f"{x.size:,}" == "120"
    assert x.size() == (4, 6, 5) and x.size(1) == x.size(dim=-2) == 6
    assert x.dim() == x.ndimension() == 3 and x.element_size() == 8
    with pytest.raises(IndexError, match=r"size: dim 3 does not fit shape \(4, 6, 5\); expected -3 to 2"):
        x.size(3)


def test_memory_formats():
    x, theirs = Tensor(normal(2, 3, 4, 5)), torch().ones(2, 3, 4, 5)
    y = x.contiguous(memory_format="channels_last")
    assert y.stride() == theirs.contiguous(memory_format=torch().channels_last).stride()
    assert y.is_contiguous("channels_last") and not y.is_contiguous() and x.contiguous() is x
    with pytest.raises(ValueError, match=r"contiguous: memory_format is 'channels_last' for shape \(3, 4\)"):
        ops.contiguous(np.ones((3, 4)), "channels_last")


def test_integers_as_python_has_them():
    three = tensor(3)
    assert range(9)[three] == 3 and 3 in tensor([1, 3]) and 2 not in tensor([1, 3])
    with pytest.raises(TypeError, match=r"index: got a Tensor of float32, expected integers; convert it with int\(x\)"):
        range(9)[tensor(3.0)]


def test_parts_that_no_gradient_reaches_count_as_zero():
    x = Tensor(np.arange(4.0), requires_grad=True)
    first, _, third = x.split([1, 2, 1])
    (first * 2 + third).sum().backward()
    assert np.asarray(x.grad).tolist() == [2, 0, 0, 1]


def test_what_a_convolution_gives_can_be_viewed_as_in_pytorch(place):
    """In memory channels come last there: a copy stands for the view, which no change in place may part from it."""
    a = gpunn.to_device(np.ascontiguousarray(normal(2, 4, 5, 3)).transpose(0, 3, 1, 2), place)
    x = Tensor(a, requires_grad=True)
    for y, shape in ((x.view(2, -1), (2, 60)), (x[:, :2].view(-1), (80,)), (x[0].view(3, 20), (3, 20))):
        assert y.shape == shape
    y = (x * 2).view(x.size(0), -1)
    np.testing.assert_array_equal(y.numpy(), 2 * normal(2, 4, 5, 3).transpose(0, 3, 1, 2).reshape(2, 60))
    y.relu_()  # whose base is gone
    y.sum().backward()
    np.testing.assert_array_equal(gpunn.to_numpy(x.gradient), 2 * (gpunn.to_numpy(a) > 0))
    with gpunn.no_grad():
        for base in (x, x.data, x * 2):
            for part in (base.view(-1), base.view(-1)[3:]):
                with pytest.raises(RuntimeError, match=r": in place, x would part from a copy"):
                    part.zero_()
    h = x * 2
    flat = h.view(-1)
    with pytest.raises(RuntimeError, match="mul_: in place, x would part from a copy"):
        h.mul_(2)
    assert flat.shape == (120,)
    with pytest.raises(ValueError, match="view: x"):
        ops.view(a, (2, -1))  # an array has no such watch
