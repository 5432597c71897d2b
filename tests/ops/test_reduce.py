"""sum, mean, var, max, min and logsumexp over every choice of axes, against PyTorch."""

import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, compare, normal, torch

AXES = [None, 0, 1, -1, (0,), (0, 2), (-1, 0), (0, 1, 2)]


def theirs(name, axis, keepdims):
    t = torch()
    function = getattr(t, {"max": "amax", "min": "amin"}.get(name, name))
    dims = tuple(range(3)) if axis is None else axis
    return lambda x: function(x, dim=dims, keepdim=keepdims)


@DTYPES
@pytest.mark.parametrize("keepdims", [False, True], ids=["", "keepdims"])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "var", "max", "min", "logsumexp"])
def test_over_axes(name, axis, keepdims, dtype):
    ours = getattr(ops, name)
    compare(
        lambda x: ours(x, axis=axis, keepdims=keepdims),
        theirs(name, axis, keepdims),
        normal(3, 4, 5),
        dtype=dtype,
        terms=60,
    )


@pytest.mark.parametrize("name", ["sum", "mean", "var", "max", "min", "logsumexp"])
def test_pytorchs_names_dim_and_keepdim(name):
    compare(lambda x: getattr(ops, name)(x, dim=1, keepdim=True), theirs(name, 1, True), normal(3, 4, 5), terms=20)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "max", "min", "logsumexp"])
def test_method(name):
    x = normal(3, 4, 5)
    assert_close(getattr(Tensor(x), name)(axis=1).array, getattr(ops, name)(x, axis=1), 4)


@pytest.mark.parametrize("correction", [0, 1, 2])
@pytest.mark.parametrize("axis", [None, 0, (0, 2)], ids=str)
def test_var_correction(correction, axis):
    dims = (0, 1, 2) if axis is None else axis
    compare(
        lambda x: ops.var(x, axis=axis, correction=correction),
        lambda x: torch().var(x, dim=dims, correction=correction),
        normal(3, 4, 5) + 10,
        terms=600,
    )


def test_var_far_from_zero_is_not_computed_in_one_pass():
    x = (normal(2000) + 3000).astype(np.float32)
    assert_close(ops.var(x), np.var(x.astype(np.float64), ddof=1), 9)


def test_long_float32_sum_keeps_its_digits():
    x = np.full(1_000_000, 0.1, np.float32)
    assert_close(ops.sum(x), 1e6 * float(np.float32(0.1)), 100)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_share_the_gradient_of_ties(name):
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    amax = getattr(torch(), "a" + name)
    compare(lambda x: getattr(ops, name)(x, axis=1), lambda x: amax(x, dim=1), x)
    compare(getattr(ops, name), amax, x)


def test_extremes_pass_nan_on():
    x = np.array([1.0, np.nan, 3.0])
    assert np.isnan(ops.max(x)) and np.isnan(ops.min(x))


@pytest.mark.parametrize("big", [1000.0, -1000.0])
def test_logsumexp_of_huge_numbers(big):
    x = normal(3, 4) + big
    # PyTorch's gradient is e to a difference of two thousands, each rounded.
    compare(lambda x: ops.logsumexp(x, axis=1), lambda x: torch().logsumexp(x, 1), x, terms=4, scale=1000)


def test_logsumexp_with_minus_infinity_in_a_row():
    x = np.array([[-np.inf, 0.0, 1.0]])
    compare(lambda x: ops.logsumexp(x, axis=1), lambda x: torch().logsumexp(x, 1), x)
    assert ops.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf


def test_of_a_number():
    for name in ("sum", "mean", "max", "min", "logsumexp"):
        compare(getattr(ops, name), lambda x: x * 1, np.array(2.5))


def test_empty_sums_are_zero():
    compare(lambda x: ops.sum(x, axis=0), lambda x: x.sum(0), np.zeros((0, 3)))
    assert ops.sum(np.zeros((0, 3))) == 0


def test_sum_of_a_bool_or_integer_array_counts():
    assert ops.sum(np.array([True, False, True])) == 2
    assert ops.sum(Tensor(np.arange(5))).item() == 10


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_argmax(axis):
    x = np.round(normal(4, 5))
    np.testing.assert_array_equal(np.asarray(ops.argmax(x, axis=axis)), np.argmax(x, axis=axis))


def test_strided_inputs():
    x = normal(6, 7, 8)
    for view in (x[::2, ::-1, 1:], x.transpose(2, 0, 1), np.broadcast_to(x[:1, :1], (3, 4, 8))):
        for name in ("sum", "mean", "var", "max", "min", "logsumexp"):
            got, want = (getattr(ops, name)(a, axis=(0, 2)) for a in (view, view.copy()))
            assert_close(got, want, 100)


KEPT = [(None, False, ()), (None, True, (1, 1, 1)), (1, True, (2, 1, 4)), (-1, False, (2, 3))]


@pytest.mark.parametrize("axis, keep, shape", KEPT)
def test_argmax_keeps_dimensions(axis, keep, shape):
    x = normal(2, 3, 4)
    want = np.argmax(x, axis=axis, keepdims=keep)
    assert np.array_equal(ops.argmax(x, axis, keepdims=keep), want) and want.shape == shape
    assert np.array_equal(Tensor(x).argmax(dim=axis, keepdim=keep).numpy(), want)


def test_logsumexp_of_nothing_is_the_logarithm_of_0():
    x = Tensor(np.zeros((3, 0)), requires_grad=True)
    y = ops.logsumexp(x, 1)
    assert np.array_equal(y.numpy(), np.full(3, -np.inf))
    y.backward(np.ones(3))
    assert x.gradient.shape == (3, 0)
