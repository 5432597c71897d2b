"""Batch norm's kernels: one launch that does what two do, what a ReLU let through, and when which of them runs."""

import os

import ml_dtypes
import numpy as np
import pytest

from gpunn import backend
from gpunn.cuda import batch_norm, variants
from gpunn.cuda.batch_norm_variants import BACKWARD, TRAIN_FORWARD
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.problem import Norm
from gpunn.cuda.variants import tracing, use_variant

pytestmark = pytest.mark.skipif(not backend.is_available("emulator"), reason="no C++ compiler for the emulator")
in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="more types, each to be compiled: in CI")
EPS = 1e-5


def ci_only(dtype):
    return pytest.param(dtype, marks=in_ci)


def given(rng, shape, dtype="float32", last=True):
    """An image of normal numbers on the emulator, in channels-last memory or in logical order."""
    a = rng.standard_normal(shape).astype(dtype)
    a = np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if last else a
    return backend.to_device(a, "emulator")


def each(rng, channels):
    return backend.to_device(rng.standard_normal(channels).astype(np.float32), "emulator")


def same(one, other):
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("last", [True, False], ids=["channels-last", "row-major"])
@pytest.mark.parametrize("dtype", ["float32", ci_only("float16")])
def test_one_launch_gives_the_bits_of_two(dtype, last):
    rng = np.random.default_rng(0)
    x, gy, extra = (given(rng, (6, 8, 16, 24), dtype, last) for _ in range(3))
    gamma, beta = each(rng, 8), each(rng, 8)
    found = []
    for variant in ("together", "split"):
        with use_variant("batch_norm.train_forward", variant), use_variant("batch_norm.backward", variant):
            running = each(np.random.default_rng(1), 8), each(np.random.default_rng(2), 8), 0.1, None
            forward = batch_norm.train_forward(x, gamma, beta, EPS, extra, True, running)
            told = *forward[1:], True, True, beta
            found.append((*forward, *running[:2], *batch_norm.train_backward(gy, x, gamma, *told)))
    assert same(*found)


@pytest.mark.parametrize("variant", ["together", "split", "naive"])
@pytest.mark.parametrize("dtype", [*map(ci_only, ("float32", ml_dtypes.bfloat16)), "float16"])
def test_x_tells_again_what_a_relu_let_through(dtype, variant):
    """Also where y is so small that its type has no number for it: 2^-25 in float16, 2^-134 in bfloat16."""
    rng = np.random.default_rng(0)
    x, gy, beta = given(rng, (5, 16, 3, 7), dtype), given(rng, (5, 16, 3, 7), dtype), each(rng, 16)
    least = {"float16": 2.0**-25, "bfloat16": 2.0**-134}.get(x.dtype.name, 1.0)
    beta, gamma = (backend.to_device(np.asarray(a) * np.float32(least), "emulator") for a in (beta, each(rng, 16)))
    y, mean, rstd, passed = batch_norm.train_forward(x, gamma, beta, EPS, None, True)
    assert passed is None and 0.1 < np.mean(np.asarray(y, np.float32) > 0) < 0.9
    with use_variant("batch_norm.backward", variant):
        anew = batch_norm.train_backward(gy, x, gamma, mean, rstd, None, True, True, beta)
        assert same(anew, batch_norm.train_backward(gy, x, gamma, mean, rstd, y))


@pytest.mark.parametrize("variant", ["together", "split"])
@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("float32", 40), ("float16", 8), *[pytest.param(t, 264, marks=in_ci) for t in ("float32", "float64", "float16")]],
)
def test_signs_are_a_bit_an_element_in_memory_order(dtype, channels, variant):
    rng = np.random.default_rng(0)
    x, extra, gy = (given(rng, (3, channels, 5, 5), dtype) for _ in range(3))
    with use_variant("batch_norm.train_forward", variant), use_variant("batch_norm.backward", variant):
        y, mean, rstd, signs = batch_norm.train_forward(x, None, None, EPS, extra, True)
        wanted = np.packbits(np.moveaxis(np.asarray(y), 1, -1).ravel() > 0, bitorder="little")
        assert np.array_equal(np.asarray(signs), wanted)
        made = batch_norm.train_backward(gy, x, None, mean, rstd, signs)
        assert same(made, batch_norm.train_backward(gy, x, None, mean, rstd, y))


@pytest.mark.parametrize(("channels", "last"), [(6, True), (8, False)])
def test_where_bits_do_not_fit_y_tells(channels, last):
    rng = np.random.default_rng(0)
    x, extra = (given(rng, (3, channels, 4, 4), last=last) for _ in range(2))
    y, *_, passed = batch_norm.train_forward(x, None, None, EPS, extra, True)
    assert passed is y


def job(shape, **more):
    n, c, *plane = shape
    return Norm(**({"dtype": "float32", "aligned": True, "N": n, "C": c, "L": int(np.prod(plane)), "nhwc": True,
                    "eps": EPS, "relu": 1, "training": 1} | more))  # fmt: skip


@pytest.mark.parametrize("operation", [TRAIN_FORWARD, BACKWARD], ids=lambda operation: operation.name)
def test_one_launch_where_x_stays_in_the_cache_and_the_device_holds_its_blocks(operation, monkeypatch):
    small, large = job((64, 64, 28, 28)), job((64, 256, 56, 56))
    monkeypatch.setattr(variants, "multiprocessors", lambda device: 132)
    assert operation.choose(small, EMULATOR)[0].name == "together"
    (launch,) = operation.named("together").plan(small)
    assert launch.cooperative and np.prod(launch.grid) <= 396
    assert launch.grid == operation.named("split").plan(small)[0].grid  # and so the order of sums
    variant, why = operation.choose(large, EMULATOR)
    assert variant.name == "split" and "is over 30 MiB and leaves the L2 cache in between" in why
    variant, why = operation.choose(job((8, 600, 7, 7), nhwc=False), EMULATOR)
    assert variant.name == "split" and "its blocks, which wait for each other, are for 200 multiprocessors" in why
    monkeypatch.setattr(variants, "multiprocessors", lambda device: 20)
    variant, why = operation.choose(small, EMULATOR)
    assert variant.name == "split"
    assert "its blocks wait for each other on 132 multiprocessors, this device has 20" in why
    told = r"does not take this call: its blocks wait for each other"
    with use_variant(operation.name, "together"), pytest.raises(ValueError, match=told):
        operation.choose(small, EMULATOR)


def test_a_large_batch_runs_in_two_launches_on_the_emulator():
    rng = np.random.default_rng(0)
    x = given(rng, (40, 8, 32, 32))
    with tracing() as calls:
        batch_norm.train_forward(x, None, None, EPS)
    (call,) = calls
    assert call.variant == "split" and "this device has 21" in call.why
