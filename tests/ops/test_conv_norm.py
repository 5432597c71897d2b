"""A convolution that gives batch norm its statistics: the numbers of the two ops, on every device, and who runs it."""

import os
from dataclasses import replace

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, emulator, gradcheck, ops, verify
from gpunn.cuda import conv_norm, conv_norm_variants, variants
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.variants import OPERATIONS, tracing, use_variant
from gpunn.ops.conv_norm import conv2d_batch_norm
from gpunn.reference.close import assert_close
from gpunn.verify.run import Row, check_variant

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="a minute of compiling tiles: in CI")
emulated = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="no emulator here (gpunn doctor says why)")
NAME = "conv_norm.train_forward"
OPTIONS = (2, 1, 1, 2)  # stride, padding, dilation, groups
WAYS = [(True, True, 0.1), (True, False, None), (False, True, 0.1), (False, False, 0.1)]  # relu, residual, momentum


def given(dtype=np.float32, n=2):
    """x, weight, bias, gamma, beta, residual."""
    rng, shapes = np.random.default_rng(0), ((n, 16, 7, 6), (16, 8, 3, 3), (16,), (16,), (16,), (n, 16, 4, 3))
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def together(x, w, b, gamma, beta, r, running, momentum, relu):
    return conv2d_batch_norm(x, w, b, OPTIONS, running, gamma, beta, momentum, 1e-5, r, relu)


def apart(x, w, b, gamma, beta, r, running, momentum, relu):
    z, (mean, var, batches) = ops.conv2d(x, w, b, *OPTIONS), running
    if relu:
        return ops.batch_norm_relu(z, mean, var, gamma, beta, True, momentum, 1e-5, r, batches)
    y = ops.batch_norm(z, mean, var, gamma, beta, True, momentum, 1e-5, batches)
    return y if r is None else y + r


def results(function, device, relu, residual, momentum, dtype=np.float32):
    """y, every gradient, and the statistics after two batches."""
    tensors = [Tensor(gpunn.to_device(a, device), requires_grad=True) for a in given(dtype)]
    starts = np.zeros(16, dtype), np.ones(16, dtype), np.asarray(0)
    running, r = tuple(gpunn.to_device(a, device) for a in starts), tensors[-1] if residual else None
    for _ in range(2):
        y = function(*tensors[:-1], r, running, momentum, relu)
    y.backward(gpunn.to_device(np.random.default_rng(1).standard_normal(y.shape).astype(dtype), device))
    found = [y.array, *(t.gradient for t in tensors[: 5 + residual]), *running]
    return [gpunn.to_numpy(a) for a in found]


@pytest.mark.parametrize("relu, residual, momentum", WAYS)
def test_the_cpu_gives_the_bits_of_the_two_ops(relu, residual, momentum):
    for a, b in zip(*(results(f, "cpu", relu, residual, momentum) for f in (together, apart)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("relu, residual", [(True, True), (False, False)])
def test_gradients_against_differences(relu, residual):
    arrays = given(np.float64)[: 5 + residual]
    rest = () if residual else (None,)
    assert gradcheck(lambda *a: together(*a, *rest, (None, None, None), 0.1, relu), arrays)


@emulated
def test_it_runs_apart_where_there_are_no_tensor_cores_and_says_so():
    with tracing() as calls:
        got = results(together, "emulator", True, True, 0.1)
    assert [call.variant for call in calls[:2]] == ["apart", calls[1].variant] and calls[0].operation == NAME
    assert f"conv2d.forward takes {calls[1].variant}, which gives batch norm nothing" in calls[0].why
    assert "3xtf32_64x64: needs sm_80, this device is sm_75" in calls[0].why
    assert [call.operation for call in calls[1:3]] == ["conv2d.forward", "batch_norm.train_forward"]
    for a, b in zip(got, results(apart, "emulator", True, True, 0.1), strict=True):
        np.testing.assert_array_equal(a, b)


@emulated
def test_a_variant_asked_for_of_either_part_runs():
    with use_variant("conv2d.forward", "naive"), tracing() as calls:
        results(together, "emulator", True, False, 0.1)
    words = "conv2d.forward takes naive, which gives batch norm nothing; asked for by use_variant"
    assert calls[0].why == words and calls[1].variant == "naive"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"gamma": np.ones(3, np.float32)}, r"batch_norm_relu: weight is \(3,\), expected \(16,\)"),
        ({"residual": np.ones((2, 16, 4, 4), np.float32)}, "batch_norm_relu: residual"),
        ({"eps": -1.0}, "batch_norm_relu: eps is -1.0, expected at least 0"),
        ({"momentum": None}, "batch_norm_relu: momentum is None, expected a number"),
        ({"bias": np.ones(3, np.float32)}, r"conv2d_batch_norm: bias is \(3,\), expected \(16,\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_words_of_its_op(change, words):
    x, w, *_ = given()
    how = {"bias": None, "options": OPTIONS, "running": (None, None, None), "relu": True, **change}
    with pytest.raises((ValueError, TypeError), match=words):
        conv2d_batch_norm(x, w, **how)


def test_one_image_without_a_batch_is_the_ops_business():
    x, w, *_ = given()
    got = conv2d_batch_norm(x[0], w, None, OPTIONS, (None, None, None))
    np.testing.assert_array_equal(got, ops.batch_norm(ops.conv2d(x[0], w, None, *OPTIONS), None, None, training=True))


@pytest.fixture
def hopper(monkeypatch):
    """The emulator as sm_90, while nothing that was found out before is remembered."""
    kept = variants.capability, variants._lacking, conv_norm._fused, conv_norm._sloped
    monkeypatch.setenv("GPUNN_EMULATOR_ARCH", "90")
    for one in kept:
        one.cache_clear()
    yield
    for one in kept:
        one.cache_clear()


def test_tensor_cores_take_what_they_multiply(hopper):
    shapes = (128, 16, 32, 32), (16, 16, 3, 3), (128, 16, 32, 32)
    job = conv_norm_variants.ConvNorm("float32", True, *shapes, gpunn.Window.of(3, 1, 1), 1)
    chosen, _ = conv_norm._choice(conv_norm.TRAIN_FORWARD, job, EMULATOR, ())
    assert chosen is not None and chosen.name.startswith("3xtf32_") and "statistics in its epilogue" in chosen.takes
    first, second = chosen.plan(job)
    assert first.macros["MOMENTS"] == 1 and (first.kernel, second.kernel) == (chosen.sources[0], "batch_norm/apply")
    few = replace(job, x=(1, 512, 7, 7), w=(512, 512, 3, 3), y=(1, 512, 7, 7))
    chosen, why = conv_norm._choice(conv_norm.TRAIN_FORWARD, few, EMULATOR, ())
    assert chosen is None and "its tiles are split among blocks, for there are few" in why
    large = replace(job, win=gpunn.Window.of(3, 2, 1), y=(128, 16, 16, 16))
    chosen, why = conv_norm._choice(conv_norm.GRAD_INPUT, large, EMULATOR, ())
    assert chosen is None and "stride (2, 2) is not 1" in why


@in_ci
@emulated
@pytest.mark.usefixtures("hopper")
@pytest.mark.parametrize("relu, residual, momentum", WAYS[:2])
def test_fused_results_are_those_of_the_two_ops_but_for_rounding(relu, residual, momentum):
    with tracing() as calls:
        got = results(together, "emulator", relu, residual, momentum)
    assert {call.variant for call in calls if call.operation == NAME} == {"3xtf32_64x64"}
    for a, b in zip(got, results(apart, "cpu", relu, residual, momentum), strict=True):
        # A bias before a norm has no gradient but rounding.
        assert_close(a.astype(b.dtype), b, 400, "float32", scale=max(1.0, float(np.abs(b).max())))


@in_ci
@emulated
@pytest.mark.parametrize("name, dtype", [("3xtf32_64x64", "float32"), ("wgmma_bf16_64x64", "bfloat16")])
def test_moments_depend_on_no_order_of_blocks(name, dtype, monkeypatch):
    """Strict runs, of many tiles with parts that are merged few by few; gpunn verify merges up to 16 at once."""
    monkeypatch.setattr(conv_norm_variants, "FEWEST_JOINED", 2)
    row, variant = Row(NAME, name, dtype), OPERATIONS[NAME].named(name)
    for task in [task for task in verify.tasks("emulator", dtype) if task.operation == NAME][::2]:
        with emulator.strict():
            check_variant(task, variant, row, None)
    assert row.ran >= 4 and not row.failures, row


def two(x, w, v, change=lambda y: None, beside=False):
    """Gradients of x and both weights of two convolutions, each with a norm; the second reads the first one's y."""
    x, w, v = (Tensor(gpunn.to_device(a, "emulator"), requires_grad=True) for a in (x, w, v))
    options, running = (1, 1, 1, 1), (None, None, None)
    y = conv2d_batch_norm(x, w, None, options, running, relu=True)
    change(y)
    z = conv2d_batch_norm(y, v, None, options, running, residual=y if beside else None, relu=True)
    ops.sum(z * z * z).backward()
    return [gpunn.to_numpy(t.gradient) for t in (x, w, v)]


def watched(y):
    """Another gradient than that which the second convolution gives."""
    y.register_hook(lambda gradient: gradient * 2)


WAYS_ON = {  # what else becomes of y, and how many norms are given their sums
    "nothing": (lambda y: None, False, 1),
    "a residual": (lambda y: None, True, 0),
    "a hook": (watched, False, 0),
}


@in_ci
@emulated
@pytest.mark.usefixtures("hopper")
@pytest.mark.parametrize("way", WAYS_ON)
def test_the_second_convolution_gives_the_first_norm_its_sums_where_the_gradient_is_its_own(way):
    rng = np.random.default_rng(0)
    shapes = (2, 8, 6, 5), (8, 8, 3, 3), (8, 8, 3, 3)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    change, beside, count = WAYS_ON[way]
    with tracing() as calls:
        got = two(*arrays, change, beside)
    assert sum(call.operation == "batch_norm.apply_backward" for call in calls) == count
    with use_variant("batch_norm.backward", "split"):
        want = two(*arrays, change, beside)
    for a, b in zip(got, want, strict=True):
        assert_close(a, b, 400, "float32")
