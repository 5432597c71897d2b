"""Schedules of every kind in a Trainer: stepped when they ask for it, saved and resumed with the run."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import data, nn, optim, train

SCHEDULES = {
    "ReduceLROnPlateau": lambda o: optim.ReduceLROnPlateau(o, patience=0, threshold=10.0, threshold_mode="abs"),
    "SequentialLR": lambda o: optim.SequentialLR(
        o, [optim.LinearLR(o, total_iters=2), optim.MultiStepLR(o, [1, 2], gamma=0.5)], [2]
    ),
    "ChainedScheduler": lambda o: optim.ChainedScheduler([optim.ExponentialLR(o, 0.9), optim.ConstantLR(o)]),
    "CyclicLR": lambda o: optim.CyclicLR(o, 0.01, 0.1, step_size_up=3),
    "CosineAnnealingWarmRestarts": lambda o: optim.CosineAnnealingWarmRestarts(o, 2),
    "LambdaLR": lambda o: optim.LambdaLR(o, lambda t: 0.9**t),
}
OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, 0.1, momentum=0.5),
    "NAdam": lambda params: optim.NAdam(params, 0.1),
    "ASGD": lambda params: optim.ASGD(params, 0.1, t0=3),
}


def run(out, schedule, optimizer, resumed=None, epochs=4):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 3)).astype(np.float32), np.arange(24) % 2
    model = nn.Linear(3, 2)
    for i, p in enumerate(model.parameters()):
        p.array[...] = np.linspace(-1, i, p.size).reshape(p.shape)
    one = OPTIMIZERS[optimizer](model.parameters())
    trainer = train.Trainer(model, one, schedule=SCHEDULES[schedule](one), out=out, seed=0)
    loader = data.DataLoader(data.ArrayDataset(x, y), 8, prefetch=0)
    trainer.fit(loader, loader, epochs=epochs, **({} if resumed is None else {"resume": resumed}))
    return trainer


@pytest.mark.parametrize("schedule, optimizer", [*((name, "SGD") for name in SCHEDULES),
                                                 *(("ReduceLROnPlateau", name) for name in OPTIMIZERS)])  # fmt: skip
def test_a_resumed_run_is_the_whole_one(schedule, optimizer, tmp_path):
    whole = run(tmp_path / "whole", schedule, optimizer)
    run(tmp_path / "half", schedule, optimizer, epochs=2)
    again = run(tmp_path / "half", schedule, optimizer, resumed=tmp_path / "half")
    rates = [row["learning_rate"] for row in whole.history.rows]
    assert [row["learning_rate"] for row in again.history.rows] == rates and len(set(rates)) > 1
    for p, q in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
