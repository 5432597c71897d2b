"""scaled_dot_product_attention and its masks: values and gradients of PyTorch's, on every device, without L x S."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, grad, gradcheck, no_grad, ops
from gpunn.cpu import attention
from tests.parity import compare, normal, torch
from tests.thinned import one_in

sdpa = ops.scaled_dot_product_attention
Q, K, V = normal(2, 3, 5, 4), normal(2, 3, 7, 4, seed=1), normal(2, 3, 7, 6, seed=2)
SEEN = np.random.default_rng(3).random((5, 7)) < 0.6
SEEN[1] = False  # a row that sees nothing
ADDED = np.where(SEEN, normal(5, 7), -np.inf)


def theirs(*inputs, mask=None, **options):
    t = torch()
    mask = mask if mask is None else t.tensor(mask)
    return t.nn.functional.scaled_dot_product_attention(*inputs, attn_mask=mask, **options)


CASES = {
    "plain": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "bool": {"mask": SEEN},
    "added": {"mask": ADDED},
    "a mask a head": {"mask": np.broadcast_to(SEEN, (2, 3, 5, 7)) ^ (normal(2, 3, 5, 7) > 1)},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("block", [1 << 17, 8])
def test_parity(name, block, monkeypatch):
    monkeypatch.setattr(attention, "BLOCK", block)
    options = dict(CASES[name])
    mask = options.pop("mask", None)
    compare(
        lambda *a: sdpa(*a, attn_mask=mask, **options), lambda *a: theirs(*a, mask=mask, **options), Q, K, V, terms=90
    )


def test_many_rows_take_blocks_of_rows(monkeypatch):
    monkeypatch.setattr(attention, "BLOCK", 16 * 40)
    q, k, v = normal(40, 4), normal(40, 4, seed=1), normal(40, 4, seed=2)
    for causal in (False, True):
        compare(lambda *a, c=causal: sdpa(*a, is_causal=c), lambda *a, c=causal: theirs(*a, is_causal=c), q, k, v,
                terms=300)  # fmt: skip


def test_heads_share_keys():
    q = normal(2, 6, 5, 4)
    compare(lambda *a: sdpa(*a, enable_gqa=True), lambda *a: theirs(*a, enable_gqa=True), q, K, V, terms=90)


def test_a_masks_gradient():
    def ours(q, k, v, m):
        return sdpa(q, k, v, attn_mask=m)

    def its(q, k, v, m):
        return torch().nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=m)

    compare(ours, its, Q, K, V, normal(5, 7), terms=90)
    assert gradcheck(ours, [Q, K, V, normal(3, 5, 7)])


def test_a_row_that_sees_nothing_gives_zeros_and_no_gradient():
    q, k, v = (Tensor(a, requires_grad=True) for a in (Q, K, V))
    for mask in (SEEN, ADDED, Tensor(ADDED, requires_grad=True)):
        y = sdpa(q, k, v, attn_mask=mask)
        assert (np.asarray(y)[:, :, 1] == 0).all()
        gradients = grad(y, [q, k, v], np.ones(y.shape))
        assert all(np.isfinite(np.asarray(g)).all() for g in gradients)
        assert (np.asarray(gradients[0])[:, :, 1] == 0).all()


def test_dropout_drops_weights_of_the_generators_stream():
    eye = np.eye(64)
    gpunn.manual_seed(3)
    y = sdpa(np.zeros((64, 64)), np.zeros((64, 64)), eye, dropout_p=0.25)
    kept = y != 0
    assert 0.7 < kept.mean() < 0.8
    np.testing.assert_allclose(y[kept], 1 / 64 / 0.75)
    gpunn.manual_seed(3)
    np.testing.assert_array_equal(sdpa(np.zeros((64, 64)), np.zeros((64, 64)), eye, dropout_p=0.25), y)
    np.testing.assert_array_equal(sdpa(Q, K, V, dropout_p=1.0), np.zeros((2, 3, 5, 6)))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("device", one_in(2, ["cpu", "emulator"]))
def test_with_dropout_it_is_its_parts(name, device):
    """Weights of attention to an identity, dropped by ops.dropout of the same numbers, and their gradients."""
    if not gpunn.is_available(device):
        pytest.skip("the emulator is not available here")
    options = dict(CASES[name])
    mask = options.pop("mask", None)
    mask = mask if mask is None else gpunn.to_device(mask, device)
    q, k, v = (gpunn.to_device(a, device) for a in (Q, K, V))
    every = gpunn.to_device(np.broadcast_to(np.eye(7), (2, 3, 7, 7)).copy(), device)
    found = []
    for whole in (True, False):
        gpunn.manual_seed(5)
        leaves = [Tensor(a, requires_grad=True) for a in (q, k, v)]
        if whole:
            y = sdpa(*leaves, attn_mask=mask, dropout_p=0.4, **options)
        else:
            shares = sdpa(*leaves[:2], Tensor(every), attn_mask=mask, **options)
            y = ops.matmul(ops.dropout(shares, 0.4), leaves[2])
        found.append([y, *grad(y, leaves, gpunn.to_device(normal(*y.shape, seed=7), device))])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(gpunn.to_numpy(one), gpunn.to_numpy(other), rtol=1e-9, atol=1e-12)
    assert name == "plain" or np.isfinite(gpunn.to_numpy(found[0][0])).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_are_computed_in_float32(dtype):
    dtype = gpunn.asked.dtype_of("bf16") if dtype == "bfloat16" else np.dtype(dtype)
    inputs = [a.astype(np.float32).astype(dtype) for a in (Q, K, V)]
    found = []
    for given in (inputs, [a.astype(np.float32) for a in inputs]):
        leaves = [Tensor(a, requires_grad=True) for a in given]
        y = sdpa(*leaves, attn_mask=SEEN)
        gradients = grad(y, leaves, np.ones(y.shape, y.dtype))
        found.append([np.asarray(y), *map(np.asarray, gradients)])
    for narrow, wide in zip(*found, strict=True):
        assert narrow.dtype == dtype
        np.testing.assert_array_equal(narrow, wide.astype(dtype))


@pytest.mark.parametrize("name", CASES)
def test_on_kernels_it_is_cpus(name, place):
    options = dict(CASES[name])
    mask = options.pop("mask", None)
    found = []
    for where in ("cpu", place):
        leaves = [Tensor(gpunn.to_device(a[:1, :2].astype(np.float32), where), requires_grad=True) for a in (Q, K, V)]
        mask_there = (
            None if mask is None else gpunn.to_device(mask[..., :1, :2, :, :] if mask.ndim > 2 else mask, where)
        )
        y = sdpa(*leaves, attn_mask=mask_there, **options)
        y.backward(gpunn.to_device(np.ones(y.shape, np.float32), where))
        found.append([gpunn.to_numpy(a) for a in (y, *(leaf.grad for leaf in leaves))])
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)


def test_none_and_nothing_to_see():
    assert sdpa(Q[:0], K[:0], V[:0]).shape == (0, 3, 5, 6)
    q = Tensor(Q, requires_grad=True)
    y = sdpa(q, K[..., :0, :], V[..., :0, :])
    assert (np.asarray(y) == 0).all()
    y.sum().backward()
    assert (np.asarray(q.grad) == 0).all()


def test_views_and_memory_order():
    """Heads as a projection makes them, transposed, are read where they lie; the result lies as query does."""
    q, k, v = (normal(2, 5, 3, 4, seed=i).transpose(0, 2, 1, 3) for i in range(3))
    with no_grad():
        y = sdpa(q, k, v)
    np.testing.assert_allclose(y, sdpa(q.copy(), k.copy(), v.copy()), rtol=1e-12)
    assert y.transpose(0, 2, 1, 3).flags.c_contiguous
    five = [np.broadcast_to(a, (2, *a.shape)) for a in (q, k, v)]
    np.testing.assert_array_equal(sdpa(five[0], five[1], five[2])[1], y)
