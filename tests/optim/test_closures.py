"""Optimisers that call a closure, LBFGS above all; Muon; hooks; gradients that stay as zeros."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, no_grad, optim
from gpunn.errors import CaptureError

pytestmark = pytest.mark.usefixtures("device_there")
DEVICES = pytest.mark.parametrize("device", ["cpu", "emulator", "cuda"])


def placed(values, device, dtype=np.float64):
    return nn.Parameter(gpunn.to_device(np.asarray(values, dtype), device))


def valley(p):
    """Rosenbrock's function of the first two numbers, and a bowl of the rest."""
    x, y = p[0], p[1]
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2 + ((p[2:] + 1) ** 2).sum()


# ---------------------------------------------------------------- LBFGS
@DEVICES
@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
def test_lbfgs_finds_the_bottom_of_a_valley(device, line_search_fn):
    p, q = placed([-1.2, 1.0, 3.0], device), placed([[2.0], [5.0]], device)
    lr, most = (0.05, 12) if line_search_fn is None else (1, 200)
    optimizer = optim.LBFGS([p, q], lr=lr, max_iter=most, line_search_fn=line_search_fn, tolerance_change=1e-14)

    def closure():
        optimizer.zero_grad()
        loss = valley(p) + (q * q).sum()
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure)) for _ in range(4)]
    assert losses[0] > 20 and losses == sorted(losses, reverse=True)
    if line_search_fn:
        np.testing.assert_allclose(gpunn.to_numpy(p.array), [1, 1, -1], atol=1e-5)
        np.testing.assert_allclose(gpunn.to_numpy(q.array), 0, atol=1e-5)


def test_lbfgs_moves_on_with_its_model():
    """Its history follows the parameters into float64, and a copy of the two goes on alike."""
    import copy

    layer = nn.Linear(3, 1)
    optimizer = optim.LBFGS(layer.parameters(), lr=0.1, max_iter=2)
    x = np.random.default_rng(0).standard_normal((8, 3))

    def step(layer, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = ((layer(x.astype(layer.weight.dtype)) - 1) ** 2).mean()
            loss.backward()
            return loss

        return float(optimizer.step(closure))

    first = step(layer, optimizer)
    twin, other = copy.deepcopy((layer, optimizer))
    assert step(layer, optimizer) == step(twin, other) < first
    layer.to(np.float64)
    assert step(layer, optimizer) < first and optimizer.state[layer.weight]["d"].dtype == np.float64


def test_lbfgs_takes_parameters_without_a_gradient_and_of_no_element():
    p, q = placed([3.0], "cpu"), placed([1.0], "cpu")
    optimizer = optim.LBFGS([p, q, placed([], "cpu")])

    def closure():
        optimizer.zero_grad()
        loss = ((p - 1) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert q.numpy() == 1 and abs(p.numpy() - 1) < 1e-6
    nothing = optim.LBFGS([placed([], "cpu")])
    assert nothing.step(lambda: 3.0) == 3.0


P = placed([1.0, 2.0], "cpu")
ERRORS = [
    (lambda: optim.LBFGS([P]).step(), TypeError, "LBFGS: step has no closure, expected a function that computes the l"),
    (lambda: optim.LBFGS([P], line_search_fn="armijo"), ValueError, "line_search_fn must be none, or one of strong_wo"),
    (lambda: optim.LBFGS([P], max_iter=0), ValueError, "LBFGS: max_iter must be a whole number of at least 1"),
    (lambda: optim.LBFGS([{"params": [P]}, {"params": [placed([1], "cpu")]}]), ValueError, "got a second group of par"),
    (lambda: mixed(), ValueError, "LBFGS: parameters are float64 on cpu and float32 on cpu, expected one dtype and de"),
    (lambda: optim.LBFGS([P]).load_state_dict(lbfgs_state(d=np.ones(3))), ValueError, "the saved 'd' of parameter 0 i"),
    (lambda: optim.LBFGS([P]).load_state_dict(lbfgs_state(ro=["x"])), ValueError, "'ro' of parameter 0 is ['x'], exp"),
    (lambda: optim.LBFGS([P]).load_state_dict(lbfgs_state(ro=[])), ValueError, "saved state lacks a part of its histo"),
    (lambda: optim.Muon([P]), ValueError, "Muon: params[0] has shape (2,), expected a matrix; give the others to Adam"),
    (lambda: optim.Muon([placed([[1.0]], "cpu")], ns_steps=100), ValueError, "Muon: ns_steps must be a whole number o"),
    (lambda: optim.Muon([placed([[1.0]], "cpu")], ns_coefficients=(1, 2)), ValueError, "ns_coefficients must be three"),
    (lambda: optim.Muon([placed([[1.0]], "cpu")], adjust_lr_fn="rms"), ValueError, "adjust_lr_fn must be none, or one"),
]  # fmt: skip


def mixed():
    optim.LBFGS([P, placed([1.0], "cpu", np.float32)]).step(lambda: 0.0)


def lbfgs_state(**changed):
    optimizer = optim.LBFGS([placed([3.0, 2.0], "cpu")], max_iter=3, lr=0.05)

    def closure():
        optimizer.zero_grad()
        loss = ((optimizer.param_groups[0]["params"][0] - 1) ** 4).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    saved = optimizer.state_dict()
    saved["state"][0].update(changed)
    return saved


@pytest.mark.parametrize("call, error, words", ERRORS)
def test_errors(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_lbfgs_is_refused_in_a_captured_step(look_alike):
    from gpunn.backend import capture

    class Recorder:
        def add(self, make, dtype, shape): ...
        def guard(self, holds): ...

    token = capture.now.set(Recorder())
    try:
        with pytest.raises(CaptureError, match=r"LBFGS: its host reads the loss at each iteration.*; step it eagerly"):
            optim.LBFGS([P]).step(lambda: 0.0)
    finally:
        capture.now.reset(token)


# ---------------------------------------------------------------- Muon
def muon_oracle(p, b, g, lr, decay, momentum, nesterov, way):
    """The textbook's lines in float64."""
    b = momentum * b + (1 - momentum) * g
    x = (1 - momentum) * g + momentum * b if nesterov else b
    turned = x.shape[0] > x.shape[1]
    x = (x.T if turned else x) / max(np.linalg.norm(x), 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    rows, columns = p.shape
    ratio = 0.2 * max(rows, columns) ** 0.5 if way else max(1, rows / columns) ** 0.5
    return p * (1 - lr * decay) - lr * ratio * (x.T if turned else x), b


@DEVICES
@pytest.mark.parametrize("nesterov, way", [(True, None), (False, "match_rms_adamw")])
def test_muon_follows_its_formulas(device, nesterov, way):
    rng = np.random.default_rng(0)
    shapes = [(5, 3), (3, 6), (1, 4)]
    start = [rng.standard_normal(shape) for shape in shapes]
    params = [placed(x, device, np.float32) for x in start]
    groups = [{"params": params[:2]}, {"params": params[2:], "momentum": 0.5}]
    optimizer = optim.Muon(groups, lr=0.1, nesterov=nesterov, adjust_lr_fn=way)
    want = [(x, np.zeros_like(x)) for x in start]
    for _ in range(3):
        for i, p in enumerate(params):
            g = rng.standard_normal(p.shape)
            p.grad = gpunn.to_device(g.astype(np.float32), device)
            want[i] = muon_oracle(*want[i], g, 0.1, 0.1, 0.5 if i == 2 else 0.95, nesterov, way)
        optimizer.step()
    for p, (x, b) in zip(params, want, strict=True):
        np.testing.assert_allclose(gpunn.to_numpy(p.array), x, rtol=0.02, atol=0.02)  # products of TF32
        np.testing.assert_allclose(gpunn.to_numpy(optimizer.state[p]["momentum_buffer"]), b, rtol=1e-5, atol=1e-6)


@DEVICES
def test_muon_leaves_a_step_out_and_takes_matrices_of_no_element(device):
    p, q = placed(np.ones((2, 3)), device), placed(np.ones((0, 3)), device)
    optimizer = optim.Muon([p, q])
    p.grad, q.grad = p.array + 1, q.array + 1
    optimizer.step()
    before = [gpunn.to_numpy(a).copy() for a in (p.array, optimizer.state[p]["momentum_buffer"])]
    optimizer.skip = gpunn.to_device(np.ones(1, np.float32), device)
    p.grad = p.array * np.nan
    optimizer.step()
    for was, a in zip(before, (p.array, optimizer.state[p]["momentum_buffer"]), strict=True):
        np.testing.assert_array_equal(gpunn.to_numpy(a), was)


# ---------------------------------------------------------------- closures and hooks of all
@pytest.mark.parametrize("name", ["SGD", "Adam", "Rprop", "LBFGS"])
def test_a_closure_is_recorded_and_its_loss_returned(name):
    p = placed([2.0], "cpu")
    optimizer = getattr(optim, name)([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with no_grad():
        loss = optimizer.step(closure)
        assert not (p * p).requires_grad
    assert isinstance(loss, Tensor) and float(loss) == 4 and p.numpy()[0] < 2


def test_hooks_are_called_before_and_after_a_step():
    p, seen = placed([2.0], "cpu"), []
    optimizer = optim.SGD([p], lr=1.0)
    first = optimizer.register_step_pre_hook(lambda *given: seen.append(("before", float(p.numpy()[0]), given)))
    optimizer.register_step_post_hook(lambda *given: seen.append(("after", float(p.numpy()[0]), given)))
    p.grad = np.ones(1)
    optimizer.step()
    assert [row[:2] for row in seen] == [("before", 2.0), ("after", 1.0)]
    assert seen[0][2] == (optimizer, (optimizer,), {})
    first.remove()
    optimizer.step()
    assert len(seen) == 3
    optimizer.register_step_pre_hook(lambda *given: 3)
    with pytest.raises(TypeError, match="SGD: a hook before the step returned something, expected None; wrap the clos"):
        optimizer.step()


@pytest.mark.parametrize("name", ["SGD", "Adam", "LBFGS"])
def test_a_parameter_without_dimensions_may_be_used_twice(name):
    """The sum of its gradients is an array, as it is."""
    p = placed(2.0, "cpu")
    optimizer = getattr(optim, name)([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = p * p + p
        loss.backward()
        return loss

    optimizer.step(closure)
    assert type(p.gradient) is np.ndarray and p.numpy() < 2


def test_gradients_may_stay_as_zeros():
    p, q = placed([2.0], "cpu"), placed([1.0], "cpu")
    optimizer = optim.SGD([p, q])
    p.grad = np.ones(1)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is not None and p.gradient.tolist() == [0] and q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_a_state_is_looked_up_by_its_parameter():
    p, q = placed([2.0], "cpu"), placed([2.0], "cpu")
    optimizer = optim.Adam([p, q])
    assert not optimizer.state and optimizer.state[q] == {}
    p.grad = np.ones(1)
    optimizer.step()
    assert optimizer.state[p]["step"] == 1 and p in optimizer.state
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.state[p]["exp_avg"].shape == (1,)
