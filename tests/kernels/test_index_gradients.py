"""The gradient of an index: a sort and sums in order give the bits of the cpu without atomics, for every index."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from gpunn.cuda import order
from tests import counting

pytestmark = pytest.mark.usefixtures("emulator")
X = np.random.default_rng(0).standard_normal((5, 4, 3)).astype(np.float32)
ROWS = np.array([3, 0, 3, 3, -2])
INDICES = {
    "rows": ROWS,
    "a list": [1, 1, 1],
    "rows in two dimensions": ROWS[:4].reshape(2, 2),
    "the middle axis": (slice(None), np.array([1, 1, 3])),
    "the last axis": (..., np.array([2, 0, 2])),
    "pairs": (ROWS, np.array([0, 1, 0, 1, 0])),
    "apart, so that they come first": (ROWS[:3], slice(1, 3), np.array([0, 0, 2])),
    "with a number": (2, np.array([0, 0])),
    "with None": (None, ROWS, None, slice(0, 2)),
    "with a mask": (np.array([True, False, True, False, False]), np.array([1, 1])),
    "broadcast": (ROWS[:, None], np.array([[0, 1]])),
    "backwards": (slice(None, None, -1), np.array([0, 0, 1])),
    "all whole behind": (ROWS, slice(None), ...),
    "none": np.zeros(0, np.int64),
}


def gradient(device, index):
    x = Tensor(gpunn.to_device(X, device), requires_grad=True)
    y = ops.getitem(x, index)
    gy = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    y.backward(gpunn.to_device(gy, device))
    return gpunn.to_numpy(x.gradient)


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_bits_are_those_of_the_cpu(device, index, request):
    if device == "cuda":
        request.getfixturevalue("look_alike")
    assert gradient(device, index).tobytes() == gradient("cpu", index).tobytes()


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.int8])
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "sorted"])
@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_numbers_of_every_kind_counted_or_sorted(device, counted, kind, request, monkeypatch):
    """Many numbers of many rows are not counted: each block would read all of them."""
    if device == "cuda":
        request.getfixturevalue("look_alike")
    if not counted:
        monkeypatch.setattr(order, "COUNTED", (0, 0))
    rows = np.random.default_rng(3).integers(0 if kind is np.uint8 else -5, 5, 40).astype(kind)
    x = Tensor(gpunn.to_device(X, device), requires_grad=True)
    with counting.device_work() as work:
        y = ops.getitem(x, gpunn.to_device(rows, device))
        y.backward(gpunn.to_device(np.random.default_rng(1).standard_normal(y.shape).astype(np.float32), device))
    assert gpunn.to_numpy(x.gradient).tobytes() == gradient("cpu", rows).tobytes()
    assert device == "emulator" or work.launches["order"] == counted


def test_a_device_index_and_many_alike(look_alike):
    rows = np.random.default_rng(2).integers(0, 5, 600)
    want = gradient("cpu", rows)
    with counting.device_work() as work:
        assert gradient("cuda", gpunn.to_device(rows, "cuda")).tobytes() == want.tobytes()
    assert not [name for name in work.launches if ".at" in name] and work.launches["segment_sums"] == 1
    assert not work.reads - counting.Counter(get=1)  # the result


@pytest.mark.parametrize("device", ["emulator", "cuda"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (3, 4, 4), (0, 2, 3, 3)])
def test_places_of_overlapping_windows(device, dtype, shape, request):
    """ops.max_pool2d_backward: an element may win any windows, far more than those that would divide the plane."""
    if device == "cuda":
        request.getfixturevalue("look_alike")
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    found = []
    for where in ("cpu", device):
        t = Tensor(gpunn.to_device(x, where), requires_grad=True)
        y, places = ops.max_pool2d(t, 3, 1, 1, return_indices=True)
        gy = gpunn.to_device(np.random.default_rng(1).standard_normal(y.shape).astype(dtype), where)
        y.backward(gy)
        found += [t.gradient, ops.max_pool2d_backward(gy, places.array, shape)]
    eps = np.finfo(dtype).eps
    for got in found[1:]:
        np.testing.assert_allclose(gpunn.to_numpy(got), found[0], rtol=0, atol=64 * eps)
