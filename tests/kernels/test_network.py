"""Whole networks on the emulator: the same numbers as on the CPU, every kernel from its `.cu` file."""

import numpy as np
import pytest

import gpunn
from gpunn import models, ops
from gpunn.backend import to_device, to_numpy
from gpunn.cuda.variants import tracing

pytestmark = pytest.mark.usefixtures("emulator")


def gradients(name, device, shape):
    gpunn.manual_seed(0)
    model = models.create(name).to(device)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    target = np.arange(shape[0]) % 10
    loss = ops.cross_entropy(model(to_device(x, device)), to_device(target, device))
    loss.backward()
    return float(loss.item()), {key: to_numpy(p.gradient) for key, p in model.named_parameters()}


@pytest.mark.parametrize("name, shape", [("lenet5", (3, 1, 28, 28)), ("resnet20", (2, 3, 16, 16))])
def test_a_network_has_the_same_gradients_on_cpu_and_emulator(name, shape):
    wanted, ours = gradients(name, "cpu", shape)
    with tracing() as calls:
        got, theirs = gradients(name, "emulator", shape)
    assert got == pytest.approx(wanted, rel=1e-4)
    for key, want in ours.items():
        scale = max(np.abs(want).max(), 1e-3)
        assert np.abs(theirs[key] - want).max() <= 1e-3 * scale, key
    families = {call.operation.split(".")[0] for call in calls}
    assert families >= ({"conv2d", "batch_norm"} if name == "resnet20" else {"conv2d", "pool"})


def test_ops_take_emulated_arrays_and_tensors_alike():
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 3, 6, 6)).astype(np.float32), rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    on = [to_device(a, "emulator") for a in (x, w)]
    y = ops.conv2d(*on, padding=1)
    assert type(y) is type(on[0]) and np.allclose(to_numpy(y), ops.conv2d(x, w, padding=1), atol=1e-5)
    transposed = ops.conv_transpose2d(y, on[1], stride=2)
    assert np.allclose(to_numpy(transposed), ops.conv_transpose2d(to_numpy(y), w, stride=2), atol=1e-4)
    row, taps = x[:, :, 0], w[:, :, 0]
    line = ops.conv1d(to_device(row, "emulator"), to_device(taps, "emulator"), stride=2)
    assert np.allclose(to_numpy(line), ops.conv1d(row, taps, stride=2), atol=1e-5)
