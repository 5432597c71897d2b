"""Convolution weights lie in memory as (K, R, S, C), as kernels read them, and stay so wherever they are carried."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import backend, nn, optim, random, train
from gpunn.optim.accumulate import Accumulation
from tests import cupy_stand_in
from tests.thinned import one_in

LAYERS = {
    "Conv1d": (lambda: nn.Conv1d(3, 4, 3), (2, 3, 9)),
    "Conv2d": (lambda: nn.Conv2d(3, 4, (2, 3)), (2, 3, 6, 6)),
    "Conv3d": (lambda: nn.Conv3d(3, 4, 2), (1, 3, 4, 4, 4)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 4, 3), (2, 3, 4, 4)),
}


def channels_last(array):
    """Whether memory is (K, *size, C), and not also (K, C, *size)."""
    last = array.transpose((0, *range(2, array.ndim), 1))
    return bool(last.flags.c_contiguous and not array.flags.c_contiguous)


@pytest.fixture(params=one_in(3, ["cpu", "emulator", "cuda"]))
def device(request, monkeypatch):
    if request.param == "cuda":
        stand_in = cupy_stand_in.module()
        monkeypatch.setattr(backend.loading, "_load_cupy", lambda: (stand_in, ""))
    elif not gpunn.is_available(request.param):
        pytest.skip(f"device {request.param} is not available here (gpunn doctor says why)")
    return request.param


def stepped(device):
    """A layer after one training step, and its optimiser."""
    layer = nn.Conv2d(3, 4, 3).to(device)
    sgd = optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    x = backend.to_device(np.ones((2, 3, 5, 5), np.float32), device)
    layer(x).sum().backward()
    sgd.step()
    return layer, sgd


@pytest.mark.parametrize("name", LAYERS)
def test_layers_hold_channels_last_weights_with_the_values_of_before(name):
    random.manual_seed(7)
    layer = LAYERS[name][0]()
    random.manual_seed(7)
    plain = nn.Parameter(np.empty(layer.weight.shape, np.float32))
    nn.init.default_(plain, None)
    assert channels_last(layer.weight.array)
    assert np.array_equal(layer.weight.array, plain.array)


def test_large_weights_are_drawn_in_parts_as_others_are(monkeypatch):
    monkeypatch.setattr(nn.init, "_CHUNK", 16)
    values = []
    for order in ((0, 1, 2), (0, 2, 1)):
        random.manual_seed(3)
        memory = np.empty((4, 3, 3), np.float32).transpose(order)
        values.append(nn.init.normal_(memory))
    assert np.array_equal(*values)


def test_the_order_survives_devices_dtypes_and_copies(device):
    layer = nn.Conv2d(3, 4, 3)
    before = layer.weight.array.copy()
    layer.to(device)
    assert channels_last(layer.weight.array)
    copied = copy.deepcopy(layer)
    assert channels_last(copied.weight.array)
    state = copied.state_dict()
    layer.load_state_dict(state)
    assert channels_last(layer.to("float64").weight.array)
    assert channels_last(layer.to("float32").to("cpu").weight.array)
    assert np.array_equal(layer.weight.array, before)


def test_gradients_and_what_optimisers_keep_have_the_order_of_their_weights(device):
    layer, sgd = stepped(device)
    assert channels_last(layer.weight.gradient) and channels_last(layer.weight.array)
    assert channels_last(copy.deepcopy(layer).weight.gradient)
    other = optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    other.load_state_dict(sgd.state_dict())
    for one in (sgd, other):
        assert channels_last(one.state[layer.weight]["momentum_buffer"])


def test_averages_leave_weights_in_order_and_sums_have_theirs(device, tmp_path):
    layer, _ = stepped(device)
    ema, sums = train.EMA(0.5), Accumulation(2)
    ema.update(layer)
    with ema.inside(layer):
        assert channels_last(layer.weight.array)
    sums.add(layer.parameters(), 2)
    total = backend.to_numpy(sums.sums[0]).copy()
    assert channels_last(sums.sums[0])
    train.save_checkpoint(tmp_path / "all.npz", sums.state_dict())
    sums.load_state_dict(train.load_checkpoint(tmp_path / "all.npz"), layer.parameters())
    assert channels_last(sums.sums[0])
    assert np.array_equal(backend.to_numpy(sums.sums[0]), total)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)])
def test_arrays_keep_their_memory_order_between_devices(order, device):
    host = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5).transpose(order)
    there = backend.to_device(host, device)
    back = backend.to_numpy(there)
    assert there.strides == back.strides == host.strides
    assert np.array_equal(back, host)
    sliced = host[:, ::2]
    assert np.array_equal(backend.to_numpy(backend.to_device(sliced, device)), sliced)
