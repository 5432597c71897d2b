"""Activations by kernels: any memory order in one launch, and what neither cases nor the table of ops show."""

import numpy as np
import pytest

from gpunn import Tensor, backend, ops
from gpunn import emulator as host
from gpunn.cuda.variants import tracing
from tests import counting

pytestmark = pytest.mark.usefixtures("emulator")
X = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
EDGES = np.array([-np.inf, np.inf, np.nan, -1e30, 1e30, -200, 200, -0.0, 0.0], np.float32)
OPS = {
    "relu": ops.relu,
    "leaky_relu": ops.leaky_relu,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "silu": ops.silu,
    "gelu": ops.gelu,
    "gelu tanh": lambda a: ops.gelu(a, "tanh"),
    "elu": ops.elu,
    "elu -2": lambda a: ops.elu(a, -2.0),
    "softplus": ops.softplus,
    "logsigmoid": ops.logsigmoid,
    **{name: getattr(ops, name) for name in ("selu", "celu", "mish", "hardswish", "hardsigmoid", "softsign")},
    **{name: getattr(ops, name) for name in ("softshrink", "hardshrink", "tanhshrink")},
    "threshold": lambda a: ops.threshold(a, 0.0, 7.0),
}


def last(array):
    """The same values in channels-last memory."""
    return host.EmulatedArray.of(array.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2)


def backwards(array):
    """The same values, the last axis running backwards through memory."""
    return host.EmulatedArray.of(array[..., ::-1].copy())[..., ::-1]


@pytest.mark.parametrize("order", [last, host.EmulatedArray.of, backwards])
def test_results_keep_the_order_and_gradients_come_in_any(order):
    x, gy = Tensor(order(X), requires_grad=True), host.EmulatedArray.of(X + 1)
    with tracing() as calls:
        y = ops.tanh(x)
        y.backward(gy)
    assert [call.operation for call in calls] == ["activation.forward", "activation.backward"]
    if order is last:
        assert y.array.strides == x.array.strides == x.gradient.strides
    np.testing.assert_allclose(y.numpy(), np.tanh(X), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(x.gradient), (1 - np.tanh(X) ** 2) * (X + 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPS)
def test_edges_are_those_of_the_cpu(name):
    results = []
    for x in (EDGES, host.EmulatedArray.of(EDGES)):
        t = Tensor(x, requires_grad=True)
        with np.errstate(all="ignore"):
            y = OPS[name](t)
            y.backward(np.ones_like(x))
        results.append((np.asarray(y.array), np.asarray(t.gradient)))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-30, err_msg=name)


def test_an_unaligned_slice_takes_the_other_variant():
    base = host.EmulatedArray.of(np.arange(9, dtype=np.float32))
    with tracing() as calls:
        y = ops.relu(base[1:])
    assert y.tolist() == list(range(1, 9)) and calls[0].variant == "element"
    assert "vector: an array does not start on a multiple of 16 bytes" in calls[0].why


def test_one_launch_each_way(look_alike):
    for function in OPS.values():
        x = Tensor(backend.to_device(X, "cuda"), requires_grad=True)
        gy = backend.to_device(X, "cuda")
        with counting.device_work() as work:
            function(x).backward(gy)
        assert dict(work.launches) == {"activation_forward": 1, "activation_backward": 1}
        assert not work.reads


def test_a_gate_is_one_launch_and_its_gradient_two_and_a_join(look_alike):
    x = Tensor(backend.to_device(X[..., :4].copy(), "cuda"), requires_grad=True)
    with counting.device_work() as work:
        y = ops.glu(x)
    assert dict(work.launches) == {"map": 1}
    gy = backend.to_device(X[..., :2].copy(), "cuda")
    with counting.device_work() as work:
        y.backward(gy)
    assert work.launches["map"] == 2 and not work.reads
