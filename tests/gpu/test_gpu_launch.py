"""What only a CUDA device shows: errors of compilation and launch, synchronisation, training."""

import dataclasses

import numpy as np
import pytest

import gpunn
from gpunn import models, ops
from gpunn.backend import require_cupy, to_device, to_numpy
from gpunn.cuda import conv, kernel, source
from gpunn.cuda.variants import use_variant
from gpunn.errors import DeviceError
from gpunn.window import Window

pytestmark = pytest.mark.gpu
WIN = Window.of((3, 3), 1, 1)
KERNEL = (("ACC", "float"), ("T", "float"))


def test_a_kernel_that_does_not_compile_shows_its_own_line():
    cupy = require_cupy()
    good = source.read("reduce/sum_parts")
    broken = dataclasses.replace(good, text=good.text.replace("ACC sum = parts[i];", "ACC sum = part[i];"))
    with pytest.raises(DeviceError, match=r"reduce/sum_parts.cu\(\d+\): error"):
        kernel.Kernel(broken, KERNEL)((1,), (256,), cupy.ones((2, 5), "f4"), cupy.ones(5, "f4"), 5, 2)


def test_debug_mode_names_the_failing_kernel(monkeypatch):
    monkeypatch.setenv("GPUNN_DEBUG_SYNC", "1")
    x, w = (to_device(np.ones(s, np.float32), "cuda") for s in ((2, 8, 9, 9), (8, 8, 3, 3)))
    assert float(conv.forward(x, w, None, WIN, 1)[0, 0, 4, 4]) == 72


@pytest.mark.parametrize("variant", ["naive", "gather", "tiled64", "tiled128"])
@pytest.mark.parametrize("pass_", ["forward", "grad_input", "grad_weight"])
def test_results_have_the_same_bits_at_every_run(pass_, variant):
    rng = np.random.default_rng(3)
    shapes = ((4, 16, 19, 17), (32, 16, 3, 3), (4, 32, 19, 17))
    x, w, gy = (to_device(rng.standard_normal(s).astype(np.float32), "cuda") for s in shapes)
    call = {
        "forward": lambda: conv.forward(x, w, None, WIN, 1),
        "grad_input": lambda: conv.grad_input(gy, w, x.shape, WIN, 1),
        "grad_weight": lambda: conv.grad_weight(gy, x, w.shape, WIN, 1)[0],
    }[pass_]
    with use_variant(f"conv2d.{pass_}", variant):
        assert to_numpy(call()).tobytes() == to_numpy(call()).tobytes()


@pytest.mark.parametrize("name, shape", [("lenet5", (5, 1, 28, 28)), ("resnet20", (4, 3, 32, 32))])
def test_a_network_has_the_same_gradients_on_cpu_and_cuda(name, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = {}
    for device in ("cpu", "cuda"):
        gpunn.manual_seed(0)
        model = models.create(name).to(device)
        loss = ops.cross_entropy(model(to_device(x, device)), to_device(np.arange(shape[0]) % 10, device))
        loss.backward()
        found[device] = {key: to_numpy(p.gradient) for key, p in model.named_parameters()}
    for key, want in found["cpu"].items():
        assert np.abs(found["cuda"][key] - want).max() <= 1e-3 * max(np.abs(want).max(), 1e-3), key


def test_images_past_2_gib_are_indexed_in_64_bits():
    cupy = require_cupy()
    free, _ = cupy.cuda.runtime.memGetInfo()
    if free < 24 << 30:
        pytest.skip(f"needs 24 GiB of free memory, this device has {free >> 30}")
    x = cupy.zeros((2200, 1024, 1024, 1), cupy.float32).transpose(0, 3, 1, 2)
    x[-1] = 1
    w = cupy.ones((1, 1, 1, 1), cupy.float32)
    with use_variant("conv2d.forward", "naive"):
        y = conv.forward(x, w, None, Window.of((1, 1)), 1)
    assert float(y[-1].min()) == 1 and float(y[-2].max()) == 0
