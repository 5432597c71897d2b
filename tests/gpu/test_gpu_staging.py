"""Batches through page-locked memory on a real device: none is used before it is there, or overwritten too soon."""

import numpy as np
import pytest

from gpunn import ops
from gpunn.backend import require_cupy, to_numpy
from gpunn.data import ArrayDataset, DataLoader, TensorDataset

pytestmark = pytest.mark.gpu
Y = np.arange(4096)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).standard_normal((4096, 3, 64, 64), np.float32)


def test_what_is_computed_meanwhile_reads_the_right_batch(images):
    cupy = require_cupy()
    heavy = cupy.ones((3000, 3000), np.float32)
    sums, labels = [], []
    for x, y in DataLoader(ArrayDataset(images, Y), 256, device="cuda", pin_memory=True):
        heavy = heavy @ heavy * 1e-4  # the device is behind the host: copies of later batches come while it computes
        sums.append(x.astype(np.float64).sum(axis=(1, 2, 3)))
        labels.append(y)
        del x, y  # their memory goes to what comes next
    want = images.astype(np.float64).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(np.concatenate([to_numpy(s) for s in sums]), want, rtol=1e-9, atol=1e-9)
    assert np.concatenate([to_numpy(y) for y in labels]).tolist() == Y.tolist()


def test_workers_and_memory_order(images):
    last = images.transpose(0, 2, 3, 1)
    for dataset in (TensorDataset(last.copy().transpose(0, 3, 1, 2), Y), TensorDataset(images, Y)):
        loader = DataLoader(dataset, 512, device="cuda", pin_memory=True, num_workers=2)
        found = [(ops.mean(x, axis=(1, 2, 3)), y) for x, y in loader]
        assert np.concatenate([y.numpy() for _, y in found]).tolist() == Y.tolist()
        np.testing.assert_allclose(np.concatenate([m.numpy() for m, _ in found]), images.mean((1, 2, 3)), atol=1e-5)
