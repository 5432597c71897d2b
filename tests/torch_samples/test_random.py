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
    op = getattr(ops, name.removeprefix(calls.F).partition(".")[0])
    make = partial(info.sample_inputs, "cpu", getattr(torch(), dtype), requires_grad=True)
    for given in tables.samples(f"{name} {dtype}", make):
        check(op, given, info.op)


def check(op: calls.Call, given: Any, torchs: calls.Call) -> None:
    options = {k: v for k, v in given.kwargs.items() if k != "inplace"}
    p, training = options.get("p", 0.5), options.get("training", "alpha" not in op.__name__)
    x = ours(given.input)
    y = op(x, *ours(given.args), **options)
    want = torchs(given.input.clone(), *given.args, **given.kwargs)
    assert isinstance(y, Tensor) and y.dtype == to_numpy(want).dtype and y.shape == tuple(want.shape)
    (gx,) = grad(y, [x], np.ones(y.shape, y.dtype))
    if not training or p == 0:
        assert np.array_equal(y.array, x.array) and (gx == 1).all()
        return
    grown, beside, dropped = levels(p, "alpha" in op.__name__)
    kept, values = gx != 0, np.asarray(x)
    np.testing.assert_allclose(np.asarray(y), np.where(kept, values * grown + beside, dropped), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(gx, np.where(kept, grown, 0), rtol=1e-6)


def levels(p: float, alpha: bool) -> tuple[float, float, float]:
    """The factor and the addend of what is kept, and what is dropped becomes."""
    if p == 1:
        return 0, 0, 0
    if not alpha:
        return 1 / (1 - p), 0, 0
    limit = -1.0507009873554805 * 1.6732632423543772  # SELU's scale and alpha
    grown = (1 - p + p * (1 - p) * limit**2) ** -0.5
    return grown, -grown * limit * p, grown * limit * (1 - p)
