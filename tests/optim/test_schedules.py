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


def test_one_cycle_takes_a_peak_and_momenta_for_each_group():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of the sequences")
    options = {"max_lr": [0.4, 0.2], "epochs": 5, "steps_per_epoch": 3, "base_momentum": [0.5, 0.6]}
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))]} for _ in range(2)]
    reference = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    mine = optim.SGD([{"params": [Tensor(np.ones(2), requires_grad=True)]} for _ in range(2)], lr=0.1, momentum=0.9)
    theirs, other = torch.optim.lr_scheduler.OneCycleLR(reference, **options), optim.OneCycleLR(mine, 1.0, 7)
    ours = optim.OneCycleLR(mine, **options)
    other.load_state_dict(ours.state_dict())
    for _ in range(14):
        for group, wanted in zip(mine.param_groups, reference.param_groups, strict=True):
            np.testing.assert_allclose([group["lr"], group["momentum"]], [wanted["lr"], wanted["momentum"]], rtol=1e-12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants optimizer.step() before it
            theirs.step()
        other.step()


PAIRS = [
    ("LinearLR", "StepLR"), ("StepLR", "LinearLR"), ("CosineAnnealingLR", "LinearLR"), ("MultiStepLR", "StepLR"),
    ("LinearLR", "CosineAnnealingLR"), ("StepLR", "StepLR"), ("CosineAnnealingLR", "CosineAnnealingLR"),
]  # fmt: skip
OF_PAIRS = {
    "LinearLR": {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 7},
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2, 5], "gamma": 0.1},
    "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.01},
}


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_two_schedules_compose_as_pytorchs_do(names):
    """And so does a rate that the user sets in between."""
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of the sequences")
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": lr} for lr in (0.1, 3.0)]
    reference, mine = torch.optim.SGD(groups, lr=0.1), optimizer_of_two_groups()
    theirs = [getattr(torch.optim.lr_scheduler, name)(reference, **OF_PAIRS[name]) for name in names]
    ours = [getattr(schedules, name)(mine, **OF_PAIRS[name]) for name in names]
    for t in range(25):
        for group, wanted in zip(mine.param_groups, reference.param_groups, strict=True):
            np.testing.assert_allclose(group["lr"], wanted["lr"], rtol=1e-12, err_msg=str(t))
            if t == 9:
                group["lr"] = wanted["lr"] = 0.25
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants optimizer.step() before it
            for schedule in theirs:
                schedule.step()
        for schedule in ours:
            schedule.step()


def test_a_cosine_between_equal_rates_leaves_one_set_by_hand():
    """The rate would have jumped up by 1 at the floor: a share of 0 by 0 was taken of another base."""
    optimizer = optim.SGD([Tensor(np.ones(2), requires_grad=True)], lr=0.1)
    for T_max in (1, 5):
        schedule = optim.CosineAnnealingLR(optimizer, T_max, eta_min=0.1)
        for _ in range(T_max):
            schedule.step()
        optimizer.param_groups[0]["lr"] = 0.07
        schedule.step()
        assert optimizer.param_groups[0]["lr"] == 0.07
        optimizer.param_groups[0]["lr"] = 0.1


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
        (lambda o: optim.StepLR(o, 0), ValueError, "StepLR: step_size must be a whole number of at least 1 and"),
        (lambda o: optim.StepLR(o, "3"), TypeError, "got '3'; usual: 30"),
        (lambda o: optim.StepLR(o, 3, "0.1"), TypeError, "StepLR: gamma must be a finite number, got '0.1'"),
        (lambda o: optim.MultiStepLR(o, []), ValueError, "MultiStepLR: milestones must be step counts of at least 1"),
        (lambda o: optim.MultiStepLR(o, ["8"]), TypeError, "MultiStepLR: milestones must be step counts of at least 1"),
        (lambda o: optim.MultiStepLR(o, 8), TypeError, "milestones must be step counts of at least 1, got 8"),
        (lambda o: optim.LinearLR(o, 0), ValueError, "LinearLR: start_factor must be a number in (0, 1], got 0"),
        (lambda o: optim.LinearLR(o, end_factor=None), TypeError, "LinearLR: end_factor must be a number in [0, 1]"),
        (lambda o: optim.CosineAnnealingLR(o, 0), ValueError, "CosineAnnealingLR: T_max must be a whole number of at"),
        (lambda o: optim.CosineAnnealingLR(o, 5, "0"), TypeError, "CosineAnnealingLR: eta_min must be a finite number"),
        (lambda o: optim.OneCycleLR(o, 0.1, 0), ValueError, "OneCycleLR: total_steps must be a whole number of at lea"),
        (lambda o: optim.OneCycleLR(o, 0.1), TypeError, "OneCycleLR: total_steps is None, expected the number of upd"),
        (lambda o: optim.OneCycleLR(o, "0.1", 9), TypeError, "OneCycleLR: max_lr must be a finite number > 0, or"),
        (lambda o: optim.OneCycleLR(o, [0.1], 9), ValueError, "max_lr has 1 values, but the optimizer has 2 groups"),
        (lambda o: optim.OneCycleLR(o, 0.1, 9, anneal_strategy="cosine"), ValueError, "must be 'cos' or 'linear', got"),
        (lambda o: optim.OneCycleLR(optim.Rprop(list(o.parameters())), 0.1, 9), ValueError, "Rprop has no momentum to"),
        (lambda o: optim.StepLR(3, 1), TypeError, "StepLR: optimizer is a int, expected one of gpunn.optim; pass the"),
        (
            lambda o: optim.StepLR(o, 1).load_state_dict(optim.LinearLR(o).state_dict()),
            ValueError,
            "StepLR: the saved state is of a 'LinearLR'",
        ),
        (
            lambda o: (s := optim.StepLR(o, 1)).load_state_dict({**s.state_dict(), "step_size": "2"}),
            TypeError,
            "StepLR: the saved state: step_size must be a whole number",
        ),
        (lambda o: optim.StepLR(o, 1).load_state_dict(None), ValueError, "StepLR: the saved state is None, expected"),
    ],
)
def test_errors(build, error, words):
    with pytest.raises(error) as caught:
        build(optimizer_of_two_groups())
    assert words in str(caught.value)
