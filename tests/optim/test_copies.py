"""Copies of optimisers and averages, deep or pickled, go on as the original does; what a launch keeps is not copied."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import gpunn
from gpunn import data, nn, optim, train

OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    "AdamW": optim.AdamW,
    "RMSprop": lambda params: optim.RMSprop(params, momentum=0.9, centered=True),
    "NAdam": optim.NAdam,
    "ASGD": lambda params: optim.ASGD(params, t0=2),
}
COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda value: pickle.loads(pickle.dumps(value))}
WAYS = pytest.mark.parametrize("way", COPIES)
DEVICES = pytest.mark.parametrize("device", ["cpu", "emulator"])


def build(device):
    layer = nn.Linear(3, 2)
    for i, p in enumerate(layer.parameters()):
        p.array = gpunn.to_device(np.linspace(-1, i, p.size, dtype=np.float32).reshape(p.shape), device)
    return layer


def walk(layer, optimizer, steps):
    for k in steps:
        for p in layer.parameters():
            p.gradient = gpunn.to_device(
                np.sin(k + np.arange(p.size, dtype=np.float32)).reshape(p.shape), str(p.device)
            )
        optimizer.step()


@DEVICES
@WAYS
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_copied_with_its_model_takes_its_state_along(name, way, device):
    layer = build(device)
    optimizer = OPTIMIZERS[name](layer.parameters())
    walk(layer, optimizer, range(2))
    other, twin = COPIES[way]((layer, optimizer))
    before = [p.numpy().copy() for p in layer.parameters()]
    walk(other, twin, range(2, 5))
    for p, was in zip(layer.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), was)  # the copy moves nothing but its own
    walk(layer, optimizer, range(2, 5))
    for p, q in zip(layer.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@DEVICES
@WAYS
def test_a_copied_average_goes_on(way, device):
    layer, ema = build(device), train.EMA(0.5)
    for _ in range(3):
        ema.update(layer)
    twin = COPIES[way](ema)
    for one in (ema, twin):
        layer.weight.array[...] = 5
        one.update(layer)
    np.testing.assert_array_equal(np.asarray(ema.average["weight"]), np.asarray(twin.average["weight"]))
    assert not np.shares_memory(ema.average["weight"], twin.average["weight"])


SCHEDULES = {
    "StepLR": lambda optimizer: optim.StepLR(optimizer, 2),
    "MultiStepLR": lambda optimizer: optim.MultiStepLR(optimizer, [1, 3]),
    "LinearLR": optim.LinearLR,
    "CosineAnnealingLR": lambda optimizer: optim.CosineAnnealingLR(optimizer, 5),
    "OneCycleLR": lambda optimizer: optim.OneCycleLR(optimizer, 0.1, 9, cycle_momentum=False),
    "SequentialLR": lambda o: optim.SequentialLR(o, [optim.LinearLR(o), optim.CosineAnnealingWarmRestarts(o, 2)], [3]),
}


@WAYS
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_that_trains_goes_on_together(name, schedule, way):
    """A copied schedule steps the copied optimiser, and its rate follows."""
    layer, ema = build("cpu"), train.EMA(0.5)
    optimizer = OPTIMIZERS[name](layer.parameters())
    parts = layer, optimizer, SCHEDULES[schedule](optimizer), ema

    def go_on(layer, optimizer, schedule, ema, steps):
        for k in steps:
            walk(layer, optimizer, [k])
            schedule.step()
            ema.update(layer)
        rates = [group["lr"] for group in optimizer.param_groups]
        return [*layer.state_dict().values(), *ema.average.values(), np.array(rates), schedule.last_epoch]

    go_on(*parts, range(2))
    twins = COPIES[way](parts)
    assert twins[2].optimizer is twins[1]
    for got, want in zip(go_on(*twins, range(2, 5)), go_on(*parts, range(2, 5)), strict=True):
        np.testing.assert_array_equal(got, want)


@WAYS
def test_a_copied_trainer_goes_on_between_two_accumulated_batches(way):
    x, y = np.random.default_rng(0).standard_normal((28, 3)).astype(np.float32), np.arange(28) % 2
    loader = data.DataLoader(data.ArrayDataset(x, y), 4, prefetch=0)
    layer = build("cpu")
    run = train.Trainer(layer, optim.AdamW(layer.parameters()), accumulate=2, ema=train.EMA(0.9), metrics={})
    for i, (one, labels) in enumerate(loader):
        if i == 3:
            twin = COPIES[way](run)
        run.step(one, labels, last=False)
        if i >= 3:
            twin.step(one, labels, last=False)
    for a, b in zip(run.model.state_dict().values(), twin.model.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert twin.accumulation.sums[0] is not run.accumulation.sums[0]


def test_a_shallow_copy_steps_what_the_original_does():
    layer = build("cpu")
    optimizer = OPTIMIZERS["SGD"](layer.parameters())
    walk(layer, optimizer, range(2))
    other = copy.copy(optimizer)
    straight, want = copy.deepcopy((layer, optimizer))
    walk(straight, want, range(2, 4))
    walk(layer, other, [2])
    walk(layer, optimizer, [3])
    np.testing.assert_array_equal(layer.weight.numpy(), straight.weight.numpy())


def test_copies_on_cuda_point_at_their_own_memory(look_alike):
    layer, ema = build("cuda"), train.EMA(0.5)
    optimizer = OPTIMIZERS["SGD"](layer.parameters())
    walk(layer, optimizer, range(2))
    for _ in range(3):
        ema.update(layer)
    other, twin, average = copy.deepcopy((layer, optimizer, ema))
    del layer, optimizer, ema
    walk(other, twin, range(2, 4))
    average.update(other)
    assert np.isfinite(other.weight.numpy()).all()


def test_a_pair_pickled_between_backward_and_step_makes_the_same_step():
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters(), 0.1)
    (model(np.ones((2, 3), np.float32)) ** 2).sum().backward()
    twin, other = pickle.loads(pickle.dumps((model, optimizer)))
    optimizer.step()
    other.step()
    assert np.array_equal(model.weight.array, twin.weight.array) and len(other.state) == 2
