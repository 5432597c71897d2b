"""max_unpool1d to 3d beside PyTorch's; places named twice and places of none, alike on every device."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops
from tests.parity import normal


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pooling_and_back_is_pytorchs(rank):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    x = normal(2, 3, *(8, 7, 6)[:rank])
    pool, back = (getattr(nn, f"Max{kind}ool{rank}d") for kind in ("P", "Unp"))
    their_pool, their_back = (getattr(torch.nn, f"Max{kind}ool{rank}d") for kind in ("P", "Unp"))
    y, indices = pool(3, 2, 1, return_indices=True)(Tensor(x))
    z, places = their_pool(3, 2, 1, return_indices=True)(torch.tensor(x))
    y, z = Tensor(y.numpy(), requires_grad=True), z.requires_grad_()
    got, want = back(3, 2, 1)(y, indices, x.shape), their_back(3, 2, 1)(z, places, x.shape)
    assert np.array_equal(got.numpy(), want.detach().numpy())
    gy = normal(*x.shape, seed=1)
    got.backward(gy)
    want.backward(torch.tensor(gy))
    assert np.array_equal(np.asarray(y.grad), z.grad.numpy())


@pytest.mark.parametrize("device", ["cpu", "emulator"])
def test_the_later_of_two_counts_and_minus_one_names_none(device):
    x = gpunn.to_device(np.array([[[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]]]), device)
    indices = gpunn.to_device(np.array([[[5, 0, 0], [-1, 1, 1]]]), device)
    leaf = Tensor(x, requires_grad=True)
    y = ops.max_unpool1d(leaf, indices, 2)
    assert np.array_equal(y.numpy(), [[[3, 0, 0, 0, 0, 1], [0, 6, 0, 0, 0, 0]]])
    y.backward(gpunn.to_device(np.arange(1.0, 13).reshape(1, 2, 6), device))
    assert np.array_equal(np.asarray(leaf.grad), [[[6, 1, 1], [0, 8, 8]]])
