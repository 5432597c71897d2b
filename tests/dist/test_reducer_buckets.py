"""Buckets: which gradients lie together, and how."""

import numpy as np
import pytest

from gpunn.dist.buckets import Bucket, memory_order, plan


def test_the_last_parameters_come_first_and_a_bucket_is_full_once_it_has_its_bytes():
    arrays = [np.zeros(n, np.float32) for n in (100, 16, 300, 16, 16)]  # 448, 64, 1216, 64 and 64 bytes, padded
    assert plan(arrays, 128) == [[4, 3], [2], [1, 0]]
    assert plan(arrays, 1) == [[4], [3], [2], [1], [0]]
    assert plan(arrays, 1 << 30) == [[4, 3, 2, 1, 0]]
    assert plan([], 128) == []


def test_the_first_bucket_has_a_mebibyte_at_most():
    arrays = [np.zeros(1 << 18, np.float32) for _ in range(5)]
    assert plan(arrays, 3 << 20) == [[4], [3, 2, 1], [0]]


def test_a_bucket_has_one_dtype():
    arrays = [np.zeros(4, dtype) for dtype in (np.float32, np.float64, np.float32, np.float16, np.float64)]
    assert plan(arrays, 1 << 20) == [[3], [4, 1], [2, 0]]  # in the order in which the last came
    assert plan(arrays, 65) == [[4, 1], [2, 0], [3]]


LIKES = {
    "scalar": np.zeros(()),
    "empty": np.zeros((3, 0)),
    "row-major": np.zeros((2, 3, 4), np.float32),
    "channels last": np.zeros((2, 5, 4, 3)).transpose(0, 3, 1, 2),
    "fortran": np.zeros((3, 1, 4), order="F"),
    "with gaps": np.zeros((4, 6))[::2, ::3],
    "backwards": np.zeros((3, 4))[::-1],
}


@pytest.mark.parametrize("name", LIKES)
def test_a_view_has_the_shape_and_memory_order_of_its_array(name):
    like = LIKES[name]
    bucket = Bucket([1, 0], [like, like])
    for value, view in enumerate(bucket.views, 1):
        assert view.shape == like.shape and view.dtype == like.dtype and memory_order(view) == memory_order(like)
        assert view.base is not None and (not view.size or np.shares_memory(view, bucket.memory))
        view[...] = value
    assert [view.min(initial=9) for view in bucket.views] == ([1, 2] if like.size else [9, 9])
    assert bucket.memory.flags.c_contiguous and bucket.memory.sum() == 3 * like.size  # what lies between stays 0
