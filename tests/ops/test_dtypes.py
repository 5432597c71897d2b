"""No op widens, narrows or rounds in silence: integers beside numbers, joined dtypes, 16-bit counts, odd indices."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops

FLOAT = np.linspace(-1, 1, 4, dtype=np.float32)
WHOLE = np.arange(4)


@pytest.mark.parametrize("whole", [WHOLE, WHOLE.astype(np.uint8), WHOLE.astype(np.int32)])
def test_integers_with_a_python_float_are_float32(whole):
    for y in (ops.mul(whole, 0.5), ops.add(0.5, whole), ops.div(whole, 2), ops.div(whole, whole + 1)):
        assert y.dtype == np.float32
    assert ops.div(whole, 2).tolist() == [0, 0.5, 1, 1.5]
    assert ops.where(whole > 1, whole, 0.5).tolist() == [0.5, 0.5, 2, 3]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_16_bit_floats_with_a_number_stay_16_bit(dtype, shape):
    x = Tensor(np.ones(shape, dtype), requires_grad=True)
    for y in (x + 0.5, 0.5 - x, x * 2.5, 2.5 / x, x**0.5, ops.maximum(x, 0.5), ops.where(x.array > 0, x, 0.5), x * 2):
        assert y.dtype == dtype
    (x * 2.5).sum().backward()
    assert x.gradient.dtype == dtype and (x.gradient == 2.5).all()
    assert (x > 0.5).dtype == bool and ops.add(x, np.float32(1)).dtype == dtype


def test_division_keeps_float64():
    assert ops.div(FLOAT.astype(np.float64), WHOLE + 1).dtype == np.float64


def test_joining_integers_to_float32_stays_float32():
    for join in (ops.concatenate, ops.stack):
        x = Tensor(FLOAT, requires_grad=True)
        y = join([x, WHOLE])
        assert y.dtype == np.float32
        y.sum().backward()
        assert x.gradient.tolist() == [1, 1, 1, 1]


def test_arrays_without_dimensions_are_not_concatenated():
    with pytest.raises(ValueError, match=r"concatenate: got an array without dimensions.* join them with stack"):
        ops.concatenate([np.array(1.0), np.array(2.0)])


class Foreign:
    """Another library's index array."""

    def __array__(self, dtype=None, copy=None):
        return np.array([0, 0, 2], dtype=dtype)


@pytest.mark.parametrize("index", [((0, 0, 2),), Foreign(), (Foreign(),), [0, 0, 2], (Tensor(np.array([0, 0, 2])),)])
def test_elements_taken_twice_get_both_gradients_whatever_the_index_is(index):
    x = Tensor(FLOAT, requires_grad=True)
    x[index].sum().backward()
    assert x.gradient.tolist() == [2, 0, 1, 0]


def test_clip_by_a_numpy_number_keeps_float32_and_refuses_words():
    assert ops.clip(FLOAT, np.float64(-0.5), np.float64(0.5)).dtype == np.float32
    with pytest.raises(TypeError, match="clip: max is a str, expected a number, an array, a Tensor or None; pass one"):
        ops.clip(FLOAT, 0, "1")


def test_mean_and_variance_of_more_float16_elements_than_float16_can_count():
    x = Tensor(np.tile(np.array([1, 3], np.float16), 40_000), requires_grad=True)
    assert x.mean().item() == 2
    assert x.var().item() == pytest.approx(1, abs=1e-3)
    x.mean().backward(np.float16(8000))
    assert np.allclose(x.gradient, 0.1, rtol=1e-3)


def test_pad_says_what_an_int_should_have_been():
    with pytest.raises(TypeError, match=r"pad: padding is 1, expected \(left, right, top, bottom, \.\.\.\)"):
        ops.pad(FLOAT, 1)


def test_dropout_of_a_list_is_an_array_in_evaluation_too():
    assert isinstance(ops.dropout([1.0, 2.0], training=False), np.ndarray)


@pytest.mark.parametrize("device", ["cpu", "emulator"])
def test_bfloat16_stays_beside_numbers_and_meets_float16_in_float32(device):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    brief, half = (gpunn.to_device(np.array([1.5, 2], dtype), device) for dtype in (bfloat16, np.float16))
    for y in (ops.mul(brief, 2.5), ops.add(0.5, brief), ops.where(brief > 1.7, brief, 0.5), ops.pow(brief, 2)):
        assert y.dtype == bfloat16
    for y in (ops.add(brief, half), ops.concatenate([half, brief]), ops.where(brief > 1.7, half, brief)):
        assert y.dtype == np.float32
    assert ops.concatenate([half, brief, brief.astype(np.float64)]).dtype == np.float64


def test_products_of_16_bits_are_added_in_float32():
    for dtype in (np.float16, pytest.importorskip("ml_dtypes").bfloat16):
        y = ops.matmul(np.ones((1, 5000), dtype), np.ones((5000, 1), dtype))
        assert y.dtype == dtype and y == np.asarray(5000, dtype)
