"""Optimisers against PyTorch, and against two lines of arithmetic where torch is missing; state, groups and errors."""

import gc
import os
import tracemalloc

import numpy as np
import pytest

from gpunn import nn, optim
from gpunn.cpu.pieces import PIECE, pieces
from gpunn.engine.tensor import Tensor

# name, options: the same words for both libraries
RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.02}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.02}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.003, "alpha": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.003, "centered": True, "eps": 1e-4}),
    ("RMSprop", {"lr": 0.003, "momentum": 0.9, "centered": True, "eps": 1e-4, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "maximize": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    ("AdamW", {"amsgrad": True, "betas": (0.8, 0.6)}),
    ("NAdam", {"weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1}),
    ("RAdam", {}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.8, 0.6)}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.1}),
    ("Adadelta", {"weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"weight_decay": 0.1, "betas": (0.8, 0.6)}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.01, 0.5), "maximize": True}),
    ("ASGD", {"weight_decay": 0.1}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 5}),
]
SHAPES = [(), (7,), (5, 3), (3 * PIECE // 8, 11)]  # the last one takes several pieces, the last of them cut short


def parameters(dtype=np.float64, shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(np.asarray(rng.standard_normal(shape), dtype), requires_grad=True) for shape in shapes]


def gradients(step, dtype=np.float64, shapes=SHAPES):
    rng = np.random.default_rng(1000 + step)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes]


def run(optimizer, params, steps, start=0):
    for step in range(start, start + steps):
        for p, g in zip(params, gradients(step, params[0].dtype, [p.shape for p in params]), strict=True):
            p.gradient = g
        optimizer.step()


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 2e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("name, options", RULES)
def test_50_steps_equal_pytorch(name, options, dtype, rtol):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of the update rules")
    shapes = SHAPES[:-1]
    mine = parameters(dtype, shapes)
    theirs = [torch.nn.Parameter(torch.tensor(p.data)) for p in mine]
    ours, reference = getattr(optim, name)(mine, **options), getattr(torch.optim, name)(theirs, **options)
    for step in range(50):
        for p, q, g in zip(mine, theirs, gradients(step, dtype, shapes), strict=True):
            p.grad, q.grad = g, torch.tensor(g)
        ours.step()
        reference.step()
    for p, q in zip(mine, theirs, strict=True):
        assert p.dtype == dtype
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name, options", RULES)
def test_pieces_do_not_change_the_result(name, options, monkeypatch):
    """Several pieces a parameter, or one, and gradients in any memory order: the same bits."""
    results = []
    for piece in (PIECE, 10**9, 100):
        monkeypatch.setattr("gpunn.cpu.pieces.PIECE", piece)
        params = parameters(np.float32, [(37, 5, 3, 3)])
        optimizer = getattr(optim, name)(params, **options)
        for step in range(3):
            g = gradients(step, np.float32, [(37, 5, 3, 3)])[0]
            channels_last = np.ascontiguousarray(g.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
            params[0].gradient = channels_last if piece == 100 else g
            optimizer.step()
        results.append(params[0].array)
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


def test_pieces_cover_every_element_once():
    a, b = np.zeros((3 * PIECE // 8, 11)), np.ones((11, 3 * PIECE // 8)).T
    for x, y in pieces(a, b):
        assert x.shape == y.shape and x.size <= 2 * PIECE
        x += y
    assert (a == 1).all()


def test_parameter_that_is_not_contiguous_is_updated_in_place():
    base = np.ones((4, 6), np.float32)
    p = Tensor(base.T, requires_grad=True)
    p.gradient = np.full((6, 4), 2, np.float32)
    optim.SGD([p], lr=0.25, momentum=0.5).step()
    assert (base == 0.5).all()


def test_update_in_place_and_gradient_untouched():
    for name, options in RULES:
        (p,) = parameters(np.float32, [(9,)])
        array, g = p.array, gradients(0, np.float32, [(9,)])[0]
        p.gradient = g.copy()
        getattr(optim, name)([p], **options).step()
        assert p.array is array and np.array_equal(p.gradient, g), name


def test_l1_adds_the_sign():
    p = Tensor(np.array([2.0, -2.0, 0.0]), requires_grad=True)
    p.gradient = np.zeros(3)
    optim.SGD([p], lr=0.1, l1=0.5).step()
    np.testing.assert_allclose(p.array, [1.95, -1.95, 0.0])
    p.gradient = np.zeros(3)
    optim.SGD([p], lr=0.1, l1=0.5, weight_decay=1.0).step()
    np.testing.assert_allclose(p.array, [1.95 - 0.245, -1.95 + 0.245, 0.0])


def test_without_gradient_is_skipped():
    p, q = parameters(shapes=[(3,), (3,)])
    before, q.gradient = p.array.copy(), np.ones(3)
    optimizer = optim.Adam([p, q])
    optimizer.step()
    assert np.array_equal(p.array, before) and list(optimizer.state_dict()["state"]) == [1]
    optimizer.zero_grad()
    assert q.gradient is None


def test_frozen_parameters_are_taken_and_skipped():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    before = {name: array.copy() for name, array in model.named_arrays().items()}
    optimizer = optim.SGD(model.parameters(), lr=1.0, weight_decay=0.1)
    model(np.ones((1, 2), np.float32)).sum().backward()
    optimizer.step()
    after = model.named_arrays()
    assert [bool((before[k] == after[k]).all()) for k in before] == [True, True, False, False]


def test_groups_have_their_own_options():
    p, q = parameters(shapes=[(3,), (3,)])
    p.array[...] = q.array[...] = 0
    optimizer = optim.SGD([{"params": [p], "lr": 1.0}, {"params": q}], lr=0.5)
    p.gradient = q.gradient = np.ones(3)
    optimizer.step()
    assert (p.array == -1).all() and (q.array == -0.5).all()
    assert repr(optimizer).startswith("SGD(1 parameters, lr=1.0")


@pytest.mark.parametrize("name, options", RULES)
def test_state_moves_to_a_new_optimizer(name, options):
    """10 + 10 steps with state_dict in between are bitwise 20 steps."""
    straight = parameters(np.float32)
    run(getattr(optim, name)(straight, **options), straight, 20)
    first = parameters(np.float32)
    optimizer = getattr(optim, name)(first, **options)
    run(optimizer, first, 10)
    saved = optimizer.state_dict()
    second = [Tensor(p.array.copy(), requires_grad=True) for p in first]
    run(optimizer, first, 1, start=99)  # must not reach into what was saved
    resumed = getattr(optim, name)(second, **{**options, "lr": 99.0})
    resumed.load_state_dict(saved)
    run(resumed, second, 10, start=10)
    for p, q in zip(straight, second, strict=True):
        assert np.array_equal(p.array, q.array)


def test_state_of_other_parameters_is_refused():
    one, two = parameters(shapes=[(3,)]), parameters(shapes=[(3,), (4,)])
    saved = optim.SGD(two, lr=1).state_dict()
    with pytest.raises(ValueError, match=r"SGD: the saved state has groups of \[2\] parameters, this optimiser \[1\]"):
        optim.SGD(one, lr=1).load_state_dict(saved)
    with pytest.raises(ValueError, match=r"Adam: the saved state has options .*momentum.* is of another optimiser"):
        optim.Adam(two).load_state_dict(saved)
    optimizer = optim.SGD(two, lr=1, momentum=0.5)
    run(optimizer, two, 1)
    other = optim.SGD(parameters(shapes=[(3,), (5,)]), lr=7, momentum=0.5)
    with pytest.raises(ValueError, match=r"momentum_buffer of parameter 1 has shape \(4,\), the parameter \(5,\)"):
        other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == 7 and not other.state


@pytest.mark.parametrize("name, options", [RULES[2], RULES[5], RULES[12]])
def test_memory_does_not_grow_with_steps(name, options):
    params = parameters(np.float32, SHAPES[:3])
    optimizer = getattr(optim, name)(params, **options)
    run(optimizer, params, 50)
    tracemalloc.start()
    try:
        run(optimizer, params, 50)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        run(optimizer, params, 5000 if os.environ.get("CI") else 400)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 8192
    finally:
        tracemalloc.stop()


P = parameters(shapes=[(2,)])
ERRORS = [
    (lambda: optim.SGD(P, lr=-0.1), ValueError, "SGD: lr must be a finite number >= 0, got -0.1"),
    (lambda: optim.Adam(P, lr=float("nan")), ValueError, "Adam: lr must be a finite number >= 0, got nan"),
    (lambda: optim.RMSprop(P, momentum=-1), ValueError, "RMSprop: momentum must be a finite number >= 0, got -1"),
    (lambda: optim.SGD(P, lr=1, weight_decay=-1), ValueError, "SGD: weight_decay must be a finite number >= 0"),
    (lambda: optim.SGD(P, lr=1, nesterov=True), ValueError, "nesterov needs momentum > 0 and dampening = 0"),
    (lambda: optim.Adam(P, betas=(0.9, 1.0)), ValueError, "betas must be two numbers in [0, 1), got (0.9, 1.0)"),
    (lambda: optim.RMSprop(P, alpha=2), ValueError, "RMSprop: alpha must be a number in [0, 1], got 2; usual: 0.99"),
    (lambda: optim.SGD([], lr=1), ValueError, "SGD: params is empty; pass model.parameters()"),
    (lambda: optim.SGD(P[0], lr=1), TypeError, "SGD: params is one Tensor, expected an iterable of parameters;"),
    (lambda: optim.SGD([np.ones(2)], lr=1), TypeError, "params[0] is an array of float64 (2,), expected a Parameter"),
    (lambda: optim.SGD([Tensor(np.ones(2))], lr=1), ValueError, "params[0] of shape (2,) has requires_grad=False"),
    (lambda: optim.SGD(P + P, lr=1), ValueError, "SGD: params[1] of shape (2,) is given twice"),
    (lambda: optim.SGD([{"params": P, "betas": 1}], lr=1), ValueError, "SGD: unknown options ['betas'] in a group"),
    (lambda: optim.SGD([{"params": []}], lr=1), ValueError, "SGD: group 0 has no parameters"),
    (lambda: optim.SGD([{"lr": 1}], lr=1), TypeError, 'a parameter group is a dict with "params"'),
]


@pytest.mark.parametrize("call, error, words", ERRORS)
def test_errors_say_what_was_wrong(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
