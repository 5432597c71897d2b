"""PyTorch's samples of each function under PyTorch's own name and arguments, through gpunn's name spaces.

What an op computes is compared in test_ops; here it is whether `gpunn.sum` and `F.conv2d` take what PyTorch's take.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpunn import functions
from gpunn.nn import functional as F
from tests.parity import torch
from tests.torch_samples import tables
from tests.torch_samples.convert import ours

pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = frozenset({*functions.names(), *(f"nn.functional.{name}" for name in dir(F))})
RANDOM = ("dropout", "rrelu", "bernoulli", "multinomial", "normal", "gumbel")
APART = {  # arguments that gpunn leaves out, and samples that call another function than the name says
    "nn.functional.avg_pool2d": "divisor_override",
    "nn.functional.avg_pool3d": "divisor_override",
    "nn.functional.embedding": "weight comes first",
    "nn.functional.scaled_dot_product_attention": "dropout",
    "nn.functional.triplet_margin_with_distance_loss": "distances are PyTorch's own functions",
    "where": "conditions of numbers",
    "einsum": "a list and the equation behind it",
    "scatter": "products",
    "norm": "nuclear norms",
}


def function_of(name: str) -> Any:
    return getattr(F, name.removeprefix("nn.functional.")) if "." in name else functions.function(name)


def assert_same(got: Any, want: Any, name: str) -> None:
    if isinstance(want, (tuple, list)):
        assert len(got) == len(want)
        for mine, their in zip(got, want, strict=True):
            assert_same(mine, their, name)
    elif isinstance(want, torch().Tensor):
        x, y = np.asarray(got).astype(float), want.detach().numpy().astype(float)
        assert x.shape == y.shape and np.allclose(x, y, rtol=1e-4, atol=1e-4, equal_nan=True), name
    else:
        assert got == want, name


def differing(info: Any, name: str) -> str:
    """What goes wrong with the first samples of an op; "" where nothing does."""
    t = torch()
    kind = t.float32 if t.float32 in info.supported_dtypes("cpu") else t.int64
    for _, given in zip(range(4), info.sample_inputs("cpu", kind), strict=False):
        try:
            want = info.op(given.input, *given.args, **given.kwargs)
        except NotImplementedError:  # of whole numbers
            return ""
        x, args, options = ours([given.input, given.args, given.kwargs], True)
        try:
            assert_same(function_of(name)(x, *args, **options), want, str(given))
        except (ValueError, IndexError):  # refused on purpose: see purpose.py
            continue
        except (TypeError, AssertionError) as error:
            return f"{type(error).__name__}: {error}"
    return ""


def test_names_and_arguments():
    bad, compared = {}, 0
    for info in tables.ops().values():
        name = info.name
        if (
            info.variant_test_name == "complex"
            or name not in NAMES
            or name in APART
            or any(word in name for word in RANDOM)
        ):
            continue
        if tables.EVERYTHING or tables.seed_of(name) % 8 == 0:
            compared += 1
            if words := differing(info, name):
                bad[name] = words
    assert not bad and compared > (200 if tables.EVERYTHING else 15), bad
