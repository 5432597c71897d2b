"""What a backend offers, as types: `gpunn.cpu` and `gpunn.cuda` export the same functions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

# CuPy's array has NumPy's interface, and an emulated array is one: types know the one name.
Array: TypeAlias = np.ndarray
# Running mean and variance (C,), either of which may be None, to be moved in place towards a batch's by a momentum.
Running: TypeAlias = tuple[Array | None, Array | None, float]
