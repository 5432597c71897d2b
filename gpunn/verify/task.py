"""A task of `gpunn verify`: one case of one operation, and what every family's tasks need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunn.backend import to_numpy

Give = Callable[[Any], Any]


@dataclass(frozen=True)
class Task:
    """One case of one operation: `run` gives the device's results, `want` the oracle's, each with its sum's length."""

    operation: str
    case: str
    run: Callable[[], tuple]
    want: Callable[[], tuple[tuple[np.ndarray, float, float | None], ...]]  # (values, terms, scale)


def as_f64(array: Any) -> Any:
    return None if array is None else to_numpy(array).astype(np.float64)


def orders(array: Any) -> Iterator[tuple[str, Any]]:
    """The array in both memory orders."""
    yield "", array
    order = (0, *range(2, array.ndim), 1)
    back = (0, array.ndim - 1, *range(1, array.ndim - 1))
    yield ", channels-last", array.transpose(order).copy(order="C").transpose(back)
