"""PyTorch's samples of sort, argsort, topk, kthvalue, mode and allclose.

Which of equal values comes first PyTorch leaves open: the values are compared, and that the indices lead to them;
the indices themselves, and gradients, where all values differ.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from gpunn import Tensor, grad, ops
from tests.parity import torch
from tests.torch_samples import tables
from tests.torch_samples.convert import ours, plain, theirs

pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = ("sort", "argsort", "topk", "kthvalue", "mode")


def samples(name, dtype):
    info, kind = tables.ops()[name], getattr(torch(), dtype)
    make = partial(info.sample_inputs, "cpu", kind, requires_grad=dtype == "float64" and info.supports_autograd)
    return info, tables.samples(f"{name} {dtype}", make, share=4)


def distinct(x):
    return x.numel() < 2 or len(torch().unique(x)) == x.numel()


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "bool"])
@pytest.mark.parametrize("name", NAMES)
def test_samples(name, dtype):
    if getattr(torch(), dtype) not in tables.ops()[name].supported_dtypes("cpu"):
        pytest.skip("not of this dtype in PyTorch")
    info, found = samples(name, dtype)
    for sample in found:
        mine, other = ours([sample.input, sample.args, sample.kwargs]), theirs(sample.input)
        got = getattr(ops, name)(mine[0], *mine[1], **mine[2])
        want = info.op(other, *sample.args, **sample.kwargs)
        check(name, sample, mine[0], got, other, want)


def check(name, sample, x, got, other, want):
    if name == "argsort":
        got, want = (None, got), (None, want)
    indices = plain(got[1])
    assert indices.dtype == np.int64 and indices.shape == tuple(want[1].shape), sample
    if distinct(other):
        np.testing.assert_array_equal(indices, want[1].numpy())
    if name == "argsort":
        return
    np.testing.assert_array_equal(plain(got[0]), plain(want[0]))
    if distinct(other) and other.requires_grad:
        gy = np.random.default_rng(0).standard_normal(tuple(want[0].shape))
        expected = torch().autograd.grad(want[0], other, torch().from_numpy(np.asarray(gy)))[0]
        np.testing.assert_array_equal(grad(got[0], x, gy), expected.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_allclose(dtype):
    info, found = samples("allclose", dtype)
    for sample in found:
        mine = ours([sample.input, sample.args, sample.kwargs])
        assert ops.allclose(mine[0], *mine[1], **mine[2]) is info.op(sample.input, *sample.args, **sample.kwargs)


@pytest.mark.parametrize("name", [*NAMES, "median", "max.reduction_with_dim"])
def test_errors(name):
    info = tables.ops()[name]
    for bad in info.error_inputs("cpu") if info.error_inputs_func else ():
        given = ours([bad.sample_input.input, bad.sample_input.args, bad.sample_input.kwargs])
        with pytest.raises((TypeError, ValueError, IndexError), match=rf"^{name.split('.')[0]}: "):
            getattr(ops, name.split(".")[0])(given[0], *given[1], **given[2])


@pytest.mark.parametrize("name", ["sort", "median", "kthvalue", "mode", "topk"])
def test_nan_counts_as_the_largest(name):
    x = np.array([[2.0, np.nan, 1.0, np.nan], [3.0, 1.0, 2.0, 1.0]])
    options = {"kthvalue": {"k": 4}, "topk": {"k": 3}, "median": {"dim": 1}}.get(name, {})
    got, want = getattr(ops, name)(x, **options), getattr(torch(), name)(torch().tensor(x), **options)
    np.testing.assert_array_equal(got.values, want.values.numpy())
    if name in ("sort", "median"):
        np.testing.assert_array_equal(got.indices[0], (want.indices if name == "median" else stable(x))[0].numpy())


def stable(x):
    return torch().sort(torch().tensor(x), stable=True).indices


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("shape", [(200,), (4, 50), (50, 4)])
def test_ties_keep_their_order(shape, descending):
    x = np.random.default_rng(0).integers(0, 5, shape).astype(np.float32)
    want = torch().sort(torch().tensor(x), dim=0, descending=descending, stable=True)
    got = Tensor(x).sort(0, descending)
    np.testing.assert_array_equal(got.indices.numpy(), want.indices.numpy())
    np.testing.assert_array_equal(got.values.numpy(), want.values.numpy())
