"""Operators with broadcasting, comparisons, where, maximum, pow and matmul, against PyTorch."""

import operator

import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference import naive
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, compare, normal, torch

SHAPES = [
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((2, 3, 4), (3, 1)),
    ((1,), (5,)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((0, 3), (3,)),
    ((2, 1, 3), (5, 1)),
    ((1, 1, 1), ()),
]
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv]


@DTYPES
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_binary_operators_broadcast(op, shapes, dtype):
    a, b = (normal(*s, seed=i) for i, s in enumerate(shapes))
    b = np.where(np.abs(b) < 0.3, 0.5, b)
    compare(op, op, a, b, dtype=dtype, terms=20)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "minimum"])
def test_named_functions_equal_the_operators(name):
    theirs = getattr(torch(), name)
    compare(getattr(ops, name), theirs, normal(3, 4), normal(4, seed=2))


@DTYPES
@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_python_scalars_on_either_side_keep_the_dtype(op, dtype):
    x = normal(3, 2) + 5
    compare(lambda a: op(a, 2), lambda a: op(a, 2), x, dtype=dtype)
    compare(lambda a: op(3.5, a), lambda a: op(3.5, a), x, dtype=dtype)


def test_arrays_and_numpy_scalars_on_either_side_give_tensors():
    x = Tensor(normal(2, 3), requires_grad=True)
    for y in (np.ones(3) + x, x + np.ones(3), np.float64(2) * x, x * np.float64(2), np.ones((2, 3)) @ x.T):
        assert isinstance(y, Tensor) and y.requires_grad


def test_numpys_numbers_take_the_arrays_dtype():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    for y in (x * np.float64(2), np.float64(2) * x, x + np.int64(1), x / np.float64(3), x - np.float32(1)):
        assert y.dtype == np.float32
    assert (x.array == 1).all()


def test_matrix_from_the_left_as_numpy_array():
    a = normal(4, 2)
    compare(lambda x: a @ x, lambda x: torch().tensor(a) @ x, normal(2, 3))


def test_negation_and_abs():
    compare(operator.neg, operator.neg, normal(3, 2))
    compare(abs, abs, np.array([-2.0, 0.0, 3.0]))


@DTYPES
@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, -2.5, 0, 1])
def test_pow_with_a_number(exponent, dtype):
    compare(lambda x: x**exponent, lambda x: x**exponent, np.abs(normal(4, 3)) + 0.2, dtype=dtype, terms=9)


def test_pow_of_negative_bases_and_zero():
    compare(lambda x: x**3, lambda x: x**3, np.array([-2.0, 0.0, 1.5]))
    compare(lambda x: x**2, lambda x: x**2, np.array([-2.0, 0.0, 1.5]))
    compare(lambda x: x**0, lambda x: x**0, np.array([-2.0, 0.0, 1.5]))
    compare(lambda x: x**1, lambda x: x**1, np.array([-2.0, 0.0, 1.5]))


def test_pow_with_a_tensor_exponent():
    compare(operator.pow, operator.pow, np.abs(normal(3, 4)) + 0.3, normal(4, seed=3), terms=9)
    compare(lambda x: 2.0**x, lambda x: 2.0**x, normal(3, 4), terms=9)


def test_pow_at_base_zero_gives_pytorchs_edge_gradients():
    compare(operator.pow, operator.pow, np.array([0.0, 0.0, 0.0]), np.array([2.0, 1.0, 0.0]))


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (3,))], ids=str)
def test_maximum_and_minimum_share_the_gradient_of_ties(shapes):
    a, b = np.round(normal(*shapes[0])), np.round(normal(*shapes[1], seed=5))
    compare(ops.maximum, torch().maximum, a, b)
    compare(ops.minimum, torch().minimum, a, b)


@DTYPES
def test_where_broadcasts_and_keeps_the_branches_apart(dtype):
    c = normal(3, 4) > 0
    compare(
        lambda a, b: ops.where(c, a, b), lambda a, b: torch().where(torch().tensor(c), a, b), normal(4), normal(3, 1)
    )
    compare(
        lambda a: ops.where(c, a, 0.0), lambda a: torch().where(torch().tensor(c), a, 0.0), normal(3, 4), dtype=dtype
    )


def test_where_lets_no_nan_through_from_the_branch_not_taken():
    x = Tensor(np.array([0.0, 2.0]), requires_grad=True)
    ops.where(x.array > 0, x * 3, 1.0).sum().backward()
    assert x.gradient.tolist() == [0.0, 3.0]


@pytest.mark.parametrize("op", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
def test_comparisons(op):
    a, b = np.round(normal(3, 4)), np.round(normal(4, seed=4))
    want = op(a, b)
    for left, right in ((Tensor(a), Tensor(b)), (Tensor(a), b), (Tensor(a, requires_grad=True), Tensor(b))):
        got = op(left, right)
        assert got.dtype == np.bool_ and not got.requires_grad
        np.testing.assert_array_equal(got.array, want)
    np.testing.assert_array_equal(op(Tensor(a), 0.0).array, op(a, 0.0))


def test_tensors_can_be_dictionary_keys_although_they_compare_elementwise():
    x = Tensor(np.ones(2))
    assert {x: 1}[x] == 1


# ---------------------------------------------------------------- matmul
MATMUL = [
    ((3, 4), (4, 5)),
    ((1, 1), (1, 1)),
    ((4,), (4,)),
    ((3, 4), (4,)),
    ((4,), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 3)),
    ((0, 4), (4, 5)),
    ((3, 0), (0, 5)),
    ((7, 13), (13, 1)),
]


@DTYPES
@pytest.mark.parametrize("shapes", MATMUL, ids=str)
def test_matmul(shapes, dtype):
    a, b = (normal(*s, seed=i) for i, s in enumerate(shapes))
    compare(operator.matmul, operator.matmul, a, b, dtype=dtype, terms=50)


def test_matmul_against_one_dot_product_an_element():
    a, b = normal(5, 7), normal(7, 3, seed=1)
    assert_close(ops.matmul(a, b), naive.matmul(a, b), 7)


def test_matmul_of_transposed_and_reversed_views():
    a, b = normal(6, 4)[::-1].T, normal(9, 5, seed=1)[:6, ::-2]
    assert_close(ops.matmul(a, b), naive.matmul(a, b), 6)
