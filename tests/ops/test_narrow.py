"""float16 and bfloat16 on the cpu: what float32 computes of the same numbers, rounded once, forward and backward."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from tests.ops.test_devices import SMALL
from tests.ops.test_raw_arrays import CALLS, LABELS, NO_GRADIENT, X
from tests.parity import normal

ml_dtypes = pytest.importorskip("ml_dtypes")
TYPES = ("float16", "bfloat16")
CHAINS = {"multi_head_attention_forward"}  # of several ops, each of which rounds
ROWS = {
    **{name: row for name, row in CALLS.items() if name not in CHAINS},
    **{f"{name}, small": row for name, row in SMALL.items()},
}


WIDE = ("lstm", "lstm_cell")  # cells, which are added to step by step, are float32


def is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def given(name: str, dtype: Any, wanted: Any = None) -> list[Any]:
    """A call's arguments with floats that `dtype` can hold, in the type `wanted`."""
    return [a.astype(dtype).astype(wanted or dtype) if is_float(a) else a for a in ROWS[name][1:]]


def is_narrow(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.name in TYPES


def assert_rounded(got: np.ndarray, want: np.ndarray, dtype: np.dtype, scale: float = 0.0) -> None:
    """`got` of the type, and from float32's by less than a unit in the last place of the numbers, or of `scale`."""
    assert got.dtype == dtype and got.shape == want.shape
    got, want = got.astype(np.float64), want.astype(np.float64)
    info = ml_dtypes.finfo(dtype)
    size = np.maximum(np.maximum(np.abs(want), scale), float(info.smallest_normal))
    np.testing.assert_array_less(np.abs(got - want), float(info.eps) * size)


def values(name: str, arguments: list[Any], gy: np.ndarray, device: str = "cpu") -> list[np.ndarray]:
    """A call's result and, from as much of gy as it takes, the gradients of its floats."""
    moved = [gpunn.to_device(a, device) if isinstance(a, np.ndarray) else a for a in arguments]
    inputs = [Tensor(a, True) if is_float(row) else a for a, row in zip(moved, ROWS[name][1:], strict=True)]
    y = ROWS[name][0](*inputs)
    if y.requires_grad:
        y.backward(gpunn.to_device(np.resize(gy, y.shape).astype(y.dtype), device))
    gradients = [x.gradient for x in inputs if isinstance(x, Tensor) and x.gradient is not None]
    result, *others = [gpunn.to_numpy(a) for a in (y.array, *gradients)]
    if name in WIDE:
        assert result.dtype == np.float32
        result = result.astype(arguments[0].dtype)
    return [result, *others]


def assert_all_rounded(got: list[np.ndarray], want: list[np.ndarray], dtype: np.dtype, first: int = 1) -> None:
    """Values in their own last place; from the `first` on, gradients, beside the largest: they read the rounded y."""
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        if b.dtype.kind not in "fV":
            np.testing.assert_array_equal(a, b)
        else:
            assert_rounded(a, b, dtype, scale=max(np.abs(b.astype("f")).max(initial=0), LARGEST) if i >= first else 0)


GY = normal(500, seed=5).astype(np.float16).astype(ml_dtypes.bfloat16)
LARGEST = float(np.abs(GY.astype("f")).max())


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("name", ROWS)
def test_every_op_is_that_of_float32_rounded(name, type_name):
    dtype = np.dtype(type_name)
    narrow = given(name, dtype)
    found = values(name, narrow, GY)
    assert_all_rounded(found, values(name, given(name, dtype, np.float32), GY), dtype)
    y = ROWS[name][0](*narrow)
    assert name in WIDE or y.dtype == found[0].dtype
    np.testing.assert_array_equal(y.astype(found[0].dtype), found[0])
    # Strides change no bit.
    strided = [np.repeat(a, 2, axis=0)[::2] if is_narrow(a) and a.ndim else a for a in narrow]
    np.testing.assert_array_equal(ROWS[name][0](*strided), y)


@pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of emulated kernels: in CI")
@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("name", [name for name in CALLS if name not in CHAINS])
def test_the_emulator_has_the_same_numbers(name, type_name):
    if not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    arguments, dtype = given(name, type_name), np.dtype(type_name)
    # It stores what lies between two kernels, as the convolution's output before its pooling.
    assert_all_rounded(values(name, arguments, GY, "emulator"), values(name, arguments, GY), dtype, first=0)


def of_nothing(name: str, dtype: Any) -> Any:
    """What a call with no sample gives: the shapes of its value and gradients, or which error."""
    function, arguments = ROWS[name][0], given(name, dtype)
    first = next(a for a in arguments if isinstance(a, np.ndarray))
    empty = [
        a[:0] if isinstance(a, np.ndarray) and (a.shape == first.shape or not (is_float(a) or is_narrow(a))) else a
        for a in arguments
    ]
    try:
        inputs = [Tensor(a, requires_grad=True) if is_float(a) or is_narrow(a) else a for a in empty]
        y = function(*inputs)
        if y.requires_grad:
            y.backward(np.ones(y.shape))
    except (IndexError, ValueError) as error:
        return type(error)
    return [y.shape, *[x.gradient.shape for x in inputs if isinstance(x, Tensor) and x.gradient is not None]]


@pytest.mark.parametrize("type_name", TYPES)
def test_no_samples_are_as_in_float32(type_name):
    for name in CALLS.keys() - CHAINS:
        assert of_nothing(name, np.dtype(type_name)) == of_nothing(name, np.dtype(np.float32)), name


@pytest.mark.parametrize("type_name", TYPES)
def test_long_sums_do_not_stop_or_overflow_on_the_way(type_name):
    dtype, count = np.dtype(type_name), 70_000
    x = Tensor(np.ones(count, dtype), requires_grad=True)
    assert float(ops.mean(x)) == 1 and float(ops.sum(x[:40_000])) == np.float32(40_000).astype(dtype)
    assert float(ops.mse_loss(x * 200, x * 2)) == np.float32(198**2).astype(dtype)
    assert float(ops.logsumexp(x * 0)) == np.log(np.float32(count)).astype(dtype)
    scores, labels = Tensor(np.zeros((count, 2), dtype), requires_grad=True), np.zeros(count, int)
    loss = ops.cross_entropy(scores, labels)
    assert float(loss) == np.log(np.float32(2)).astype(dtype)
    loss.backward()
    assert (scores.gradient[:, 1] == np.float32(0.5 / count).astype(dtype)).all()
    repeated = Tensor(np.ones((), dtype), requires_grad=True)
    (x * repeated).mean().backward(np.ones((), dtype))
    assert float(repeated.gradient) == pytest.approx(1, rel=float(ml_dtypes.finfo(dtype).eps))
    bias = Tensor(np.zeros(2, dtype), requires_grad=True)
    ops.linear(np.ones((count, 1), dtype), np.ones((2, 1), dtype), bias).backward(np.full((count, 2), 0.5))
    assert (bias.gradient == np.float32(count / 2).astype(dtype)).all()


W = np.abs(normal(4, seed=2)) + 0.5
OPTIONS = {
    "weights and smoothing": lambda x, w: ops.cross_entropy(x, LABELS, w.array, label_smoothing=0.3),
    "an ignored label": lambda x, w: ops.cross_entropy(x, LABELS, w.array, ignore_index=3),
    "probabilities": lambda x, w: ops.cross_entropy(x, np.full(x.shape, 0.25, x.dtype), w.array, label_smoothing=0.1),
    "a loss a row": lambda x, w: ops.nll_loss(x, LABELS, w.array, reduction="none"),
    "their sum": lambda x, w: ops.nll_loss(x, LABELS, w.array, reduction="sum"),
    "weights of bits": lambda x, w: ops.binary_cross_entropy_with_logits(
        x, np.ones(x.shape, x.dtype), w.array, pos_weight=w.array
    ),
    "a power": lambda x, w: ops.pow(ops.abs(x), w),
    "a quotient": ops.div,
    "a product": ops.mul,
    "the larger": ops.maximum,
    "a vector": ops.matmul,
    "gamma and beta": lambda x, w: ops.batch_norm(x, None, None, w, w.array, training=True),
    "an index that repeats": lambda x, w: x[:, [0, 0, 1]],
    "many rows of one": lambda x, w: ops.broadcast_to(w, (5000, 4)),
}


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("name", OPTIONS)
def test_options_and_broadcasts(name, type_name):
    dtype, found = np.dtype(type_name), []
    for wanted in (dtype, np.float32):
        x, w = (Tensor(a.astype(dtype).astype(wanted), requires_grad=True) for a in (X[:, :, 0, 0], W))
        y = OPTIONS[name](x, w)
        y.backward(normal(*y.shape, seed=3).astype(dtype).astype(wanted))
        found.append([y.array, *[t.gradient for t in (x, w) if t.gradient is not None]])
    for got, want in zip(*found, strict=True):
        assert_rounded(got, want, dtype, scale=np.abs(want).max())


def test_numbers_that_16_bits_cannot_hold_are_infinite_and_no_warning():
    x = np.full(2, 60000.0, np.float16)
    assert np.isinf(ops.add(x, x)).all() and np.isinf(ops.mul(x, 1e6)).all() and np.isinf(ops.sum(x))
    assert ops.clip(x, -1e6, 1e6).tolist() == x.tolist()
    assert ops.add(x, np.ones(2, np.float32)).dtype == np.float32


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("norm", [ops.batch_norm, ops.instance_norm])
def test_running_statistics_of_16_bits_move(norm, type_name):
    x, options = normal(3, 4, 5), {"training": True} if norm is ops.batch_norm else {}
    mean, var = np.zeros(4, type_name), np.ones(4, type_name)
    norm(x.astype(type_name), mean, var, **options)
    wide = np.zeros(4, np.float32), np.ones(4, np.float32)
    norm(x.astype(type_name).astype(np.float32), *wide, **options)
    for got, want in zip((mean, var), wide, strict=True):
        assert_rounded(got, want, np.dtype(type_name), scale=1)


@pytest.mark.parametrize("type_name", TYPES)
def test_nan_travels_in_silence(type_name):
    """ml_dtypes' own comparisons and products would warn."""
    for name, (function, *arguments) in CALLS.items():
        inputs = [Tensor(np.full_like(a, np.nan).astype(type_name), True) if is_float(a) else a for a in arguments]
        if name == "binary_cross_entropy":
            with pytest.raises(ValueError, match="numbers outside 0 to 1"):
                function(*inputs)
            continue
        y = function(*inputs)
        if y.requires_grad:
            y.backward(np.ones(y.shape))
        known = {"nan_to_num", "sign", "nansum"}  # which make a number of nan
        assert name in NO_GRADIENT | known or np.isnan(y.numpy().astype(np.float32)).any()
