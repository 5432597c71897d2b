"""Rates of the kernels on this GPU: python tests/gpu/speed.py. Medians of 20 runs by events, L2 cleared before each."""

import statistics

from gpunn.backend import require_cupy
from gpunn.cuda import batchnorm, conv2d, pool2d
from gpunn.cuda.variants import use_variant
from gpunn.window import Window

BATCH = 64
LAYERS = ((64, 56), (128, 28), (256, 14), (512, 7))  # ResNet-50's 3x3 layers: channels, size
WIN = Window.of((3, 3), 1, 1)


def milliseconds(cupy, call):
    """Median time of one call."""
    flush = cupy.empty(64 << 20, cupy.float32)
    call()
    times = []
    for _ in range(20):
        flush.fill(0)
        start, stop = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        call()
        stop.record()
        stop.synchronize()
        times.append(cupy.cuda.get_elapsed_time(start, stop))
    return statistics.median(times)


def channels_last(cupy, n, c, size):
    return cupy.random.standard_normal((n, size, size, c), dtype=cupy.float32).transpose(0, 3, 1, 2)


def convolutions(cupy):
    for channels, size in LAYERS:
        x, gy = channels_last(cupy, BATCH, channels, size), channels_last(cupy, BATCH, channels, size)
        w = cupy.random.standard_normal((channels, channels, 3, 3), dtype=cupy.float32)
        calls = {
            "forward": lambda x=x, w=w: conv2d.forward(x, w, None, WIN, 1),
            "grad_input": lambda x=x, w=w, gy=gy: conv2d.grad_input(gy, w, x.shape, WIN, 1),
            "grad_weight": lambda x=x, w=w, gy=gy: conv2d.grad_weight(gy, x, w.shape, WIN, 1),
        }
        flop = 2 * BATCH * size * size * channels * channels * 9
        for name, call in calls.items():
            for variant in ("tiled128", "tiled64"):
                with use_variant(f"conv2d.{name}", variant):
                    ms = milliseconds(cupy, call)
                rate = f"{ms:.3f} ms, {flop / ms / 1e9:.1f} TFLOP/s"
                print(f"conv2d.{name:<12} {variant:<9} C{channels} {size}x{size}: {rate}")


def memory_bound(cupy):
    x = channels_last(cupy, BATCH, 64, 112)
    size, copy = x.nbytes, cupy.empty_like(x)
    ms = milliseconds(cupy, lambda: cupy.copyto(copy, x))
    peak = 2 * size / ms / 1e6
    print(f"copy: {peak:.0f} GB/s")
    pool = Window.of((3, 3), 2, 1)
    y, index = pool2d.max_forward(x, pool, False)
    normal, mean, var = batchnorm.train_forward(x, None, None, 1e-5, None, True)
    rows = {
        "max_forward": (lambda: pool2d.max_forward(x, pool, False), size + y.nbytes + index.nbytes),
        "max_backward": (lambda: pool2d.max_backward(y, index, x.shape, pool), size + y.nbytes + index.nbytes),
        "batchnorm train": (lambda: batchnorm.train_forward(x, None, None, 1e-5, None, True), 3 * size),
        "batchnorm eval": (lambda: batchnorm.eval_forward(x, None, None, mean, var, 1e-5, None, True), 2 * size),
        "batchnorm backward": (lambda: batchnorm.train_backward(x, x, None, mean, var, 1e-5, normal), 8 * size),
    }
    for name, (call, moved) in rows.items():
        ms = milliseconds(cupy, call)
        print(f"{name}: {ms:.3f} ms, {moved / ms / 1e6:.0f} GB/s, {100 * moved / ms / 1e6 / peak:.0f} % of copy")


if __name__ == "__main__":
    module = require_cupy()
    print(module.cuda.runtime.getDeviceProperties(0)["name"].decode())
    convolutions(module)
    memory_bound(module)
