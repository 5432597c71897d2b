"""Schedules against PyTorch's sequences; saving; errors."""

import warnings

import numpy as np
import pytest

from gpunn import optim
from gpunn.optim import schedules
from gpunn.tensor import Tensor

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
