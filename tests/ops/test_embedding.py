"""embedding: rows, their gradient in order, and the options, beside PyTorch's and NumPy's own sums."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops
from gpunn.cpu import indexing

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
rng = np.random.default_rng(0)


@pytest.mark.parametrize("device", ["cpu", "emulator"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding_idx": -2},
        {"scale_grad_by_freq": True, "padding_idx": 3},
        {"max_norm": 1.5},
        {"max_norm": 2.0, "norm_type": 1.0},
        {"max_norm": 0.5, "norm_type": float("inf")},
    ],
)
def test_options_are_pytorchs(options, device):
    table, x, gy = rng.standard_normal((7, 9)), rng.integers(0, 6, (3, 4)), rng.standard_normal((3, 4, 9))
    weight = torch.tensor(table, requires_grad=True)
    want = torch.nn.functional.embedding(torch.tensor(x), weight, **options)
    want.backward(torch.tensor(gy))
    mine = Tensor(gpunn.to_device(table.copy(), device), requires_grad=True)
    y = ops.embedding(gpunn.to_device(x, device), mine, **options)
    y.backward(gpunn.to_device(gy, device))
    np.testing.assert_allclose(y.numpy(), want.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(mine.numpy(), weight.detach().numpy(), rtol=1e-12)  # max_norm changed it
    np.testing.assert_allclose(np.asarray(mine.grad), weight.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_rows_are_added_in_order(dtype):
    """Bit for bit np.add.at's sums, of places named once, a few times, and more often than rounds are made."""
    index = np.concatenate([rng.integers(0, 30, 50), np.full(40, 7), [-1, 4], np.full(9, 2)])
    rng.shuffle(index)
    gy = (rng.standard_normal((index.size, 3, 5)) * 10.0 ** rng.integers(-3, 3, (index.size, 1, 1))).astype(dtype)
    want = np.zeros((30, 3, 5), np.float32 if dtype == "float16" else dtype)
    np.add.at(want, index, gy)
    got = indexing.add(gy, index, (30, 3, 5))
    assert got.dtype == dtype and np.array_equal(got, want.astype(dtype))
    assert np.array_equal(indexing.add(gy[:0], index[:0], (30, 3, 5)), np.zeros((30, 3, 5)))


def test_the_layer_is_pytorchs():
    theirs = torch.nn.Embedding(5, 3, padding_idx=1)
    ours = nn.Embedding(5, 3, padding_idx=1)
    assert not ours.weight.numpy()[1].any() and ours.weight.numpy()[0].all()
    ours.load_state_dict(theirs.state_dict())
    x = np.array([[4, 1], [0, 4]])
    y, want = ours(x), theirs(torch.tensor(x))
    y.sum().backward()
    want.sum().backward()
    assert np.array_equal(y.numpy(), want.detach().numpy())
    assert np.array_equal(np.asarray(ours.weight.grad), theirs.weight.grad.numpy())


def test_from_pretrained_shares_rows_and_freezes():
    rows = rng.standard_normal((4, 2))
    frozen = nn.Embedding.from_pretrained(rows)
    assert not frozen.weight.requires_grad and np.shares_memory(frozen.weight.numpy(), rows)
    free = nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=-1, max_norm=3.0)
    assert free.weight.requires_grad and free.padding_idx == 3 and free.max_norm == 3.0


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64"])
def test_numbers_of_every_integer_type(dtype):
    """Also where the type cannot hold the number of rows."""
    table, x = rng.standard_normal((300, 9)), np.array([3, 100, 3])
    weights = [Tensor(table, requires_grad=True) for _ in range(2)]
    for weight, index in zip(weights, (x, x.astype(dtype)), strict=True):
        y = ops.embedding(index, weight)
        y.backward(np.arange(27.0).reshape(3, 9))
        assert np.array_equal(y.numpy(), table[x])
    assert np.array_equal(weights[0].gradient, weights[1].gradient)


def test_nothing_looked_up():
    weight = Tensor(np.ones((3, 2), np.float32), requires_grad=True)
    y = ops.embedding(np.zeros((2, 0), np.int64), weight)
    y.backward(np.zeros((2, 0, 2), np.float32))
    assert y.shape == (2, 0, 2) and not np.asarray(weight.grad).any()
