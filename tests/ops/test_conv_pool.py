"""conv2d with an activation and a pooling in the same call: the numbers of the three calls, on every device."""

import numpy as np
import pytest

import gpunn
from gpunn import Pooling, Tensor, gradcheck, no_grad, ops
from gpunn.reference.close import assert_close

POOLINGS = {
    "none": None,
    "max": Pooling.max(2),
    "overlapping max": Pooling.max(3, 2),
    "padded max": Pooling.max((3, 2), 2, 1, (1, 2), ceil_mode=True),
    "avg": Pooling.avg(2),
    "flat max": Pooling.max(2, flat=True),
    "flat avg": Pooling.avg(3, 2, flat=True),
    "flat, overhanging": Pooling.max(3, 2, ceil_mode=True, flat=True),
    "odd avg": Pooling.avg((2, 3), (3, 2), (1, 0), ceil_mode=True, count_include_pad=False),
}
ACTIVATIONS = (None, "relu", "tanh")
every = pytest.mark.parametrize(
    ("activation", "pool"), [(a, p) for a in ACTIVATIONS for p in POOLINGS if (a, p) != (None, "none")]
)


def apart(x, w, b, activation, pool, **options):
    """The same as three calls."""
    y = ops.conv2d(x, w, b, **options)
    y = y if activation is None else getattr(ops, activation)(y)
    if pool is None:
        return y
    geometry = pool.win.size, pool.win.stride, pool.win.padding
    if pool.kind == "max":
        y = ops.max_pool2d(y, *geometry, pool.win.dilation, pool.ceil_mode)
    else:
        y = ops.avg_pool2d(y, *geometry, pool.ceil_mode, pool.count_include_pad)
    return ops.flatten(y, 1) if pool.flat else y


def inputs(dtype=np.float64, shape=(2, 3, 9, 8), filters=5, size=3):
    """Numbers of which many are equal, and many sums below 0."""
    rng = np.random.default_rng(0)
    given = (
        rng.integers(-2, 3, shape),
        rng.integers(-1, 2, (filters, shape[1], size, size)),
        rng.integers(-2, 3, filters),
    )
    return [a.astype(dtype) / 4 for a in given]


def results(function, given, device, activation, pool, **options):
    tensors = [Tensor(gpunn.to_device(a, device), requires_grad=True) for a in given]
    y = function(*tensors, activation, pool, **options)
    y.backward(gpunn.to_device(np.random.default_rng(1).standard_normal(y.shape).astype(given[0].dtype), device))
    return [gpunn.to_numpy(a) for a in (y.array, *(t.gradient for t in tensors))]


def together(x, w, b, activation, pool, **options):
    return ops.conv2d(x, w, b, **options, activation=activation, pool=pool)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cpu_gives_the_bits_of_three_calls(activation, pool, dtype):
    for a, b in zip(
        *(results(f, inputs(dtype), "cpu", activation, POOLINGS[pool], padding=1) for f in (together, apart)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@every
@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_a_device_agrees_with_the_cpu(activation, pool, device):
    if not gpunn.is_available(device):
        pytest.skip(f"device {device} is not available here (gpunn doctor says why)")
    given = inputs(np.float32)
    got, want = (results(together, given, where, activation, POOLINGS[pool], padding=1) for where in (device, "cpu"))
    for a, b in zip(got, want, strict=True):
        assert_close(a, b, 200)


@every
def test_gradients_against_differences(activation, pool):
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(s) for s in ((2, 3, 6, 7), (4, 3, 3, 2), (4,))]
    assert gradcheck(lambda *a: together(*a, activation, POOLINGS[pool], padding=1), given)


def test_an_image_without_a_batch_an_empty_batch_and_no_recording():
    x, w, b = inputs()
    one, none = (ops.conv2d(a, w, b, activation="tanh", pool=Pooling.avg(2)) for a in (x[0], x[:0]))
    assert one.shape == (5, 3, 3) and none.shape == (0, 5, 3, 3)
    with no_grad():
        y = ops.conv2d(Tensor(x, requires_grad=True), w, b, activation="relu", pool=Pooling.max(2))
    assert not y.requires_grad
    np.testing.assert_array_equal(
        y.array[0, :, :1], ops.relu(ops.conv2d(x, w, b)[0, :, :2]).reshape(5, 1, 2, 3, 2).max((2, 4))
    )


def test_a_not_a_number_is_pooled_and_infinite_gradients_stay_at_the_winners():
    x, w, b = inputs()
    x[0, 0, 4, 4] = np.nan
    gy = np.full((2, 5, 3, 3), np.inf)
    both = []
    for function in (together, apart):
        z = Tensor(np.zeros(5), requires_grad=True)
        y = function(Tensor(x, requires_grad=True), w, z, "relu", Pooling.max(2))
        with np.errstate(invalid="ignore"):
            y.backward(gy)
        both.append((y.array, z.gradient))
    assert np.isnan(both[0][0]).any()
    for a, b in zip(*both, strict=True):
        np.testing.assert_array_equal(a, b)
