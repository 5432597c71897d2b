"""The types that the contract's signatures are written in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

# CuPy's array has NumPy's interface, and an emulated array is one: types know the one name.
Array: TypeAlias = np.ndarray
# Running mean and variance (C,) to be moved in place towards a batch's by a momentum, and the 0-d int64 count of the
# batches; any of the arrays may be None. Without a momentum, where the count is needed, to the mean over all batches.
Running: TypeAlias = tuple[Array | None, Array | None, float | None, Array | None]
Shape: TypeAlias = tuple[int, ...]
Backward: TypeAlias = Callable[[Array], Array]  # from a result's gradient to the input's
# Two numbers a channel of this rank's batch as those of all ranks', all (C,), of float64.
Join: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]
Arrays: TypeAlias = Sequence[Array]
States: TypeAlias = Sequence[Array | None]
Numbers: TypeAlias = Sequence[tuple]  # of each parameter, in the order of struct Setting in kernels/optim
Settings: TypeAlias = Numbers | Callable[[], Numbers]  # inside a captured graph: what gives them at each replay
