"""Copies of optimisers and averages, deep or pickled, go on as the original does; what a launch keeps is not copied."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import gpunn
from gpunn import nn, optim, train

OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    "AdamW": optim.AdamW,
    "RMSprop": lambda params: optim.RMSprop(params, momentum=0.9, centered=True),
}
COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda value: pickle.loads(pickle.dumps(value))}
WAYS = pytest.mark.parametrize("way", COPIES)
DEVICES = pytest.mark.parametrize("device", ["cpu", "emulator"])


def build(device):
    layer = nn.Linear(3, 2)
    for i, p in enumerate(layer.parameters()):
        p.data = gpunn.to_device(np.linspace(-1, i, p.size, dtype=np.float32).reshape(p.shape), device)
    return layer


def walk(layer, optimizer, steps):
    for k in steps:
        for p in layer.parameters():
            p.grad = gpunn.to_device(np.sin(k + np.arange(p.size, dtype=np.float32)).reshape(p.shape), str(p.device))
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
        layer.weight.data[...] = 5
        one.update(layer)
    np.testing.assert_array_equal(np.asarray(ema.average["weight"]), np.asarray(twin.average["weight"]))
    assert not np.shares_memory(ema.average["weight"], twin.average["weight"])


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
