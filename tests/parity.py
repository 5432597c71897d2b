"""Runs one function here and in PyTorch on equal numbers and compares values and gradients.

PyTorch always computes in float64, so that a float32 result is compared with the true value, not with another rounding.
"""

from functools import cache

import numpy as np
import pytest

from gpunn import Tensor
from gpunn.reference.close import assert_close

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


@cache
def torch():
    """PyTorch on one thread; the calling test is skipped where it is not installed."""
    reason = "PyTorch is not installed: pip install torch to run the parity tests"
    module = pytest.importorskip("torch", reason=reason, exc_type=ImportError)
    module.set_num_threads(1)
    return module


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def compare(ours, theirs, *arrays, dtype=np.float64, terms=1, scale=None, seed=1):
    """ours(*Tensors) against theirs(*torch tensors); float arrays are differentiated, others passed on."""
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in map(np.asarray, arrays)]
    floats = [a.dtype.kind == "f" for a in arrays]
    mine = [Tensor(a, requires_grad=True) if f else a for a, f in zip(arrays, floats, strict=True)]
    t = torch()
    other = [
        t.tensor(a.astype(np.float64), requires_grad=True) if f else t.tensor(a)
        for a, f in zip(arrays, floats, strict=True)
    ]
    y, want = ours(*mine), theirs(*other)
    assert isinstance(y, Tensor), f"Tensors in, {type(y).__name__} out"
    assert y.dtype == dtype, f"{np.dtype(dtype)} in, {y.dtype} out"
    assert_close(y.array, want.detach().numpy(), terms, what="value", scale=scale)
    gy = np.random.default_rng(seed).standard_normal(want.shape).astype(dtype)
    y.backward(gy)
    want.backward(t.tensor(gy.astype(np.float64)))
    for i, (x, wanted) in enumerate(zip(mine, other, strict=True)):
        if floats[i]:
            assert x.gradient is not None, f"input {i} got no gradient"
            assert x.gradient.dtype == dtype, f"input {i}: {np.dtype(dtype)} data, {x.gradient.dtype} gradient"
            assert_close(x.grad, wanted.grad.numpy(), terms, what=f"gradient of input {i}", scale=scale)
    return y
