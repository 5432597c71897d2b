"""Where a call may come from: other streams, threads and devices, memory that is not aligned; and every model."""

import threading

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, models, ops, optim
from gpunn.backend import require_cupy, to_device, to_numpy

pytestmark = pytest.mark.gpu


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def layers(x, w, labels):
    """(loss, gradients) of a convolution, a batch norm with ReLU, a pooling and a loss: some plans have scratch."""
    x, w = (Tensor(a, requires_grad=True) for a in (x, w))
    channels = w.shape[0]
    y = ops.batch_norm_relu(ops.conv2d(x, w, padding=1), None, None, training=True)
    y = ops.reshape(ops.max_pool2d(y, 2), (len(x.array), channels, -1))
    loss = ops.cross_entropy(ops.mean(y, axis=2), labels)
    loss.backward()
    return [loss.array, x.gradient, w.gradient]


def given(device="cuda", seed=0):
    arrays = normal(6, 8, 12, 12, seed=seed), normal(16, 8, 3, 3, seed=seed + 1), np.arange(6)
    return [to_device(a, device) for a in arrays]


def test_streams_that_run_at_once_give_the_bits_of_one():
    cupy = require_cupy()
    arrays = [given(seed=seed) for seed in range(4)]
    want = [[to_numpy(a).tobytes() for a in layers(*one)] for one in arrays]
    streams, found = [cupy.cuda.Stream(non_blocking=True) for _ in arrays], [[] for _ in arrays]
    cupy.cuda.Device().synchronize()  # non-blocking streams do not wait for the copies in the null stream
    for _ in range(10):
        for stream, one, results in zip(streams, arrays, found, strict=True):
            with stream:
                results.append(layers(*one))
    for stream in streams:
        stream.synchronize()
    for results, wanted in zip(found, want, strict=True):
        assert all([to_numpy(a).tobytes() for a in result] == wanted for result in results)


def test_threads_give_the_bits_of_one():
    arrays = [given(seed=seed) for seed in range(4)]
    want = [[to_numpy(a).tobytes() for a in layers(*one)] for one in arrays]
    found, errors = {}, []

    def work(i):
        try:
            for _ in range(10):
                found.setdefault(i, []).append([to_numpy(a).tobytes() for a in layers(*arrays[i])])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(arrays))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(result == want[i] for i, results in found.items() for result in results)


@pytest.mark.parametrize("elements", [1, 2, 3])
def test_slices_off_16_bytes_fall_to_kernels_that_take_them(elements):
    x, w, labels = given()
    memory = require_cupy().empty(x.size + elements, np.float32)
    shifted = memory[elements:].reshape(x.shape)
    shifted[...] = x
    assert shifted.data.ptr % 16
    for a, b in zip(layers(shifted, w, labels), layers(x, w, labels), strict=True):
        assert abs(to_numpy(a) - to_numpy(b)).max() <= 1e-5 * max(1, abs(to_numpy(b)).max())


def test_arrays_of_a_second_device_are_computed_there():
    if require_cupy().cuda.runtime.getDeviceCount() < 2:
        pytest.skip("this machine has one CUDA device")
    want, there = layers(*given("cuda:0")), given("cuda:1")
    with gpunn.device("cuda:1"):
        found = layers(*there)
    x, w, _ = there  # and plans alone, row-major input among them, while device 0 is CuPy's current one
    y = ops.conv2d(x, w, padding=1)
    pairs = [*zip(found, want, strict=True), (y, ops.conv2d(*given("cuda:0")[:2], padding=1))]
    for a, b in pairs:
        assert a.device.id == 1 and to_numpy(a).tobytes() == to_numpy(b).tobytes()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", models.names("classification"))
def test_a_step_of_every_model_is_the_cpus(name):
    """By its losses: gradients of deep networks differ between machines where a ReLU flips."""
    channels, height, _width = models.input_shape(name)
    side = next((s for s in (64, 96) if s < height and models.takes_size(name, s)), height)
    x, labels = normal(2, channels, side, side), np.arange(2)
    losses = {}
    for device in ("cpu", "cuda"):
        gpunn.manual_seed(0)
        model = models.create(name).to(device)
        sgd = optim.SGD(model.parameters(), 0.001, momentum=0.9)
        losses[device] = []
        for step in range(2):
            gpunn.manual_seed(step)  # dropout draws from the global stream
            sgd.zero_grad()
            loss = ops.cross_entropy(model(to_device(x, device)), to_device(labels, device))
            loss.backward()
            sgd.step()
            losses[device].append(loss.item())
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3, abs=1e-4)
