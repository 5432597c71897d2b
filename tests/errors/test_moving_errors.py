"""Refusals of the ops that move elements, look rows up, and drop: what, got, expected, remedy."""

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops


def z(*shape, dtype=np.float64):
    return np.zeros(shape, dtype)


INDEX = np.zeros((1, 2, 2), np.int64)
BAD = [
    (lambda: ops.pixel_shuffle(z(3, 3), 2), ValueError, "pixel_shuffle: x is (3, 3), expected (*, C, H, W) with at le"),
    (lambda: ops.pixel_shuffle(z(6, 3, 3), 2), ValueError, "x (6, 3, 3) has 6 channels, expected a multiple of upsca"),
    (lambda: ops.pixel_shuffle(z(4, 3, 3), 0), ValueError, "pixel_shuffle: upscale_factor is 0, expected at least 1"),
    (lambda: ops.pixel_unshuffle(z(1, 3, 4), 2), ValueError, "x is (1, 3, 4), expected last sizes that are multiples"),
    (lambda: ops.channel_shuffle(z(1, 4), 2), ValueError, "channel_shuffle: x is (1, 4), expected (N, C, *) with at"),
    (lambda: ops.channel_shuffle(z(1, 4, 2), 3), ValueError, "has 4 channels, expected a multiple of groups=3"),
    (lambda: ops.unfold(z(3, 3), 2), ValueError, "unfold: x has 2 dimensions (3, 3), expected 4 (N, C, H, W), or 3"),
    (lambda: ops.unfold(z(1, 3, 3), 4), ValueError, "unfold: the window 4x4 is larger than the padded input 3x3"),
    (lambda: ops.unfold(z(1, 3, 3), 2, padding=-1), ValueError, "unfold: padding is -1, expected at least 0"),
    (lambda: ops.unfold(z(1, 3, 3), 2, stride=0), ValueError, "unfold: stride is 0, expected at least 1"),
    (lambda: ops.unfold(z(1, 0, 3, 3), 2), ValueError, "unfold: x (1, 0, 3, 3) has a zero size; only the batch N may"),
    (lambda: ops.fold(z(3, 4), 3, 2), ValueError, "has 3 rows, expected a multiple of the window's 4 elements"),
    (lambda: ops.fold(z(4, 5), 3, 2), ValueError, "fold: x (4, 5) has 5 columns, expected 4: in (3, 3) a window 2x2"),
    (lambda: ops.fold(z(4), 3, 2), ValueError, "fold: x is (4,), expected (N, C*R*S, L) or (C*R*S, L)"),
    (lambda: ops.max_unpool2d(z(1, 2, 2), INDEX + 16, 2), IndexError, "indices[0, 0, 0] is 16, expected 0 to 15 in a"),
    (lambda: ops.max_unpool2d(z(1, 2, 2), INDEX - 2, 2), IndexError, "is -2, expected 0 to 15 in a plane of 4x4, or"),
    (lambda: ops.max_unpool2d(z(1, 2, 3), INDEX, 2), ValueError, "indices is (1, 2, 2), expected (1, 2, 3); pass what"),
    (lambda: ops.max_unpool2d(z(1, 2, 2), INDEX + 0.5, 2), TypeError, "indices are float64, expected integers, int64"),
    (lambda: ops.max_unpool2d(z(1, 2, 2), INDEX, 2, output_size=(6, 4)), ValueError, "is (6, 4), expected (4, 4) or"),
    (lambda: ops.max_unpool1d(z(2), z(2, dtype=np.int64), 2), ValueError, "max_unpool1d: x has 1 dimensions (2,), ex"),
    (lambda: ops.embedding(np.array([0, 3]), z(3, 2)), IndexError, "x has the number 3 (element 1), expected 0 to 2"),
    (lambda: ops.embedding(np.array([-1]), z(3, 2)), IndexError, "embedding: x has the number -1 (element 0), expect"),
    (lambda: ops.embedding(z(2), z(3, 2)), TypeError, "embedding: x is float64, expected integers; convert it"),
    (lambda: ops.embedding(INDEX, z(3)), ValueError, "embedding: weight is (3,), expected (V, D): a row a number"),
    (lambda: ops.embedding(INDEX, z(3, 2), 3), ValueError, "padding_idx is 3, expected -3 to 2: one of the 3 rows"),
    (lambda: ops.embedding(INDEX, z(3, 2), sparse=True), ValueError, "sparse is True, expected False: sparse gradien"),
    (lambda: ops.bilinear(z(2, 3), z(2, 4), z(5, 3, 3)), ValueError, "x1 is (2, 3) and x2 (2, 4), expected (*, 3) and"),
    (lambda: ops.bilinear(z(2, 3), z(2, 4), z(3, 4)), ValueError, "bilinear: w is (3, 4), expected (K, I, J): a matr"),
    (lambda: ops.bilinear(z(2, 3), z(2, 4), z(5, 3, 4), z(4)), ValueError, "bilinear: bias is (4,), expected (5,): o"),
    (lambda: ops.dropout1d(z(3)), ValueError, "dropout1d: x has 1 dimensions (3,), expected (N, C, L) or (C, L)"),
    (lambda: ops.dropout3d(z(3, 3)), ValueError, "expected (N, C, D, H, W) or (C, D, H, W); reshape it"),
    (lambda: ops.alpha_dropout(z(3), 1.5, True), ValueError, "alpha_dropout: p is 1.5, expected 0 to 1: the probabil"),
    (lambda: ops.feature_alpha_dropout(z(3), 0.5, True), ValueError, "x is (3,), expected (N, C, *) with at least 2"),
    (lambda: nn.Unflatten(1, 6), TypeError, "Unflatten: unflattened_size is 6, expected a tuple of ints, as (2, 3)"),
    (lambda: nn.Unflatten(1, (2, 4))(z(2, 6)), ValueError, "unflatten: sizes (2, 4) do not make up"),
    (lambda: nn.Unflatten(2, (2, 3))(z(2, 6)), ValueError, "unflatten: dimension 2 does not fit shape (2, 6); expec"),
    (lambda: nn.Embedding(3, 2, 3), ValueError, "padding_idx is 3, expected -3 to 2: one of the 3 rows of weight"),
    (lambda: nn.Embedding(3, 2, sparse=True), ValueError, "Embedding: sparse is True, expected False: sparse gradien"),
    (lambda: nn.Embedding(3, 2, _weight=z(2, 3)), ValueError, "Embedding: _weight is (2, 3), expected (3, 2)"),
    (lambda: nn.Embedding.from_pretrained(z(3)), ValueError, "embeddings is (3,), expected (V, D): a row a number"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, words", BAD, ids=[words for _, _, words in BAD])
def test_refusals(call, error, words):
    with pytest.raises(error) as refused:
        call()
    assert words in str(refused.value)


def test_a_number_that_is_no_row_is_raised_at_the_next_read_on_a_device():
    """Nothing waits for the device; the first wrong number is told, and only once."""
    weight = gpunn.to_device(np.eye(3), "emulator")
    y = ops.embedding(gpunn.to_device(np.array([[1, 5], [-2, 0]]), "emulator"), weight)
    with pytest.raises(IndexError, match=r"embedding: x has the number 5 \(element 1\), expected 0 to 2"):
        gpunn.to_numpy(y)
    y = ops.embedding(gpunn.to_device(np.array([2, 0]), "emulator"), weight)
    assert np.array_equal(gpunn.to_numpy(y), np.eye(3)[[2, 0]])


@pytest.mark.parametrize("wrong", [16, -2])
def test_a_place_that_is_not_there_is_raised_at_the_next_read_on_a_device(wrong):
    x, indices = (gpunn.to_device(a, "emulator") for a in (np.ones((1, 2, 2)), INDEX + np.array([[0, wrong], [0, 0]])))
    y = ops.max_unpool2d(x, indices, 2)
    with pytest.raises(IndexError, match=r"max_unpool2d: indices\[0, 0, 1\] is .*, expected 0 to 15 in a plane of 4x4"):
        gpunn.to_numpy(y)
