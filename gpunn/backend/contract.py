"""What a backend offers, as types: `gpunn.cpu` and `gpunn.cuda` export the same functions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

# CuPy's array has NumPy's interface, and an emulated array is one: types know the one name.
Array: TypeAlias = np.ndarray
