"""From a configuration to its schedule and its optimiser."""

from __future__ import annotations

import numpy as np

from gpunn import models, optim
from gpunn.recipes.building import make_optimizer, make_schedule
from gpunn.recipes.config import Config
from gpunn.recipes.recipe import SHIPPED, read_recipe


def config(**keys) -> Config:
    return Config(**keys, device="cpu", classes=(), channels=3, size=32, mean=(), std=(), gpunn="")


def rates(schedule, steps):
    found = []
    for _ in range(steps):
        found.append(schedule.get_last_lr()[0])
        schedule.step()
    return found


def test_he_s_schedule_drops_at_half_and_three_quarters():
    he = config(**{**read_recipe(SHIPPED / "he_cifar.toml"), "epochs": 8})
    optimizer = make_optimizer(he, models.create("mlp").parameters())
    schedule = make_schedule(optimizer, he, updates=359)
    np.testing.assert_allclose(rates(schedule, 8), [0.1] * 4 + [0.01] * 2 + [0.001] * 2)
    group = optimizer.param_groups[0]
    assert (group["momentum"], group["weight_decay"]) == (0.9, 1e-4)
    updates = [round(share * 179) * 359 for share in (*he.milestones, 1)]
    assert [abs(count - paper) / paper < 0.02 for count, paper in zip(updates, (32000, 48000, 64000), strict=True)]


def test_the_other_schedules():
    def schedule(**keys):
        settings = config(epochs=4, lr=1.0, **keys)
        return make_schedule(make_optimizer(settings, models.create("mlp").parameters()), settings, updates=5)

    np.testing.assert_allclose(rates(schedule(schedule="linear"), 5), [1, 0.67, 0.34, 0.01, 0.01])
    np.testing.assert_allclose(rates(schedule(schedule="cosine"), 3), [1, (1 + 0.5**0.5) / 2, 0.5])
    assert schedule(schedule="constant") is None
    for keys in ({}, {"momentum": 0.0}, {"optimizer": "rmsprop"}, {"optimizer": "adam"}):
        cycle = schedule(schedule="one_cycle", **keys)
        assert isinstance(cycle, optim.OneCycleLR) and cycle.total_steps == 20
