"""EmulatedArray keeps its device through NumPy's operations."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from gpunn import backend, emulator
from gpunn.emulator import EmulatedArray

X = np.arange(6.0).reshape(2, 3)

OPERATIONS = {
    "ufunc": lambda x: x + 1,
    "reversed": lambda x: 2 * x,
    "scalar item": lambda x: x[0, 0],
    "row": lambda x: x[0],
    "mask": lambda x: x[x > 1],
    "sum": lambda x: x.sum(),
    "np.sum": lambda x: np.sum(x),
    "sum of axes": lambda x: x.sum(axis=(0, 1), keepdims=True),
    "mean": lambda x: x.mean(axis=0),
    "var": lambda x: x.var(axis=0),
    "max": lambda x: x.max(),
    "argmax": lambda x: np.argmax(x),
    "matmul": lambda x: x @ x.T,
    "inner product": lambda x: x[0] @ x[0],
    "einsum": lambda x: np.einsum("ij->", x),
    "concatenate": lambda x: np.concatenate([x, x]),
    "where": lambda x: np.where(x > 0, x, 0),
    "maximum": lambda x: np.maximum(x, 0),
    "reshape": lambda x: x.reshape(-1),
    "transpose": lambda x: x.T,
    "cast": lambda x: x.astype(np.float32),
    "pad": lambda x: np.pad(x, 1),
    "empty_like": lambda x: np.empty_like(x),
    "zeros_like": lambda x: np.zeros_like(x),
    "broadcast": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "contiguous": lambda x: x.T.copy(order="C"),
    "reduce": lambda x: np.add.reduce(x, axis=None),
    "copy": lambda x: x.copy(),
    "deepcopy": lambda x: copy.deepcopy(x),
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_results_stay_on_the_emulator(name):
    with np.errstate(all="ignore"):
        got, want = (OPERATIONS[name](a) for a in (EmulatedArray.of(X), X.copy()))
    assert type(got) is EmulatedArray and got.dtype == want.dtype and got.shape == np.shape(want)
    if name != "empty_like":
        np.testing.assert_array_equal(got.plain(), want)


def test_results_of_several_arrays_stay_too():
    assert all(type(part) is EmulatedArray for part in np.divmod(EmulatedArray.of(X), 2))
    assert all(type(part) is EmulatedArray for part in np.split(EmulatedArray.of(X), 2))


def test_in_place_operations_write_the_same_memory():
    x = EmulatedArray.of(X)
    view, same = x.plain(), x
    x += 1
    np.multiply(x, 2, out=x)
    x[0] = 5
    assert x is same and view.tolist() == [[5, 5, 5], [8, 10, 12]]
    out = EmulatedArray.of(np.zeros(3))
    assert x.sum(axis=0, out=out) is out and out.tolist() == [13, 15, 17]


def test_of_copies_and_keeps_the_memory_order():
    plain = X.copy().T
    x = EmulatedArray.of(plain)
    plain[0, 0] = 99
    assert x[0, 0] == 0 and x.strides == plain.strides


def test_the_backend_knows_the_device():
    x = EmulatedArray.of(X)
    assert str(backend.device_of(x)) == "emulator" and str(backend.device_of(x.sum())) == "emulator"
    assert type(backend.to_numpy(x)) is np.ndarray
    assert type(backend.to_device(X, "emulator")) is EmulatedArray
    assert type(backend.to_device(x, "cpu")) is np.ndarray
    assert backend.to_device(x, "emulator") is x


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
def test_empty_is_poisoned(dtype):
    for made in (
        emulator.empty((3, 4), dtype),
        emulator.empty_like(np.zeros((3, 4), dtype).T),
        emulator.empty((), dtype),
    ):
        assert type(made) is EmulatedArray and made.dtype == dtype
        assert set(made.tobytes()) == {0xFF}
    assert emulator.empty((0, 3), dtype).shape == (0, 3)
