"""An optimiser's state follows its model; a gradient or parameter that cannot be used changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import Tensor, nn, optim

OPTIMIZERS = [
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    lambda params: optim.Adam(params, lr=0.1),
    lambda params: optim.RMSprop(params, lr=0.1, momentum=0.9, centered=True),
    lambda params: optim.Adam(params, amsgrad=True),
    *(optim.Adagrad, optim.Adadelta, optim.Adamax, optim.NAdam, optim.RAdam, optim.Rprop, optim.ASGD),
]


@pytest.mark.parametrize("build", OPTIMIZERS)
def test_state_becomes_float64_with_the_model(build):
    model = nn.Linear(2, 2)
    optimizer = build(model.parameters())
    for dtype in (np.float32, np.float64):
        model.to(dtype)
        optimizer.zero_grad()
        model(Tensor(np.ones((1, 2), dtype))).sum().backward()
        optimizer.step()
    arrays = [v for values in optimizer.state.values() for v in values.values() if isinstance(v, np.ndarray)]
    assert {a.dtype.name for a in arrays} == {"float64"}


@pytest.mark.parametrize("gradient", [np.ones(1, np.float32), np.ones((), np.float32), 1.0, Tensor([1.0, 1.0])])
def test_a_gradient_that_would_be_broadcast_is_refused_before_any_update(gradient):
    first, second = nn.Parameter(np.zeros(2, np.float32)), nn.Parameter(np.zeros(2, np.float32))
    optimizer = optim.SGD([first, second], lr=1)
    first.gradient, second.gradient = np.ones(2, np.float32), gradient
    with pytest.raises(ValueError, match=r"SGD: a gradient is a .* of shape .*, expected a ndarray of shape \(2,\)"):
        optimizer.step()
    assert first.numpy().tolist() == [0, 0]


def test_a_read_only_leaf_is_refused_by_name():
    array = np.zeros(2, np.float32)
    array.flags.writeable = False
    leaf = Tensor(array, requires_grad=True)
    optimizer = optim.SGD([leaf], lr=1)
    (leaf * 2).sum().backward()
    with pytest.raises(ValueError, match=r"SGD: a parameter of shape \(2,\) is read-only memory; .*copy\(\)"):
        optimizer.step()


def test_a_schedule_says_that_groups_were_added_too_late():
    optimizer = optim.SGD([nn.Parameter(np.zeros(2, np.float32))], lr=1)
    schedule = optim.StepLR(optimizer, 1)
    optimizer.add_param_group({"params": [nn.Parameter(np.zeros(2, np.float32))]})
    with pytest.raises(ValueError, match=r"StepLR: .* has 2 parameter groups, and had 1 .*; add groups first"):
        schedule.step()
