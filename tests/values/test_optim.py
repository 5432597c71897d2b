"""Every optimiser, clipping and schedule against the steps that PyTorch took once in float64."""

import json

import numpy as np
import pytest

from gpunn import optim
from gpunn.engine.tensor import Tensor
from tests.values.stored import array, assert_near, load

RULES, CLIPPINGS, SCHEDULES = load("optimisers"), load("clippings"), load("schedules")


def title(row):
    return f"{row.get('schedule', '')} {row.get('rule', row.get('call'))} {json.dumps(row['options'])}".replace('"', "")


def of_kind(base):
    found = {name: getattr(optim, name) for name in vars(optim) if callable(getattr(optim, name))}
    return {name for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, base)} - {base.__name__}


# Those that take functions, metrics or schedules, and those whose steps are long: beside PyTorch in tests/optim alone.
LIVE = {"LambdaLR", "MultiplicativeLR", "ReduceLROnPlateau", "SequentialLR", "ChainedScheduler", "LBFGS", "Muon"}


def test_all_are_stored():
    assert {row["rule"] for row in RULES} == of_kind(optim.Optimizer) - LIVE
    assert {row["schedule"] for row in SCHEDULES} == of_kind(optim.Schedule) - LIVE - {"LRScheduler"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("row", RULES, ids=title)
def test_optimiser(row, dtype):
    params = [Tensor(array(value, dtype), requires_grad=True) for value in row["parameters"]]
    optimiser = getattr(optim, row["rule"])(params, **row["options"])
    for step, (gradients, after) in enumerate(zip(row["gradients"], row["after"], strict=True)):
        for p, g in zip(params, gradients, strict=True):
            p.gradient = array(g, dtype)
        optimiser.step()
        for p, want in zip(params, after, strict=True):
            assert p.dtype == dtype
            assert_near(p.array, want, f"step {step}")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("row", CLIPPINGS, ids=title)
def test_clipping(row, dtype):
    params = [Tensor(np.zeros_like(array(g, dtype)), requires_grad=True) for g in row["gradients"]]
    for p, g in zip(params, row["gradients"], strict=True):
        p.gradient = array(g, dtype)
    options = {key: float(value) for key, value in row["options"].items()}  # "inf" is not in JSON
    norm = getattr(optim, row["call"])(params, **options)
    assert (norm is None) == (row["norm"] is None)
    if norm is not None:
        assert_near(norm, row["norm"], "norm")
    for p, want in zip(params, row["after"], strict=True):
        assert_near(p.gradient, want, "gradient")


@pytest.mark.parametrize("row", SCHEDULES, ids=title)
def test_schedule(row):
    groups = [{"params": [Tensor(np.ones(1), requires_grad=True)], "lr": lr} for lr in (0.25, 2.0)]
    sgd = row["rule"] == "SGD"
    optimiser = optim.SGD(groups, 1.0, momentum=0.625) if sgd else getattr(optim, row["rule"])(groups)
    schedule = getattr(optim, row["schedule"])(optimiser, **row["options"])
    rates, momenta = [], []
    for step in range(len(row["rates"])):
        if step:
            schedule.step()
        first = optimiser.param_groups[0]
        rates.append(schedule.get_last_lr())
        momenta.append(first["momentum"] if sgd else first["betas"][0])
        assert sgd or first["betas"][1:] == (0.999,)
    np.testing.assert_allclose(rates, row["rates"], rtol=1e-13)
    np.testing.assert_allclose(momenta, row["momenta"], rtol=1e-13)
