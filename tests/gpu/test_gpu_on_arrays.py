"""Functions on plain arrays on the card: the cpu's numbers, gradients of every rank, complex ones, recurrent layers."""

import numpy as np
import pytest

import gpunn
from gpunn import ops
from tests.ops.array_calls import CALLS, called
from tests.ops.test_on_arrays import on, same
from tests.parity import normal

pytestmark = pytest.mark.gpu

LINE, PLANE, SOLID = normal(2, 4, 9), normal(2, 4, 9, 9), normal(2, 4, 5, 6, 7)
WEIGHTS = normal(8, 4, 3), normal(8, 4, 3, 3), normal(8, 4, 3, 3, 3)


def gradients_of_conv(x, w):
    rank = w.ndim - 2
    y = getattr(ops, f"conv{rank}d")(x, w, padding=1)
    return y, *getattr(ops, f"conv{rank}d_backward")(y, x, w, padding=1)


def gradients_of_transposed(x, w):
    rank = w.ndim - 2
    w = w.swapaxes(0, 1)
    y = getattr(ops, f"conv_transpose{rank}d")(x, w, stride=2)
    return y, *getattr(ops, f"conv_transpose{rank}d_backward")(y, x, w, stride=2)


def gradients_of_pools(x, w):
    rank = w.ndim - 2
    pool, back = (getattr(ops, f"max_pool{rank}d{way}") for way in ("", "_backward"))
    y, indices = pool(x, 3, 2, return_indices=True)
    average, average_back = (getattr(ops, f"avg_pool{rank}d{way}") for way in ("", "_backward"))
    found = back(y, indices, x.shape), back(y, indices, x.shape, 3, 2), back(y, x=x, kernel_size=3, stride=2)
    z = average(x, 3, 2)
    return y, indices, *found, z, average_back(z, x.shape, 3, 2)


def gradients_of_filters(x, w):
    y = ops.filter2d(x, w[0, 0], "reflect")
    return y, *ops.filter2d_backward(y, x, w[0, 0], "reflect")


def recurrent(x, w):
    x, w = x.reshape(2, 9, 36)[:, :, :4], w.reshape(8, 36)[:, :4]
    y, (h, c), reserve = ops.recurrent_forward("LSTM", x, None, [(w, w[:, :2])])
    found = ops.recurrent_backward(reserve, y, h, c)
    return y, h, c, found.x, *found.weights[0][:2]


ROWS = {
    **{f"conv{i + 1}d": (gradients_of_conv, x, WEIGHTS[i]) for i, x in enumerate((LINE, PLANE, SOLID))},
    **{f"conv_transpose{i + 1}d": (gradients_of_transposed, x, WEIGHTS[i]) for i, x in enumerate((LINE, PLANE, SOLID))},
    **{f"pool{i + 1}d": (gradients_of_pools, x, WEIGHTS[i]) for i, x in enumerate((LINE, PLANE, SOLID))},
    "filter2d": (gradients_of_filters, PLANE, WEIGHTS[1]),
    "recurrent": (recurrent, PLANE, WEIGHTS[1]),
}


@pytest.fixture
def device():
    return "cuda"


@pytest.mark.parametrize("name", CALLS)
def test_a_function_on_arrays(name, device):
    same(called(name, on(device)), called(name, on("cpu")))


@pytest.mark.parametrize("name", ROWS)
def test_gradients(name, device):
    function, *given = ROWS[name]
    same(function(*map(on(device), given)), [gpunn.to_numpy(a) for a in function(*map(on("cpu"), given))])


def test_complex_gradients(device):
    x, w = (a.astype(np.complex64) * (1 + 2j) for a in (PLANE, WEIGHTS[1]))
    found = gradients_of_conv(gpunn.to_device(x, device), gpunn.to_device(w, device))
    for got, wanted in zip(found, gradients_of_conv(x, w), strict=True):
        np.testing.assert_allclose(gpunn.to_numpy(got), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
