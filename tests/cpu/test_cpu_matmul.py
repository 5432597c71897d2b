"""The matrix product cut over threads against one product in float64, at sizes on both sides of every cut."""

import numpy as np
import pytest

from gpunn.cpu.matmul import matmul
from gpunn.cpu.threads import set_thread_count, thread_count
from gpunn.reference.close import assert_close

SHAPES = [
    ((64, 400), (400, 120)),
    ((1, 3), (3, 1)),
    ((0, 3), (3, 5)),
    ((4, 0), (0, 5)),
    ((64, 800), (800, 500)),
    ((1001, 257), (257, 129)),
    ((129, 257), (257, 1001)),
    ((500, 64), (64, 800)),
    ((2, 9216), (9216, 4096)),
]


def operands(shapes, dtype, turned=False):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return (np.asfortranarray(a), b[:, ::-1]) if turned else (a, b)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_equals_one_product(shapes, dtype, turned):
    a, b = operands(shapes, dtype, turned)
    y = matmul(a, b)
    assert y.dtype == dtype
    assert_close(y, a.astype(np.float64) @ b.astype(np.float64), a.shape[1], dtype)


SMALL = [((3, 4), (4,)), ((4,), (4, 2)), ((4,), (4,)), ((2, 3, 4), (2, 4, 5)), ((3, 4), (2, 4, 5))]


@pytest.mark.parametrize("shapes", SMALL, ids=str)
def test_vectors_and_batches_are_numpys(shapes):
    a, b = operands(shapes, np.float64)
    assert np.allclose(matmul(a, b), np.matmul(a, b))


def test_threads_never_change_a_bit():
    a, b = operands(((1001, 257), (257, 513)), np.float32)
    before = thread_count()
    try:
        results = []
        for threads in (1, 2, 3):
            set_thread_count(threads)
            results.append(matmul(a, b))
    finally:
        set_thread_count(before)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
