"""gpunn.precision: which ops take 16 bits and which float32, the same numbers on every device, and where it holds."""

from __future__ import annotations

import threading

import ml_dtypes
import numpy as np
import pytest

import gpunn
from gpunn import Tensor, asked, nn, ops
from gpunn.cpu.narrow import tf32
from gpunn.errors import DeviceError
from tests.ops.test_raw_arrays import CALLS, NO_GRADIENT
from tests.thinned import one_in

TYPES = {"bf16": np.dtype(ml_dtypes.bfloat16), "fp16": np.dtype(np.float16)}
ERRORS = {"bf16": 2.0**-8, "fp16": 2.0**-11, "tf32": 2.0**-11}  # of one rounding
PRODUCTS = {"linear", "matmul", "conv1d", "conv2d", "conv3d"} | {
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "rnn", "gru", "rnn_cell", "gru_cell",
    "mm", "bmm", "mv", "dot", "addmm", "addmv", "baddbmm", "tensordot", "einsum", "bilinear",
    "scaled_dot_product_attention", "affine_grid",
}  # fmt: skip
IN_FLOAT32 = {"sum", "mean", "var", "logsumexp", "softmax", "log_softmax", "cross_entropy", "nll_loss", "mse_loss"} | {
    "lstm", "lstm_cell",  # whose cells are what CALLS takes of them
    "l1_loss", "binary_cross_entropy_with_logits", "group_norm", "layer_norm", "rms_norm", "instance_norm", "prod",
    "vector_norm", "norm", "std", "nansum", "nanmean", "std_mean", "var_mean", "trace",
}  # fmt: skip
IN_FLOAT32 |= {name for name in CALLS if name.endswith("_loss")} | {"softmin", "kl_div", "binary_cross_entropy"}


def tensors(arguments, dtype):
    """The float arrays among the arguments as Tensors of this dtype that require gradients."""
    return [
        Tensor(a.astype(dtype), requires_grad=True) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in arguments
    ]


@pytest.mark.parametrize("precision", TYPES)
@pytest.mark.parametrize("name", sorted(set(CALLS) - {"multi_head_attention_forward"}))  # several products in a row
def test_every_op_takes_and_gives_the_type_that_the_precision_says(name, precision):
    function, *arguments = CALLS[name]
    given = [a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arguments]
    wanted = np.asarray(function(*given), np.float64)
    with gpunn.precision(precision):
        wide, narrow = function(*tensors(given, np.float32)), function(*(inputs := tensors(given, TYPES[precision])))
        if name not in NO_GRADIENT:
            y = narrow.sum() if narrow.size > 1 else narrow
            y.backward()
    if name in NO_GRADIENT:
        return
    is_product = name.split(",")[0] in PRODUCTS
    assert wide.dtype == (TYPES[precision] if is_product else np.float32)
    assert narrow.dtype == (np.float32 if name.split(" of ")[0] in IN_FLOAT32 else TYPES[precision])
    close = dict(rtol=8 * ERRORS[precision], atol=8 * ERRORS[precision] * np.abs(wanted).max())
    np.testing.assert_allclose(np.asarray(wide.array, np.float64), wanted, **close)
    jump = name.split()[0] in {"floor", "ceil", "trunc", "frac", "round", "sign", "remainder", "fmod", "div,", "median"}
    jump |= name in ("maximum", "minimum", "abs", "clip", "where", "max", "min")  # at whose kinks a rounding may
    if not jump:
        np.testing.assert_allclose(np.asarray(narrow.array, np.float64), wanted, rtol=0.1, atol=close["atol"])
    for x in inputs:
        if isinstance(x, Tensor):
            assert x.gradient is None or x.gradient.dtype == x.dtype


@pytest.mark.parametrize("precision", TYPES)
def test_parameters_and_their_gradients_stay_float32_and_activations_are_narrow(precision):
    layer, x = nn.Linear(3, 2), Tensor(np.ones((4, 3), np.float32), requires_grad=True)
    arrived = []
    with gpunn.precision(precision):
        y = ops.relu(layer(x))
        y.register_hook(lambda gy: arrived.append(gy.dtype))
        ops.mse_loss(y, np.zeros((4, 2), np.float32)).backward()
    assert y.dtype == TYPES[precision] and arrived == [TYPES[precision]]
    assert {p.gradient.dtype.name for p in layer.parameters()} == {"float32"} and x.gradient.dtype == np.float32
    assert {a.dtype.name for a in layer.state_dict().values()} == {"float32"}


def test_float64_stays_float64():
    x = np.ones((2, 3))
    for name in asked.PRECISIONS:
        with gpunn.precision(name):
            assert ops.linear(x, x).dtype == np.float64


def test_what_is_too_large_for_fp16_is_infinite_and_no_warning():
    x = np.full((1, 2), 60000.0, np.float32)
    with gpunn.precision("fp16"):
        assert np.isinf(ops.linear(x * 2, x).astype(np.float32)).all()
        assert np.isinf(ops.linear(x, np.full((1, 2), 2.0, np.float32)).astype(np.float32)).all()


def test_tf32_rounds_ties_away_and_keeps_infinities_and_nan():
    half = 2.0**-11  # of the last place of a number from 1 to 2
    cases = {
        1 + half: 1 + 2 * half,
        -1 - half: -1 - 2 * half,
        1 + half * (1 - 2**-12): 1.0,
        1 + 3 * half: 1 + 4 * half,
        2 - half / 2: 2.0,
        np.inf: np.inf,
        -np.inf: -np.inf,
        3.4028235e38: np.inf,
        -0.0: -0.0,
        1e-45: 0.0,
    }
    got = tf32(np.array(list(cases), np.float32))
    np.testing.assert_array_equal(got, np.array(list(cases.values()), np.float32))
    assert np.signbit(got[8])
    nans = np.array([0x7FFFFFFF, 0x7F800001, 0xFFC00000, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(tf32(nans)).all()
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T + np.float32(2**-13)
    assert tf32(turned).tolist() == [[0.0001220703125, 3], [1, 4], [2, 5]] and turned[1, 0] != 1
    assert tf32(np.broadcast_to(np.float32(1 + half), (2, 2))).tolist() == [[1 + 2 * half] * 2] * 2


@pytest.mark.parametrize("op", ["linear", "matmul", "conv2d"])
def test_tf32_is_the_product_of_rounded_operands_both_ways(op):
    rng = np.random.default_rng(0)
    shapes = {"linear": ((5, 7), (3, 7)), "matmul": ((5, 7), (7, 3)), "conv2d": ((2, 3, 6, 6), (4, 3, 3, 3))}[op]
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    x, w = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    with gpunn.precision("tf32"):
        y = getattr(ops, op)(x, w)
        gy = rng.standard_normal(y.shape).astype(np.float32)
        y.backward(gy)
    u, v = Tensor(tf32(a), requires_grad=True), Tensor(tf32(b), requires_grad=True)
    z = getattr(ops, op)(u, v)
    z.backward(tf32(gy))
    for got, want in ((y.array, z.array), (x.gradient, u.gradient), (w.gradient, v.gradient)):
        np.testing.assert_array_equal(got, want)
    assert np.abs(y.array - getattr(ops, op)(a, b)).max() > 1e-5


@pytest.mark.parametrize("precision", one_in(4, asked.PRECISIONS))
def test_the_cpu_has_the_emulators_numbers(precision):
    if not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((4, 3, 8, 8)).astype(np.float32), np.array([0, 1, 2, 4])
    found = {}
    for device in ("cpu", "emulator"):
        gpunn.manual_seed(1)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5),
        ).to(device)  # fmt: skip
        with gpunn.precision(precision):
            y = net(gpunn.to_device(x, device))
            ops.cross_entropy(y, gpunn.to_device(labels, device)).backward()
        arrays = [y.array, *[p.gradient for p in net.parameters()], *net.buffers()]
        found[device] = [gpunn.to_numpy(a) for a in arrays]
    for mine, theirs in zip(found["cpu"], found["emulator"], strict=True):
        assert mine.dtype == theirs.dtype
        # The emulator stands for sm_75, whose kernels have no TF32: they are more exact.
        error = ERRORS[precision] if precision != "fp32" else 1e-6
        scale = max(1e-3, float(np.abs(mine.astype(np.float64)).max()))
        np.testing.assert_allclose(mine.astype(np.float64), theirs.astype(np.float64), rtol=0, atol=4 * error * scale)


def test_names_and_their_errors():
    for ask in (gpunn.precision, gpunn.set_default_precision):
        with pytest.raises(ValueError, match=r"precision: got 'bf61'; expected one of fp32, tf32, bf16, fp16; did you"):
            ask("bf61")
    with pytest.raises(ValueError, match="precision: got 16; expected one of"):
        gpunn.precision(16)


def test_bf16_without_ml_dtypes_names_the_remedy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    asked.dtype_of.cache_clear()
    with pytest.raises(DeviceError, match=r"precision: bf16 needs .* `pip install ml_dtypes`, or use fp16"):
        gpunn.precision("bf16")
    assert gpunn.precision("fp16")


def test_the_default_holds_in_all_threads_where_no_block_says_another():
    seen = []

    def look():
        seen.append(gpunn.current_precision())
        with gpunn.use_variant("conv2d.forward", "naive"):  # what else is asked for leaves it as it is
            seen.append(gpunn.current_precision())
        seen.append(gpunn.current_precision())

    with gpunn.precision("tf32"):  # leaves nothing behind in this thread either
        pass
    gpunn.set_default_precision("bf16")
    try:
        look()
        with gpunn.precision("fp32"):
            assert gpunn.current_precision() == "fp32" and asked.narrow() is None
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
        assert seen == ["bf16"] * 6
        gpunn.set_default_precision("tf32")
        assert gpunn.current_precision() == "tf32"
    finally:
        gpunn.set_default_precision("fp32")
    assert gpunn.current_precision() == "fp32" and asked.asked() == ()
