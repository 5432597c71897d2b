"""Hooks before and after forward and on the way back: order, what they change, how they go; PyTorch's beside."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, no_grad
from gpunn.handle import Handle


def test_hooks_run_in_order_around_forward():
    net, seen = nn.ReLU(), []
    net.register_forward_hook(lambda m, args, y: seen.append("after"))
    net.register_forward_pre_hook(lambda m, args: seen.append("second"))
    net.register_forward_pre_hook(lambda m, args: seen.append("first"), prepend=True)
    net.register_forward_hook(lambda m, args, y: seen.append("sooner"), prepend=True)
    net(np.zeros(1))
    assert seen == ["first", "second", "sooner", "after"]


def test_a_pre_hook_changes_the_arguments():
    net = nn.Bilinear(2, 2, 1).to("float64")
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    want = net(b, a).numpy()
    handle = net.register_forward_pre_hook(lambda m, args: args[::-1])
    assert np.array_equal(net(a, b).numpy(), want)
    handle.remove()
    handle.remove()
    swap = net.register_forward_pre_hook(lambda m, args, kwargs: ((), {"x1": b, "x2": a}), with_kwargs=True)
    seen = []
    with swap, net.register_forward_hook(lambda m, args, kwargs, y: seen.append(sorted(kwargs)), with_kwargs=True):
        assert np.array_equal(net(a, x2=b).numpy(), want) and seen == [["x1", "x2"]]
    assert not net._forward_hooks and not np.array_equal(net(a, b).numpy(), want)


def test_handles_are_called_or_asked_to_remove():
    net = nn.ReLU()
    handles = [net.register_forward_hook(lambda *_: None) for _ in range(2)]
    assert all(isinstance(handle, Handle) for handle in handles)
    handles[0]()
    handles[1].remove()
    assert not net._forward_hooks
    x = gpunn.tensor([1.0], requires_grad=True)
    handle = x.register_hook(lambda g: g * 2)
    handle.remove()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3]


def pair():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to("float64")
    ours.load_state_dict(theirs.state_dict())
    return torch, theirs, ours


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_backward_hook_sees_what_pytorchs_sees(place, wanted):
    torch, theirs, ours = pair()
    x = np.random.default_rng(0).standard_normal((5, 3))
    seen, told = [], []
    theirs[place].register_full_backward_hook(lambda m, gx, gy: seen.append((gx, gy)))
    ours[place].register_full_backward_hook(lambda m, gx, gy: told.append((gx, gy)))
    theirs(torch.tensor(x, requires_grad=wanted)).sum().backward()
    ours(Tensor(x, requires_grad=wanted)).sum().backward()
    assert len(seen) == len(told) == 1
    for want, got in zip(seen[0], told[0], strict=True):
        assert len(want) == len(got) == 1 and (want[0] is None) == (got[0] is None)
        if want[0] is not None:
            assert isinstance(got[0], Tensor)
            np.testing.assert_allclose(got[0].numpy(), want[0].numpy(), rtol=1e-12)


def test_a_backward_hook_changes_the_gradient():
    torch, theirs, ours = pair()
    x = np.random.default_rng(0).standard_normal((5, 3))
    for net in (theirs, ours):
        net[1].register_full_backward_hook(lambda m, gx, gy: (gx[0] * 3,))
    leaf, mine = torch.tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
    theirs(leaf).sum().backward()
    ours(mine).sum().backward()
    np.testing.assert_allclose(np.asarray(mine.grad), leaf.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(ours[0].weight.grad), theirs[0].weight.grad.numpy(), rtol=1e-12)
    with no_grad():
        assert not ours(mine).requires_grad


@pytest.mark.parametrize(
    "register, words",
    [
        (lambda net: net.register_forward_hook(3), "ReLU: the hook is a int, expected a function; pass it without"),
        (lambda net: net.register_forward_pre_hook(lambda m, a, k: 1, with_kwargs=True), "gave a int, expected None"),
    ],
)
def test_refusals(register, words):
    net = nn.ReLU()
    with pytest.raises(TypeError, match=words):
        register(net)
        net(np.zeros(1))


def test_a_backward_hook_gives_a_gradient_an_argument():
    net, x = nn.Bilinear(1, 1, 1), gpunn.tensor([[1.0]], requires_grad=True)
    net.register_full_backward_hook(lambda m, gx, gy: gx[:1])
    with pytest.raises(RuntimeError, match="Bilinear: a backward hook gave 1 gradients, expected 2, one an argument"):
        net(x, x).sum().backward()
