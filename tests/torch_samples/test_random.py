"""PyTorch's samples of what is random: other numbers are drawn, of which the same must hold."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from gpunn import Tensor, grad, ops
from tests.parity import torch
from tests.torch_samples import calls, tables
from tests.torch_samples.convert import ours, to_numpy

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", calls.RANDOM)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_kept_grows_and_its_gradient_with_it(name, dtype):
    info = tables.ops()[name]
    op = getattr(ops, name.removeprefix(calls.F))
    make = partial(info.sample_inputs, "cpu", getattr(torch(), dtype), requires_grad=True)
    for given in tables.samples(f"{name} {dtype}", make):
        check(op, given, info.op)


def check(op: calls.Call, given: Any, torchs: calls.Call) -> None:
    options = {k: v for k, v in given.kwargs.items() if k != "inplace"}
    p, training = options.get("p", 0.5), options.get("training", True)
    x = ours(given.input)
    y = op(x, *ours(given.args), **options)
    want = torchs(given.input.clone(), *given.args, **given.kwargs)
    assert isinstance(y, Tensor) and y.dtype == to_numpy(want).dtype and y.shape == tuple(want.shape)
    (gx,) = grad(y, [x], np.ones(y.shape, y.dtype))
    if not training or p == 0:
        assert np.array_equal(y.data, x.data) and (gx == 1).all()
        return
    kept = gx != 0
    np.testing.assert_allclose(y.data, np.where(kept, x.data / (1 - p) if p < 1 else 0, 0), rtol=1e-6)
    np.testing.assert_allclose(gx, np.where(kept, 1 / (1 - p) if p < 1 else 0, 0), rtol=1e-6)
