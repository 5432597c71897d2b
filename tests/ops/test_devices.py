"""Every op on every device that is here: equal numbers, and results and gradients that stay on the device."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from gpunn.reference.close import assert_close
from tests.ops.test_raw_arrays import CALLS, LABELS, W4, X, seeded_dropout
from tests.parity import normal


def moved(a, device):
    if not isinstance(a, np.ndarray):
        return a
    return gpunn.to_device(a.astype(np.float32) if a.dtype == np.float64 else a, device)


def tensors(arguments, device):
    floats = [isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arguments]
    return [
        Tensor(moved(a, device), requires_grad=True) if f else moved(a, device)
        for a, f in zip(arguments, floats, strict=True)
    ]


@pytest.fixture(params=["emulator", "cuda"])
def device(request):
    if not gpunn.is_available(request.param):
        pytest.skip(f"device {request.param} is not available here (gpunn doctor says why)")
    return request.param


ONE, TWO, MASK = np.array(0.7), np.array(1.7), np.array(True)
# Arrays without dimensions, of which CuPy thinks otherwise than NumPy in places; and batches of none.
SMALL = {
    **{name: (getattr(ops, name), ONE) for name in ("neg", "exp", "log", "sqrt", "abs", "relu", "leaky_relu", "tanh")},
    **{name: (getattr(ops, name), ONE) for name in ("sigmoid", "softplus", "elu", "silu", "gelu", "sum", "mean")},
    **{name: (getattr(ops, name), ONE) for name in ("max", "min", "logsumexp", "transpose", "flatten", "squeeze")},
    **{name: (getattr(ops, name), ONE, TWO) for name in ("add", "sub", "mul", "div", "pow", "maximum", "minimum")},
    **{name: (getattr(ops, name), ONE, TWO) for name in ("mse_loss", "l1_loss")},
    **{name: (getattr(ops, name), ONE, 0) for name in ("softmax", "log_softmax", "unsqueeze")},
    **{f"{name} of -1": (getattr(ops, name), ONE, -1) for name in ("softmax", "log_softmax", "argmax")},
    "argmax": (ops.argmax, ONE),
    "argmin": (ops.argmin, ONE),
    "prod": (ops.prod, ONE),
    "prod of none": (ops.prod, X[:0], 0),
    "vector_norm": (ops.vector_norm, ONE),
    "vector_norm of none": (ops.vector_norm, X[:0], 2, 0),
    "var": (lambda x: ops.var(x, correction=0), ONE),
    "clip": (ops.clip, ONE, None, 1),
    "where": (ops.where, MASK, ONE, 0.0),
    "greater": (ops.greater, ONE, 0.0),
    "reshape": (ops.reshape, ONE, (1, 1)),
    "broadcast_to": (ops.broadcast_to, ONE, (2, 3)),
    "stack": (lambda *a: ops.stack(a), ONE, ONE),
    "getitem": (ops.getitem, ONE, ()),
    "getitem by a mask": (ops.getitem, ONE, MASK),
    "getitem with None": (ops.getitem, ONE, (None, ...)),
    "getitem of nothing": (ops.getitem, X[0, 0, 0], np.zeros(6, bool)),
    "dropout": (seeded_dropout, ONE),
    "prelu": (ops.prelu, ONE, np.ones(1)),
    "binary_cross_entropy_with_logits": (ops.binary_cross_entropy_with_logits, ONE, np.array(1.0)),
    "cross_entropy": (ops.cross_entropy, X[0, :, 0, 0], np.array(3)),
    "cross_entropy of none": (lambda x, t: ops.cross_entropy(x, t, reduction="sum"), X[:0, :, 0, 0], LABELS[:0]),
    "nll_loss": (ops.nll_loss, X[0, :, 0, 0], np.array(3)),
    "softmax of none": (ops.softmax, X[:0], 1),
    "max of none": (ops.max, X[:0], 1),
    "argmax of none": (ops.argmax, X[:0], 1),
    "sum of none": (ops.sum, X[:0]),
    "linear of none": (ops.linear, X[:0], normal(3, 6)),
    "conv2d of none": (lambda *a: ops.conv2d(*a, groups=2), X[:0], W4),
    "max_pool2d of none": (ops.max_pool2d, X[:0], 2),
    "batch_norm of none": (lambda x: ops.batch_norm(x, None, None, training=True), X[:0]),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_op(name, device):
    _compare(name, CALLS[name], device)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_op_of_one_number_or_none(name, device):
    _compare(name, SMALL[name], device)


def _compare(name, call, device):
    function, *arguments = call
    on_cpu, there = tensors(arguments, "cpu"), tensors(arguments, device)
    want, got = function(*on_cpu), function(*there)
    assert str(got.device) == device, f"{name} left its device: {got.device}"
    assert got.dtype == want.dtype
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(gpunn.to_numpy(got), want.array)
    else:
        assert_close(gpunn.to_numpy(got), want.array, 40)
    if not want.requires_grad:
        return
    gy = normal(*want.shape, seed=5).astype(np.float32)
    want.backward(gy)
    got.backward(gpunn.to_device(gy, device))
    for a, b in zip(on_cpu, there, strict=True):
        if isinstance(a, Tensor):
            assert type(b.gradient) is type(b.array), f"{name}: the gradient left its device"
            assert b.gradient.dtype == np.float32
            assert_close(gpunn.to_numpy(b.gradient), a.gradient, 60)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_losses_of_labels(name, device):
    x, labels = normal(3, 4).astype(np.float32), np.array([1, -100, 3])
    results = []
    for where in ("cpu", device):
        t = Tensor(gpunn.to_device(x, where), requires_grad=True)
        y = getattr(gpunn.ops, name)(t, gpunn.to_device(labels, where))
        y.backward()
        assert str(y.device) == where and type(t.gradient) is type(t.array)
        results.append((y.item(), gpunn.to_numpy(t.gradient)))
    assert_close(np.float32(results[1][0]), results[0][0], 12)
    assert_close(results[1][1], results[0][1], 12)


def test_moving_there_and_back_carries_the_gradient(device):
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = (x.to(device) * 2).to("cpu") * 3
    y.sum().backward()
    assert type(x.gradient) is np.ndarray and x.gradient.tolist() == [6, 6, 6]


def test_a_parameter_updated_in_place_stays_there(device):
    x = Tensor(gpunn.to_device(np.ones(3, np.float32), device), requires_grad=True)
    (x * x).sum().backward()
    x.array -= 0.5 * x.gradient
    assert str(x.device) == device and gpunn.to_numpy(x.array).tolist() == [0, 0, 0]


def test_numbers_of_the_generator_are_equal_on_every_device(device):
    masks = []
    for where in ("cpu", device):
        gpunn.manual_seed(5)
        masks.append(gpunn.to_numpy(gpunn.ops.dropout(gpunn.to_device(np.ones((20, 20), np.float32), where), 0.5)))
    np.testing.assert_array_equal(*masks)
