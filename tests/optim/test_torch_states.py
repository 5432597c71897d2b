"""States of optimisers go to PyTorch's and come from there: five steps, the exchange, five more, equal to rounding."""

from __future__ import annotations

import io

import numpy as np
import pytest

from gpunn import Tensor, backend, optim

torch = pytest.importorskip("torch", reason="PyTorch is the other side")
RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05, "amsgrad": True}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {}),
    ("Adamax", {"lr": 0.05}),
    ("NAdam", {"lr": 0.05, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.05, "betas": (0.8, 0.6)}),
    ("Rprop", {"lr": 0.05}),
    ("ASGD", {"lr": 0.05, "t0": 3, "lambd": 0.1}),
    ("LBFGS", {"lr": 0.5, "max_iter": 3, "history_size": 4}),
    ("LBFGS", {"max_iter": 3, "history_size": 2, "line_search_fn": "strong_wolfe"}),
]
SHAPES = ((5, 3), (4,))


def as_tensors(tree):
    """A state of gpunn's with torch tensors for its arrays: all that PyTorch's asks."""
    if isinstance(tree, dict):
        return {key: as_tensors(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [as_tensors(value) for value in tree]
    return torch.tensor(tree) if backend.is_array(tree) else tree


def both(name, options):
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(shape) for shape in SHAPES]
    mine = [Tensor(x.copy(), requires_grad=True) for x in start]
    theirs = [torch.nn.Parameter(torch.tensor(x)) for x in start]
    groups = [[p] if name == "LBFGS" else p for p in (mine, theirs)]
    groups = [params if name == "LBFGS" else [{"params": params[:1]}, {"params": params[1:], "lr": 0.02}]
              for params in (mine, theirs)]  # fmt: skip
    return mine, theirs, getattr(optim, name)(groups[0], **options), getattr(torch.optim, name)(groups[1], **options)


def walked(params, optimizer, steps):
    """Steps down one bowl, from either library."""

    def closure():
        optimizer.zero_grad()
        loss = sum((((p - 0.3) ** 2 + 1) ** 0.5).sum() + 0.1 * (p**4).sum() for p in params)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)


def assert_same(mine, theirs):
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name, options", RULES)
def test_pytorchs_goes_on_from_ours_and_ours_from_pytorchs(name, options):
    mine, theirs, ours, reference = both(name, options)
    walked(mine, ours, 5)
    walked(theirs, reference, 5)
    assert_same(mine, theirs)
    other, torchs, ours_again, reference_again = both(name, options)
    for p, q, new, newer in zip(mine, theirs, other, torchs, strict=True):
        new.array[...] = q.detach().numpy()
        newer.data[...] = torch.tensor(p.numpy())
    ours_again.load_state_dict(reference.state_dict())
    reference_again.load_state_dict(as_tensors(ours.state_dict()))
    walked(other, ours_again, 5)
    walked(torchs, reference_again, 5)
    walked(mine, ours, 5)
    assert_same(other, torchs)
    assert_same(mine, other)


@pytest.mark.parametrize("name, options", RULES)
def test_a_state_that_pytorch_wrote_to_a_file(name, options):
    _, theirs, _, reference = both(name, options)
    walked(theirs, reference, 2)
    file = io.BytesIO()
    torch.save(reference.state_dict(), file)
    file.seek(0)
    mine, _, ours, _ = both(name, options)
    for p, q in zip(mine, theirs, strict=True):
        p.array[...] = q.detach().numpy()
    ours.load_state_dict(torch.load(file))
    walked(mine, ours, 3)
    walked(theirs, reference, 3)
    assert_same(mine, theirs)


def test_muons_state_has_pytorchs_names():
    params = [Tensor(np.ones((3, 2)), requires_grad=True)], [torch.nn.Parameter(torch.ones(3, 2))]
    ours, reference = optim.Muon(params[0]), torch.optim.Muon(params[1])
    params[0][0].grad, params[1][0].grad = np.ones((3, 2)), torch.ones(3, 2)
    for one in (ours, reference):
        one.step()
    mine, theirs = ours.state_dict(), reference.state_dict()
    np.testing.assert_allclose(mine["state"][0]["momentum_buffer"], theirs["state"][0]["momentum_buffer"].numpy())
    assert {k: v for k, v in mine["param_groups"][0].items() if k != "params"} == {
        k: v for k, v in theirs["param_groups"][0].items() if k != "params"
    }
    ours.load_state_dict(theirs)
    reference.load_state_dict(as_tensors(mine))
