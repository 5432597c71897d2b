"""Code written to the array API standard, and NumPy's functions, on Tensors: with gradients, or refused in words."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, no_grad, ops
from tests.parity import normal


def standardised(x):
    """Generic code."""
    xp = x.__array_namespace__(api_version="2023.12")
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    return xp.matrix_transpose(xp.concat([centred / xp.std(x, axis=-1, keepdims=True), xp.zeros_like(x)], axis=0))


def test_generic_code_runs_on_tensors_and_gradients_come_back():
    a, gy = normal(2, 5), normal(5, 4, seed=1)
    x, z = Tensor(a, requires_grad=True), Tensor(a, requires_grad=True)
    y, want = standardised(x), ops.layer_norm(z, 5, eps=0.0)
    np.testing.assert_allclose(y.numpy(), np.concatenate([want.numpy(), 0 * a]).T, rtol=1e-12, atol=1e-15)
    y.backward(gy)
    want.backward(gy.T[:2])
    np.testing.assert_allclose(x.gradient, z.gradient, rtol=1e-9, atol=1e-12)


xp = gpunn.array_api
DIFFERENTIABLE = {
    "sum": lambda x: xp.sum(x, axis=1, dtype=xp.float64),
    "prod": lambda x: xp.prod(x, axis=1),
    "var": lambda x: xp.var(x, axis=0, correction=1),
    "std": xp.std,
    "clip": lambda x: xp.clip(x, -0.5, Tensor(np.full(3, 0.7))),
    "square": xp.square,
    "reciprocal": xp.reciprocal,
    "positive": xp.positive,
    "vecdot": lambda x: xp.vecdot(x, x[0]),
    "take": lambda x: xp.take(x, np.array([0, 2, 2]), axis=1),
    "reshape": lambda x: xp.reshape(x, (3, 2), copy=True),
    "permute_dims": lambda x: xp.permute_dims(x, (1, 0)),
    "matrix_transpose": lambda x: x.mT,
    "moveaxis": lambda x: xp.moveaxis(x, 0, 1),
    "expand_dims": lambda x: xp.expand_dims(x, axis=1),
    "squeeze": lambda x: xp.squeeze(x[:, None], 1),
    "concat": lambda x: xp.concat([x, x[0]], axis=None),
    "unstack": lambda x: xp.unstack(x, axis=1)[1],
    "flip": xp.flip,
    "broadcast_arrays": lambda x: xp.broadcast_arrays(x[0], np.ones((4, 3)))[0],
    "astype": lambda x: xp.astype(x, xp.float64),
    "asarray": lambda x: xp.asarray(x, dtype=xp.float64, copy=True),
    "to_device": lambda x: x.to_device("cpu"),
    "np.sum": lambda x: np.sum(x, axis=0),
    "np.prod": lambda x: np.prod(x, axis=0),
    "np.mean": np.mean,
    "np.var": np.var,
    "np.std": lambda x: np.std(x, axis=1, ddof=1, keepdims=True),
    "np.max": lambda x: np.max(x, axis=1),
    "np.min": lambda x: np.min(x, 0),
    "np.clip": lambda x: np.clip(x, -1, None),
    "np.where": lambda x: np.where(np.array([True, False, True]), x, 0.0),
    "np.reshape": lambda x: np.reshape(x, (3, -1)),
    "np.ravel": np.ravel,
    "np.transpose": np.transpose,
    "np.swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "np.moveaxis": lambda x: np.moveaxis(x, -1, 0),
    "np.squeeze": np.squeeze,
    "np.expand_dims": lambda x: np.expand_dims(x, -1),
    "np.broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "np.flip": lambda x: np.flip(x, 1),
    "np.concatenate": lambda x: np.concatenate([x, np.ones((1, 3))]),
    "np.stack": lambda x: np.stack([x, x], axis=-1),
    "np.copy": np.copy,
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_pass(name):
    function, a = DIFFERENTIABLE[name], normal(2, 3)
    gpunn.gradcheck(function, [a])
    y = function(Tensor(a, requires_grad=True))
    assert isinstance(y, Tensor) and y.requires_grad
    if name.startswith("np."):
        np.testing.assert_allclose(y.numpy(), function(a), rtol=1e-12)


def test_what_has_no_gradient_is_numpys():
    x = nn.Parameter(np.array([[1.0, 2.0], [3.0, np.nan]]))
    assert np.allclose(x, x.array, equal_nan=True) and np.shape(x) == (2, 2) and np.argmax(x[0]).item() == 1
    assert [i.tolist() for i in np.where(x > 1)] == [[0, 1], [1, 0]] and np.argsort(x[0]).tolist() == [0, 1]
    assert bool(xp.all(x > 0)) is False and bool(xp.any(x > 2)) and np.argmin(x[0]).item() == 0
    assert np.zeros_like(x).numpy().tolist() == [[0, 0], [0, 0]]
    assert np.full_like(x, 2, dtype=np.int64).dtype == np.int64
    assert np.array2string(x.detach()) == np.array2string(x.array)
    np.testing.assert_array_equal(x, x.array)
    assert type(np.median(x.detach()[0])) is np.float64 and np.median(x.detach()[0]) == 1.5
    with no_grad():
        assert type(np.vstack([x, x.array])) is np.ndarray
    assert np.asarray(x) is not x and np.sum(Tensor([1, 2])).item() == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: np.median(x), TypeError, ["np.median: x requires a gradient", "x.detach().numpy()"]),
        (lambda x: np.linalg.norm(x), TypeError, ["np.linalg.norm: x requires a gradient", "an op of gpunn"]),
        (lambda x: np.split(x, 2), TypeError, ["np.split: x requires a gradient"]),
        (lambda x: np.sum(x, initial=1), TypeError, ["np.sum: got an unexpected", "'initial'", "pass x.numpy()"]),
        (lambda x: np.exp(x), TypeError, ["__array_ufunc__"]),
        (lambda x: np.copyto(x, 7.0), TypeError, ["np.copyto: it would write into a Tensor", "assign to x.array[...]"]),
        (lambda x: np.fill_diagonal(x.detach(), 7), TypeError, ["np.fill_diagonal: it would write into a Tensor"]),
        (lambda x: np.cumsum(np.ones(2), out=x[0]), TypeError, ["np.cumsum: it would write into a Tensor"]),
        (lambda x: xp.sort(x), AttributeError, ["gpunn.array_api has no 'sort'", "x.detach().numpy()"]),
        (lambda x: xp.multipy(x, x), AttributeError, ["did you mean 'multiply'"]),
        (lambda x: x.__array_namespace__(api_version="1999"), ValueError, ["api_version is '1999'", "2024.12"]),
        (lambda x: xp.squeeze(x, 0), ValueError, ["squeeze: axis 0 of x (2, 2) has size 2, expected 1"]),
        (lambda x: xp.expand_dims(x, axis=4), IndexError, ["expand_dims: axis is 4, expected -3 to 2"]),
        (lambda x: xp.expand_dims(x, axis=(0, -4)), ValueError, ["expand_dims: axis is (0, -4), expected each once"]),
        (lambda x: xp.unstack(x, axis=2), IndexError, ["unstack: axis is 2, expected -2 to 1"]),
        (lambda x: xp.flip(x, axis=-3), IndexError, ["flip: axis is -3, expected -2 to 1"]),
        (lambda x: xp.matrix_transpose(x[0]), ValueError, ["matrix_transpose: x is (2,), expected two dimensions"]),
        (lambda x: xp.take(x, np.array([0])), ValueError, ["take: axis is None, expected one of 0 to 1"]),
        (lambda x: xp.take(x, np.array([0.5]), axis=0), ValueError, ["take: indices are float64 (1,)", "vector"]),
        (lambda x: xp.vecdot(x, x, axis=0), ValueError, ["vecdot: axis is 0, expected -2 to -1"]),
        (lambda x: xp.vecdot(x, np.ones(3)), ValueError, ["vecdot: x1 is (2, 2) and x2 (3,)", "one size along axis"]),
        (lambda x: xp.reshape(x.T, (4,), copy=False), ValueError, ["reshape: copy is False", "leave copy out"]),
        (lambda x: xp.asarray([1.0], copy=False), ValueError, ["asarray: copy is False", "a list takes one"]),
        (lambda x: xp.asarray(x, dtype="int64", copy=False), ValueError, ["asarray: copy is False", "a Tensor"]),
        (lambda x: xp.isdtype(x.dtype, "real"), ValueError, ["isdtype: kind is 'real'", "'real floating'"]),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as caught:
        call(Tensor(np.ones((2, 2)), requires_grad=True))
    for word in words:
        assert word in str(caught.value)


def test_operators_of_bool():
    mask, other = Tensor(np.array([True, True, False])), np.array([True, False, False])
    assert (mask & other).tolist() == (other & mask).tolist() == [True, False, False]
    assert (mask | other).tolist() == (other | mask).tolist() == [True, True, False]
    assert (~mask).tolist() == [False, False, True] and (mask & True).tolist() == mask.tolist() == (+mask).tolist()
    with pytest.raises(TypeError, match="bitwise_and: got float32, expected integers or bool; compare first"):
        Tensor([1.0, 2.0]) & 1


@pytest.mark.parametrize("axis", [0, -1, (0, 2), (-1, 0), (3, 1)])
def test_expand_dims_of_several(axis):
    x = np.ones((2, 3))
    assert np.expand_dims(Tensor(x), axis).shape == xp.expand_dims(x, axis=axis).shape == np.expand_dims(x, axis).shape


def test_moveaxis_of_many_dimensions():
    shape = (2, *[1] * 38, 3)  # NumPy's limit is 64
    assert xp.moveaxis(np.ones(shape), 0, -1).shape == (*shape[1:], 2)
    assert xp.moveaxis(np.ones((2, 3, 4)), (0, 1), (-1, 0)).shape == (3, 4, 2)


def test_on_the_emulator():
    if not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    x = Tensor(np.array([1.0, -2.0], np.float32)).to("emulator")
    for y in (xp.positive(x), np.ravel(x), xp.zeros_like(x), xp.ones(2, device="emulator"), xp.asarray(x, copy=True)):
        assert str(y.device) == "emulator" and y.shape == (2,)
    assert type(np.sort(x)) is np.ndarray and np.sort(x).tolist() == [-2, 1]
