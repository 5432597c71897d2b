"""The number of threads changes the time, never a bit of the result."""

import numpy as np
import pytest

from gpunn import ops
from gpunn.cpu import threads
from gpunn.reference.cases import NETWORK_BATCHNORMS, NETWORK_CONVS, NETWORK_POOLS


@pytest.fixture
def counts():
    """Sets the thread count for the test's duration."""
    before = threads.thread_count()
    yield threads.set_thread_count
    threads.set_thread_count(before)


def equal_for_every_count(set_count, compute):
    results = []
    for count in (1, 2, 3):
        set_count(count)
        assert threads.thread_count() == count
        results.append(compute())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


NAMES = ["lenet5 conv1", "lenet5 conv2", "resnet20 stage1", "resnet20 stage2 down", "mobilenet depthwise"]


@pytest.mark.parametrize("case", [c for c in NETWORK_CONVS if c.name in NAMES], ids=str)
def test_conv(case, counts):
    x, w, b, gy = case.arrays()
    equal_for_every_count(
        counts, lambda: (ops.conv2d(x, w, b, **case.geometry), *ops.conv2d_backward(gy, x, w, **case.geometry))
    )


def test_pool(counts):
    case = NETWORK_POOLS[0]
    x, gy = case.arrays()

    def compute():
        y, indices = ops.max_pool2d(x, case.size, case.stride, return_indices=True)
        means = ops.avg_pool2d(x, case.size, case.stride)
        return (
            y,
            indices,
            means,
            ops.max_pool2d_backward(gy, indices, case.x),
            ops.avg_pool2d_backward(gy, case.x, case.size, case.stride),
        )

    equal_for_every_count(counts, compute)


def test_batch_norm(counts):
    case = NETWORK_BATCHNORMS[0]
    x, gamma, beta, _, gy = case.arrays()

    def compute():
        mean, var = np.zeros_like(gamma), np.ones_like(gamma)
        y = ops.batch_norm_relu(x, mean, var, gamma, beta, training=True)
        return y, mean, var, *ops.batch_norm_backward(gy, x, gamma, mean, var)

    equal_for_every_count(counts, compute)


def test_an_error_in_a_task_reaches_the_caller(counts):
    counts(2)

    def task(i):
        if i == 3:
            raise ValueError("task 3")

    with pytest.raises(ValueError, match="task 3"):
        threads.parallel_for(task, 8)


def test_every_task_runs_once(counts):
    for count in (1, 2, 3):
        counts(count)
        for n in (0, 1, 2, 7, 100):
            done = np.zeros(n, int)

            def task(i, done=done):
                done[i] += 1

            threads.parallel_for(task, n)
            assert (done == 1).all()


def test_calls_from_several_threads_do_not_share_scratch_memory(counts):
    """A data loader's thread and the training thread may both call ops at once."""
    from concurrent.futures import ThreadPoolExecutor

    counts(2)
    case = next(c for c in NETWORK_CONVS if c.name == "lenet5 conv2")
    x, w, b, _ = case.arrays()
    inputs = [x * scale for scale in range(1, 9)]
    want = [ops.conv2d(a, w, b) for a in inputs]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda a: [ops.conv2d(a, w, b) for _ in range(5)], inputs))
    for a, many in zip(want, got, strict=True):
        for c in many:
            np.testing.assert_array_equal(a, c)
