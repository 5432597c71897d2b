"""Windows of more positions than 16 bits can number."""

from __future__ import annotations

import os

import numpy as np
import pytest

from gpunn import Tensor, ops


@pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of large images: in CI")
def test_the_largest_of_ninety_thousand():
    values = np.random.default_rng(0).permutation(90_000).astype(np.float32).reshape(1, 1, 300, 300)
    x = Tensor(values, requires_grad=True)
    y, place = ops.max_pool2d(x, 300, return_indices=True)
    y.sum().backward()
    assert y.item() == 89_999
    assert place.item() == values.argmax()
    assert np.array_equal(np.flatnonzero(x.gradient), [values.argmax()])
