"""Corner cases in which a script would go on with other values than under PyTorch."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops, optim


@pytest.mark.parametrize("empty_first", [True, False])
def test_an_empty_vector_adds_nothing_to_what_is_joined(empty_first):
    empty, rows = Tensor(np.zeros(0, np.float32), requires_grad=True), Tensor(np.ones((2, 3)), requires_grad=True)
    parts = [empty, rows, rows] if empty_first else [rows, empty, rows]
    y = ops.concatenate(parts, 1)
    (y * 2).sum().backward()
    assert y.shape == (2, 6) and empty.grad.shape == (0,) and (rows.gradient == 4).all()
    assert gpunn.cat([gpunn.tensor([]), gpunn.ones(1, 2, dtype=int)]).dtype == np.float32
    with pytest.raises(ValueError, match=r"got shapes \(0,\), \(2, 3\), \(1, 2\); expected equal sizes"):
        ops.concatenate([np.zeros(0), np.zeros((2, 3)), np.zeros((1, 2))])
    assert ops.concatenate([np.zeros(0), np.zeros(0)]).shape == (0,)


def test_a_size_that_a_factor_does_not_change_leaves_the_values_alone():
    x = np.arange(5, dtype=np.float32)
    for shape, mode in (((1, 1, 5), "linear"), ((1, 1, 1, 5), "bilinear"), ((1, 1, 1, 1, 5), "trilinear")):
        factor = (1.0,) * (len(shape) - 3) + (1.1,)
        np.testing.assert_array_equal(ops.interpolate(x.reshape(shape), scale_factor=factor, mode=mode).ravel(), x)
    image = x.reshape(1, 1, 1, 5)
    np.testing.assert_array_equal(ops.interpolate(image, scale_factor=(1, 1.1)).ravel(), x)
    np.testing.assert_array_equal(ops.interpolate(image, scale_factor=(1, 2.1)).ravel(), np.repeat(x, 2))
    line = ops.interpolate(x.reshape(1, 1, 5), scale_factor=2.1)  # floor(i / 2.1), there and in three dimensions
    assert line.ravel().tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_a_generator_has_a_mode_of_its_own():
    @gpunn.no_grad()
    def modes(n):
        for _ in range(n):
            try:
                yield gpunn.is_grad_enabled()
            except KeyError:
                yield "caught"
        return "end"

    def outer():
        found = yield from modes(2)
        yield found, gpunn.is_grad_enabled()

    made = outer()
    assert [next(made), gpunn.is_grad_enabled(), *made] == [False, True, False, ("end", True)]
    made = modes(2)
    next(made)
    assert made.throw(KeyError()) == "caught" and gpunn.is_grad_enabled()
    made.close()
    with pytest.raises(ValueError, match="mine"):
        made = modes(1)
        next(made)
        made.throw(ValueError("mine"))
    assert gpunn.is_grad_enabled()


@pytest.mark.parametrize(
    "many, one, expected",
    [
        ("float32", "float64", "float32"),
        ("float16", "float32", "float16"),
        ("float32", "int64", "float32"),
        ("int8", "int64", "int8"),
        ("uint8", "int8", "uint8"),
        ("int64", "float64", "float64"),
        ("bool", "int16", "int16"),
        ("int32", "bool", "int32"),
    ],
)
def test_a_tensor_without_dimensions_takes_the_dtype_of_its_kind(many, one, expected):
    x, y = gpunn.ones(2, dtype=many), gpunn.ones((), dtype=one)
    for pair in ((x, y), (y, x)):
        assert ops.add(*pair).dtype == expected
        assert ops.where(np.array([True, False]), *pair).dtype == expected
    assert ops.add(y, y).dtype == one


def test_a_number_of_float64_gets_its_gradient_in_float64():
    x, scale = gpunn.ones(3), Tensor(np.array(2.0), requires_grad=True)
    y = x * scale
    y.sum().backward()
    assert y.dtype == np.float32 and scale.gradient.dtype == np.float64 and scale.gradient == 3


def test_a_computed_value_is_no_parameter():
    weight = nn.Parameter(np.ones(2))
    with pytest.raises(ValueError, match=r"SGD: params\[0\] of shape \(2,\) is a computed value, .* expected a leaf;"):
        optim.SGD([weight * 2], 0.1)


@pytest.mark.parametrize(
    "join, shapes",
    [
        (ops.hstack, {(): (1,), (3,): (3,), (5, 1): (5, 1), (2, 3, 1): (2, 3, 1)}),
        (ops.vstack, {(): (1, 1), (3,): (1, 3), (2, 1): (2, 1), (1, 1, 3): (1, 1, 3)}),
        (ops.dstack, {(): (1, 1, 1), (3,): (1, 3, 1), (2, 1): (2, 1, 1), (2, 4, 1, 5): (2, 4, 1, 5)}),
    ],
)
def test_one_array_alone_is_joined_as_it_is(join, shapes):
    for shape, want in shapes.items():
        assert join([gpunn.ones(shape)]).shape == want
        assert join([np.ones(shape)]).shape == want


def test_a_sum_is_scaled_in_its_own_dtype():
    """alpha * b may be more than b's integers hold."""
    large, small = np.array([2**31 - 1], np.int32), np.array([3], np.uint8)
    assert ops.sub(np.zeros(1), large, alpha=2).tolist() == [-2.0 * (2**31 - 1)]
    assert gpunn.zeros(1).add_(gpunn.tensor(small), alpha=-1).tolist() == [-3.0]
    assert ops.add(np.ones(1, np.int16), -1.5, alpha=0).dtype == np.float32
    with pytest.raises(ValueError, match="add: alpha is -1, which uint8 cannot hold; convert a or b first"):
        ops.add(small, small, alpha=-1)


def test_sums_and_products_in_a_dtype_are_of_that():
    x = np.array([200.0, 100.0])
    for op, dtype, want in ((ops.sum, "int16", 300), (ops.prod, "int32", 20000), (ops.sum, "bool", True)):
        assert op(x, dtype=dtype).dtype == dtype and op(x, dtype=dtype) == want


def test_quotients_by_infinity_are_rounded_down():
    x, infinity = np.array([-1.0, 1.0, -0.5], np.float32), np.array([np.inf, -np.inf, np.inf], np.float32)
    for y in (infinity, infinity.astype(np.float64)):
        assert ops.floor_divide(x, y).tolist() == [-1, -1, -1]
    assert ops.floor_divide(x, np.inf).tolist() == [-1, 0, -1]


def test_counts_have_no_gradient():
    assert not ops.histc(gpunn.tensor([1.0, 2.0], requires_grad=True), 2).requires_grad


def test_the_gradient_of_infinity_alone_in_a_running_product():
    x = gpunn.tensor([[np.inf], [2.0]], requires_grad=True)
    ops.cumprod(x, 1).backward(np.full((2, 1), 3.0))
    assert x.gradient.tolist() == [[3], [3]]


def test_prelu_of_no_channels():
    slope = gpunn.zeros(0, requires_grad=True)
    y = ops.prelu(gpunn.zeros(4, 0, 2), slope)
    y.sum().backward()
    assert y.shape == (4, 0, 2) and slope.grad.shape == (0,)


SUMS = [(ops.addmm, (2, 3), (3, 2)), (ops.addmv, (2, 3), 3), (ops.baddbmm, (1, 2, 3), (1, 3, 2))]


@pytest.mark.parametrize("op, a, b", SUMS)
def test_what_a_sum_leaves_out_has_a_gradient_of_zeros(op, a, b):
    x, weight = gpunn.tensor([np.nan], requires_grad=True), gpunn.ones(a, requires_grad=True)
    y = op(x, weight, gpunn.ones(b), beta=0)
    y.sum().backward()
    assert (y.array == 3).all() and x.grad.tolist() == [0] and weight.grad.sum() == 3 * y.size
