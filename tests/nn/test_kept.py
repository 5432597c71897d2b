"""summary(memory=True): what each layer keeps in training, at most in use, and nothing changed by asking."""

import numpy as np
import pytest

import gpunn
from gpunn import models, nn, ops, random
from gpunn.nn.kept import kept_by_layer
from gpunn.nn.state import copied


def net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(64, 16),
    )  # fmt: skip


def test_the_table_says_what_each_call_keeps():
    lines = gpunn.summary(net(), (16, 1, 8, 8), memory=True).splitlines()
    assert lines[1].split()[-2:] == ["memory", "kept"]
    last = {line.split()[0]: line.split()[-2:] for line in lines[3:-3]}
    assert last["0"] == ["4.0", "KiB"]  # its input
    assert last["1"][1] == "KiB" and float(last["1"][0]) >= 16  # its input, and mean and deviation
    assert last["6"] == ["4.0", "KiB"]
    assert lines[-2].startswith("total") and lines[-2].endswith("KiB")
    assert lines[-1].startswith("forward and backward in training: at most ") and "beyond weights" in lines[-1]
    assert net().summary((2, 1, 8, 8)).splitlines()[1].split()[-1] == "memory"


def test_calls_that_compute_what_follows_keep_for_it_and_the_rest_has_rows_of_its_own():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))

        def forward(self, x):
            return ops.tanh(self.body(x)) + self.body(x)

    lines = gpunn.summary(Twice(), (8, 1, 6, 6), memory=True).splitlines()
    rows = {tuple(line.split()[:2]): line for line in lines[3:-3]}
    assert any("between its layers" in line and line.endswith("256 B") for line in lines)  # tanh's result
    (relu,) = {line.rstrip()[-3:] for key, line in rows.items() if key[1] == "ReLU()"}
    assert relu == "KiB" or relu.endswith("B")  # the column memory: nothing of its own is kept
    found = kept_by_layer(Twice(), np.zeros((8, 1, 6, 6), np.float32))
    names = [name for name, _ in found.layers]
    assert names == ["", "body", "body.0", "body", "body.0"]  # ReLU and pooling are the convolution's


def test_it_leaves_modes_buffers_gradients_and_random_numbers():
    model = net()
    model[1].eval()
    model[6].weight.gradient = np.ones_like(model[6].weight.array)
    model[1].running_mean[...] = 3
    before = {name: value.copy() for name, value in model.named_arrays().items()}
    state = random._global.get_state()
    gpunn.summary(model, (16, 1, 8, 8), memory=True)
    assert model.training and not model[1].training
    assert random._global.get_state() == state
    assert all((value == before[name]).all() for name, value in copied(model).items())
    assert (model[6].weight.gradient == 1).all() and model[0].weight.gradient is None
    evaluated = net().eval()
    statistics = evaluated[1].running_mean.clone()
    assert "kept" in evaluated.summary((16, 1, 8, 8), memory=True)
    assert not any(module.training for module in evaluated.modules())
    assert (evaluated[1].running_mean == statistics).numpy().all()


def test_a_failure_leaves_them_too():
    model = net()
    with pytest.raises(ValueError, match="x has 3 channels"):
        kept_by_layer(model, np.zeros((2, 3, 8, 8), np.float32))
    with pytest.raises(ZeroDivisionError):
        kept_by_layer(model, np.zeros((2, 1, 8, 8), np.float32), lambda y: 1 // 0)
    assert model[1].num_batches_tracked == 0 and nn.kept.noted is None
    assert model(np.zeros((2, 1, 8, 8), np.float32)).shape == (2, 16)


def test_nothing_is_kept_where_nothing_learns():
    found = kept_by_layer(net().requires_grad_(False), np.zeros((2, 1, 8, 8), np.float32))
    assert found.total == 0
    assert "0 B" in gpunn.summary(nn.ReLU(), (2, 3), memory=True).splitlines()[-2]


def test_a_loss_keeps_too():
    model, labels = models.create("mlp"), np.zeros(4, np.int64)
    found = kept_by_layer(model, np.zeros((4, 1, 28, 28), np.float32), lambda y: ops.cross_entropy(y, labels))
    assert found.layers[-1][0] == "loss" and found.layers[-1][1] >= 4 * 10 * 4
    assert found.peak > found.total / 2
