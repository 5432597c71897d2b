"""Convolution against the plain loops on the shape table, and against PyTorch option by option."""

import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference import naive
from gpunn.reference.cases import CONV1D, CONV2D, CONV3D
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, compare, normal, torch

# PyTorch's remark on its own copy for even windows.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

EVERY = CONV2D + CONV1D + CONV3D


def op_of(case):
    return {1: ops.conv1d, 2: ops.conv2d, 3: ops.conv3d}[len(case.stride)]


def check_gradients(case, x, w, b, gy):
    """Compares the .gradient of three Tensors with the loops."""
    assert_close(
        x.gradient, naive.conv_grad_input(gy, w.array, case.x, **case.geometry), case.terms_grad_input, what="gx"
    )
    assert_close(
        w.gradient, naive.conv_grad_weight(gy, x.array, case.w, **case.geometry), case.terms_grad_weight, what="gw"
    )
    if b is not None:
        assert_close(b.gradient, naive.conv_grad_bias(gy), case.terms_grad_weight, what="gb")


@DTYPES
@pytest.mark.parametrize("case", EVERY, ids=str)
def test_against_plain_loops(case, dtype):
    x, w, b, gy = case.arrays(dtype)
    tensors = [None if a is None else Tensor(a, requires_grad=True) for a in (x, w, b)]
    y = op_of(case)(*tensors, **case.geometry)
    assert y.dtype == dtype and y.shape == case.y
    assert_close(y.array, naive.conv(x, w, b, **case.geometry), case.terms)
    y.backward(gy)
    assert all(t is None or t.gradient.dtype == dtype for t in tensors)
    check_gradients(case, *tensors, gy)


@pytest.mark.parametrize("case", [CONV2D[1], CONV2D[9], CONV2D[13], CONV2D[14], *CONV1D[1:3], CONV3D[1]], ids=str)
def test_any_strides_may_come_in(case):
    """Channels-last, reversed and stepped memory, broadcast gradients: the numbers decide, not where they lie."""

    def strided(a):
        last = np.ascontiguousarray(np.moveaxis(a, 1, -1))
        wide = np.empty((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
        wide[..., ::2] = a
        return [np.moveaxis(last, -1, 1), wide[..., ::2], np.flip(np.flip(a).copy()), np.asfortranarray(a)]

    x, w, b, gy = case.arrays(np.float64)
    for xs, ws, gs in zip(strided(x), strided(w), strided(gy), strict=True):
        tensors = [None if a is None else Tensor(a, requires_grad=True) for a in (xs, ws, b)]
        y = op_of(case)(*tensors, **case.geometry)
        assert_close(y.array, naive.conv(x, w, b, **case.geometry), case.terms)
        y.backward(gs)
        check_gradients(case, *tensors, gy)
    tensors = [None if a is None else Tensor(a, requires_grad=True) for a in (x, w, b)]
    op_of(case)(*tensors, **case.geometry).sum().backward()  # sum's gradient is one number broadcast
    check_gradients(case, *tensors, np.ones(case.y))


OPTIONS = {
    "defaults": ({}, (4, 3, 3, 3)),
    "stride int": ({"stride": 2}, (4, 3, 3, 3)),
    "stride pair": ({"stride": (1, 3)}, (4, 3, 3, 2)),
    "stride list": ({"stride": [2, 1]}, (4, 3, 3, 2)),
    "padding int": ({"padding": 2}, (4, 3, 3, 3)),
    "padding pair": ({"padding": (0, 3)}, (4, 3, 2, 5)),
    "valid": ({"padding": "valid"}, (4, 3, 3, 3)),
    "same, odd": ({"padding": "same"}, (4, 3, 3, 5)),
    "same, even": ({"padding": "same"}, (4, 3, 4, 2)),
    "same, mixed": ({"padding": "same"}, (4, 3, 3, 4)),
    "same, dilated": ({"padding": "same", "dilation": (3, 2)}, (4, 3, 3, 3)),
    "same, even, dilated": ({"padding": "same", "dilation": (2, 3)}, (4, 3, 2, 4)),
    "same, even, odd dilation": ({"padding": "same", "dilation": (1, 3)}, (4, 3, 2, 2)),
    "dilation": ({"dilation": 2, "padding": 1}, (4, 3, 3, 3)),
    "groups": ({"groups": 3, "padding": 1}, (6, 1, 3, 3)),
    "everything": ({"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 3}, (9, 1, 2, 3)),
}


@DTYPES
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(("options", "weight"), OPTIONS.values(), ids=OPTIONS.keys())
def test_conv2d_options(options, weight, bias, dtype):
    theirs = torch().nn.functional.conv2d
    arrays = [normal(2, 3, 9, 8), normal(*weight, seed=1)] + [normal(weight[0], seed=2)] * bias
    compare(lambda *a: ops.conv2d(*a, **options), lambda *a: theirs(*a, **options), *arrays, dtype=dtype, terms=200)


@pytest.mark.parametrize("padding", [0, 1, (2,), "same", "valid"], ids=str)
@pytest.mark.parametrize("size", [2, 3])
def test_conv1d_options(size, padding):
    theirs = torch().nn.functional.conv1d
    arrays = [normal(2, 4, 9), normal(6, 2, size, seed=1), normal(6, seed=2)]
    for options in ({"dilation": 1}, {"dilation": (2,)}, {"stride": 1 if padding == "same" else 2}):
        options = {"padding": padding, "groups": 2, **options}
        compare(lambda *a, o=options: ops.conv1d(*a, **o), lambda *a, o=options: theirs(*a, **o), *arrays, terms=200)


@pytest.mark.parametrize("padding", [0, 1, (0, 1, 2), "same", "valid"], ids=str)
def test_conv3d_options(padding):
    theirs = torch().nn.functional.conv3d
    arrays = [normal(2, 4, 4, 5, 4), normal(4, 2, 3, 2, 3, seed=1), normal(4, seed=2)]
    for options in ({}, {"dilation": (1, 2, 1)}, {"stride": 1 if padding == "same" else (2, 1, 3)}):
        options = {"padding": padding, "groups": 2, **options}
        compare(lambda *a, o=options: ops.conv3d(*a, **o), lambda *a, o=options: theirs(*a, **o), *arrays, terms=400)


def test_only_the_gradients_asked_for_appear():
    x, w = normal(1, 2, 5, 5), normal(3, 2, 3, 3)
    weight = Tensor(w, requires_grad=True)
    image = Tensor(x)
    ops.conv2d(image, weight, np.zeros(3)).sum().backward()
    assert image.gradient is None and weight.gradient is not None
    image = Tensor(x, requires_grad=True)
    ops.conv2d(image, w).sum().backward()
    assert image.gradient.shape == x.shape


def test_an_unbatched_image_is_either_taken_as_pytorch_takes_it_or_refused_by_name():
    x, w = normal(2, 5, 5), normal(3, 2, 3, 3)
    try:
        y = ops.conv2d(x, w)
    except ValueError as error:
        assert "conv2d" in str(error) and "(2, 5, 5)" in str(error)
    else:
        assert_close(y, naive.conv(x[None], w, None, (1, 1), (0, 0), (1, 1), 1)[0], 18)


@DTYPES
@pytest.mark.parametrize("case", CONV2D, ids=str)
def test_public_backward_on_plain_arrays(case, dtype):
    x, w, _, gy = case.arrays(dtype)
    gx, gw, gb = ops.conv2d_backward(gy, x, w, **case.geometry)
    assert all(type(a) is np.ndarray and a.dtype == dtype for a in (gx, gw, gb))
    assert_close(gx, naive.conv_grad_input(gy, w, case.x, **case.geometry), case.terms_grad_input)
    assert_close(gw, naive.conv_grad_weight(gy, x, case.w, **case.geometry), case.terms_grad_weight)
    assert_close(gb, naive.conv_grad_bias(gy), case.terms_grad_weight)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_public_backward_takes_the_words_for_padding_too(padding):
    x, w = Tensor(normal(2, 3, 6, 5), requires_grad=True), Tensor(normal(4, 3, 2, 3), requires_grad=True)
    y = ops.conv2d(x, w, padding=padding)
    gy = normal(*y.shape, seed=3)
    y.backward(gy)
    gx, gw, gb = ops.conv2d_backward(gy, x.array, w.array, padding=padding)
    assert_close(gx, x.gradient, 9)
    assert_close(gw, w.gradient, 9)
    assert_close(gb, gy.sum((0, 2, 3)), 60)


def test_the_forward_pass_leaves_its_inputs_alone():
    case = CONV2D[9]
    arrays = case.arrays()
    copies = [a.copy() for a in arrays]
    ops.conv2d(*arrays[:3], **case.geometry)
    ops.conv2d_backward(arrays[3], *arrays[:2], **case.geometry)
    for a, b in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------- transposed
TRANSPOSED = {
    "defaults": ({}, (3, 4, 3, 3)),
    "stride": ({"stride": 2}, (3, 4, 3, 3)),
    "stride beyond window": ({"stride": (3, 4)}, (3, 2, 2, 2)),
    "padding": ({"padding": 1, "stride": 2}, (3, 4, 4, 4)),
    "output padding": ({"stride": 2, "padding": 1, "output_padding": 1}, (3, 4, 3, 3)),
    "output padding pair": ({"stride": (2, 3), "output_padding": (0, 2)}, (3, 4, 3, 2)),
    "dilation": ({"dilation": 2, "padding": 1}, (3, 4, 3, 2)),
    "output padding below dilation": ({"dilation": (3, 2), "output_padding": (2, 1)}, (3, 4, 2, 3)),
    "groups": ({"groups": 3, "stride": 2}, (3, 2, 3, 3)),
    "1x1": ({}, (3, 4, 1, 1)),
    "output padding, one channel to many": ({"dilation": 2, "output_padding": 1}, (1, 8, 3, 3)),
    "output padding, many channels to one": ({"dilation": 2, "output_padding": 1}, (8, 1, 3, 3)),
    "everything": (
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 1), "groups": 3, "dilation": (2, 1)},
        (3, 2, 3, 4),
    ),
}


@DTYPES
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(("options", "weight"), TRANSPOSED.values(), ids=TRANSPOSED.keys())
def test_conv_transpose2d(options, weight, bias, dtype):
    theirs = torch().nn.functional.conv_transpose2d
    outputs = weight[1] * options.get("groups", 1)
    arrays = [normal(2, weight[0], 5, 4), normal(*weight, seed=1)] + [normal(outputs, seed=2)] * bias
    compare(
        lambda *a: ops.conv_transpose2d(*a, **options),
        lambda *a: theirs(*a, **options),
        *arrays,
        dtype=dtype,
        terms=200,
    )


def test_conv_transpose2d_takes_pytorchs_order_of_arguments():
    theirs = torch().nn.functional.conv_transpose2d
    arrays = [normal(2, 4, 3, 3), normal(4, 3, 3, 3, seed=1), normal(6, seed=2)]
    # stride 2, padding 1, output_padding 1, groups 2, dilation 1
    compare(
        lambda *a: ops.conv_transpose2d(*a, 2, 1, 1, 2, 1), lambda *a: theirs(*a, 2, 1, 1, 2, 1), *arrays, terms=200
    )


def test_conv_transpose2d_of_an_empty_batch():
    assert ops.conv_transpose2d(np.zeros((0, 3, 4, 4)), np.zeros((3, 2, 3, 3)), stride=2).shape == (0, 2, 9, 9)


def test_conv_transpose2d_is_the_adjoint_of_conv2d():
    """<conv(x), g> = <x, conv_transpose(g)> for one weight: no PyTorch needed."""
    x, w, g = normal(2, 3, 7, 7), normal(5, 3, 3, 3, seed=1), normal(2, 5, 4, 4, seed=2)
    left = (ops.conv2d(x, w, stride=2, padding=1) * g).sum()
    right = (x * ops.conv_transpose2d(g, w, stride=2, padding=1)).sum()
    assert_close(left, right, 500)
