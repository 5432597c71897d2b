"""Schedules against PyTorch's sequences; saving; errors."""

import warnings

import numpy as np
import pytest

from gpunn import optim
from gpunn.engine.tensor import Tensor
from gpunn.optim import schedules

CASES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [8, 2, 2], "gamma": 0.1}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 7}),
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 1}),
]


def optimizer_of_two_groups():
    p, q = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    return optim.SGD([{"params": [p]}, {"params": [q], "lr": 3.0}], lr=0.1)


@pytest.mark.parametrize("name, options", CASES)
def test_equals_pytorch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of the sequences")
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": lr} for lr in (0.1, 3.0)]
    reference = torch.optim.SGD(groups, lr=0.1)
    theirs = getattr(torch.optim.lr_scheduler, name)(reference, **options)
    ours = getattr(schedules, name)(optimizer_of_two_groups(), **options)
    for _ in range(25):
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-12, atol=1e-12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants optimizer.step() before it
            theirs.step()
        ours.step()


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"total_steps": 26},
        {"pct_start": 0.5, "anneal_strategy": "linear", "div_factor": 10.0, "final_div_factor": 100.0},
        {"cycle_momentum": False, "pct_start": 0.0},
        {"base_momentum": 0.5, "max_momentum": 0.9, "pct_start": 1.0},
    ],
)
def test_one_cycle_equals_pytorch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of the sequences")
    options = {"max_lr": 0.4, "total_steps": 25, **options}
    momentum = {"momentum": 0.7} if name == "SGD" else {}
    reference = getattr(torch.optim, name)([torch.nn.Parameter(torch.ones(2))], lr=0.1, **momentum)
    mine = getattr(optim, name)([Tensor(np.ones(2), requires_grad=True)], lr=0.1, **momentum)
    theirs, ours = torch.optim.lr_scheduler.OneCycleLR(reference, **options), optim.OneCycleLR(mine, **options)
    key = "momentum" if name == "SGD" else "betas"
    for t in range(options["total_steps"]):
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-10, atol=1e-15, err_msg=str(t))
        np.testing.assert_allclose(mine.param_groups[0][key], reference.param_groups[0][key], rtol=1e-12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants optimizer.step() before it
            if t + 1 < options["total_steps"]:
                theirs.step()
        ours.step()
    np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-10)  # past the end it stays


def test_state_continues_and_carries_the_options():
    optimizer = optimizer_of_two_groups()
    schedule = optim.StepLR(optimizer, 2, gamma=0.5)
    for _ in range(3):
        schedule.step()
    other = optimizer_of_two_groups()
    resumed = optim.StepLR(other, 7)
    resumed.load_state_dict(schedule.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert resumed.get_last_lr() == [0.05, 1.5]
    resumed.step()
    assert resumed.get_last_lr() == [0.025, 0.75]


@pytest.mark.parametrize(
    "build, error, words",
    [
        (lambda o: optim.StepLR(o, 0), ValueError, "StepLR: step_size must be >= 1, got 0"),
        (lambda o: optim.MultiStepLR(o, []), ValueError, "MultiStepLR: milestones must be step counts >= 1, got []"),
        (lambda o: optim.LinearLR(o, start_factor=0), ValueError, "LinearLR: expected start_factor in (0, 1]"),
        (lambda o: optim.CosineAnnealingLR(o, 0), ValueError, "CosineAnnealingLR: T_max must be >= 1, got 0"),
        (lambda o: optim.OneCycleLR(o, 0.1, 0), ValueError, "OneCycleLR: expected max_lr > 0, total_steps >= 1"),
        (lambda o: optim.OneCycleLR(o, 0.1, 9, anneal_strategy="cosine"), ValueError, "expected 'cos' or 'linear'"),
        (lambda o: optim.OneCycleLR(o, 0.1, 9), ValueError, "no momentum to cycle; pass cycle_momentum=False"),
        (lambda o: optim.StepLR(3, 1), TypeError, "StepLR: optimizer is a int, expected one of gpunn.optim"),
        (
            lambda o: optim.StepLR(o, 1).load_state_dict(optim.LinearLR(o).state_dict()),
            ValueError,
            "StepLR: the saved state is of a LinearLR",
        ),
    ],
)
def test_errors(build, error, words):
    with pytest.raises(error) as caught:
        build(optimizer_of_two_groups())
    assert words in str(caught.value)
