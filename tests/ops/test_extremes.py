"""Indices of extremes, products and norms: which of equal ones, what overflows, what has no kernel, on every device."""

import numpy as np
import pytest

from gpunn import Tensor, gradcheck, ops
from tests.ops.places import host, leaf, on
from tests.parity import DTYPES, compare, normal, torch

NAN, INF = np.nan, np.inf
ROWS = np.array([[1, NAN, 3, NAN], [-INF] * 4, [INF, 1, INF, -INF], [0.0, -0.0, 0.0, -0.0], [2, 2, -1, -1], [NAN] * 4])


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("name", ["max", "min"])
def test_the_first_of_equal_ones_and_the_first_nan(name, axis, place):
    y, indices = getattr(ops, name)(on(place, ROWS), axis, return_indices=True)
    wanted = getattr(np, f"arg{name}")(ROWS, axis=axis)
    np.testing.assert_array_equal(host(indices), wanted)
    np.testing.assert_array_equal(host(getattr(ops, f"arg{name}")(on(place, ROWS), axis)), wanted)
    np.testing.assert_array_equal(host(y), getattr(np, name)(ROWS, axis=axis))
    assert indices.dtype == np.int64


def test_several_axes_count_as_one(place):
    x = np.round(normal(2, 3, 4, 5) * 2)
    for dtype in (np.float32, np.int32):
        y, indices = ops.max(on(place, x, np.float32).astype(dtype), (1, 3), return_indices=True)
        rows = x.transpose(0, 2, 1, 3).reshape(2, 4, 15)
        np.testing.assert_array_equal(host(indices), rows.argmax(2))
        np.testing.assert_array_equal(host(y), rows.max(2))
    a = leaf(place, x)
    ops.min(a, (0, 2), return_indices=True)[0].sum().backward()
    assert host(a.gradient).sum() == 15 and set(np.unique(host(a.gradient))) == {0, 1}
    np.testing.assert_array_equal((host(a.gradient) * x).sum((0, 2)), x.min((0, 2)))


def test_integers_and_bool(place):
    x = on(place, [[3, 1, 3], [2, 2, 0]]).astype(np.int64)
    y, indices = ops.max(x, 1, return_indices=True)
    assert host(y).tolist() == [3, 2] and host(indices).tolist() == [0, 0] and y.dtype == x.dtype
    assert host(ops.prod(x, 1)).tolist() == [9, 0] and ops.prod(x > 1).dtype == np.int64


VIEWS = {
    "transposed": lambda x: x.transpose(2, 0, 1),
    "backwards": lambda x: x[::-1],
    "every second, backwards": lambda x: x[:, ::-2],
    "a slice": lambda x: x[:, 1:, 1:],
}


@pytest.mark.parametrize("view", VIEWS)
def test_indices_count_in_logical_order(view, place):
    x = normal(3, 4, 5)
    for axis in (0, 1, -1, None):
        got = ops.min(VIEWS[view](on(place, x)), axis, return_indices=True)[1]
        np.testing.assert_array_equal(host(got), np.argmin(VIEWS[view](x.astype(np.float32)), axis))


def test_more_axes_than_kernels_walk_along(place):
    """Every second of sixteen axes: nothing joins, so that rows are copied."""
    x = normal(*[2, 1, 2, 2] * 4).astype(np.float32)
    axes = tuple(range(0, 16, 3))
    for function, wanted in (
        (ops.sum, x.sum(axes)),
        (ops.max, x.max(axes)),
        (ops.prod, x.prod(axes)),
        (ops.vector_norm, np.sqrt((x**2).sum(axes))),
    ):
        np.testing.assert_allclose(host(function(on(place, x), axis=axes)), wanted, rtol=1e-5, atol=1e-5)


@DTYPES
@pytest.mark.parametrize("name", ["max", "min"])
def test_the_gradient_goes_to_the_place_alone(name, dtype):
    ties = np.round(normal(3, 4, 5))
    for axis in (0, 1, 2):
        compare(
            lambda x, axis=axis: getattr(ops, name)(x, axis, return_indices=True)[0],
            lambda x, axis=axis: getattr(torch(), name)(x, axis)[0],
            ties,
            dtype=dtype,
        )


def test_that_gradient_on_every_device(place):
    x = leaf(place, [[1.0, 5.0, 5.0], [7.0, 2.0, 7.0]])
    y, indices = ops.max(x, 1, return_indices=True)
    y.backward(on(place, [2.0, 3.0]))
    assert host(indices.array).tolist() == [1, 0] and host(x.gradient).tolist() == [[0, 2, 0], [3, 0, 0]]
    assert type(x.gradient) is type(x.array)


@DTYPES
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)], ids=str)
@pytest.mark.parametrize("order", [1, 2, INF])
def test_norms(order, axis, dtype):
    x = np.round(normal(3, 4, 5))  # zeros and ties among them
    x[:, 0] = 0
    compare(
        lambda a: ops.vector_norm(a, order, axis),
        lambda a: torch().linalg.vector_norm(a, order, axis),
        x,
        dtype=dtype,
        terms=60,
    )


def test_products_with_zeros_by_the_definition(place):
    x = np.array([[2.0, 3.0, 4.0], [0.0, 3.0, 4.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
    a = leaf(place, x)
    ops.prod(a, 1).sum().backward()
    assert host(a.gradient).tolist() == [[12, 8, 6], [12, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert gradcheck(lambda t: ops.prod(t, 0), [normal(3, 4) + 3])


def test_what_overflows_or_vanishes_on_the_way(place):
    x = on(place, np.array([3e30, -4e30]), np.float32)
    assert float(host(ops.vector_norm(x))) == np.float32(5e30)
    assert float(host(ops.vector_norm(x * np.float32(1e-60)))) == 0
    assert float(host(ops.vector_norm(x / np.float32(1e35) / np.float32(1e35)))) == pytest.approx(5e-40, rel=1e-4)
    a = leaf(place, [1e-30, 2e-30, 1e30], np.float32)
    y = ops.prod(a)
    y.backward()
    assert float(host(y.array)) == pytest.approx(2e-30, rel=1e-6)
    np.testing.assert_allclose(host(a.gradient), [2, 1, 0], atol=1e-6)  # the last is 2e-60, which float32 has not


def test_nothing(place):
    x = on(place, np.zeros((2, 0)))
    assert host(ops.prod(x, 1)).tolist() == [1, 1] and host(ops.vector_norm(x, 2, 1)).tolist() == [0, 0]
    none = on(place, np.zeros((0, 2)))
    y, indices = ops.max(none, 1, return_indices=True)
    assert y.shape == indices.shape == (0,) and indices.dtype == np.int64


def test_a_norm_of_nan_is_nan(place):
    for order in (1, 2, INF):
        a = leaf(place, [1.0, NAN])
        y = ops.vector_norm(a, order)
        y.backward()
        assert np.isnan(host(y.array)) and np.isnan(host(a.gradient)[1])


def test_a_tensors_indices_are_a_tensor():
    y, indices = ops.max(Tensor(ROWS, requires_grad=True), 1, return_indices=True)
    assert y.requires_grad and isinstance(indices, Tensor) and not indices.requires_grad
