"""Tensor's methods that reduce, normalise or order along dimensions, each one call of the op of its name.

``dim`` and ``keepdim`` are other names of ``axis`` and ``keepdims``. Tensor alone inherits from ReductionMethods.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

# The package, not its ops: those import Tensor, which stands on this class.
import gpunn
from gpunn.backend import is_array
from gpunn.engine.operators import Axis, Named, Value


class ReductionMethods:
    """Sums, extremes, norms, statistics, order."""

    __slots__ = ()

    # Sums and statistics

    def sum(
        self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, *, dtype: DTypeLike | None = None, **alias: Named
    ) -> gpunn.Tensor:
        return gpunn.ops.sum(self, axis, keepdims, dtype=dtype, **alias)

    def mean(
        self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, *, dtype: DTypeLike | None = None, **alias: Named
    ) -> gpunn.Tensor:
        return gpunn.ops.mean(self, axis, keepdims, dtype=dtype, **alias)

    def prod(
        self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, *, dtype: DTypeLike | None = None, **alias: Named
    ) -> gpunn.Tensor:
        return gpunn.ops.prod(self, axis, keepdims, dtype=dtype, **alias)

    def nansum(self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.nansum(self, axis, keepdims, **alias)

    def nanmean(self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.nanmean(self, axis, keepdims, **alias)

    def any(self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.any(self, axis, keepdims, **alias)

    def all(self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.all(self, axis, keepdims, **alias)

    def logsumexp(self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.logsumexp(self, axis, keepdims, **alias)

    def count_nonzero(self: gpunn.Tensor, axis: Axis = None, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.count_nonzero(self, axis, **alias)

    def var(
        self: gpunn.Tensor, axis: Axis = None, correction: float = 1, keepdims: bool = False, **alias: Named
    ) -> gpunn.Tensor:
        return gpunn.ops.var(self, axis, correction, keepdims, **alias)

    def std(
        self: gpunn.Tensor, axis: Axis = None, correction: float = 1, keepdims: bool = False, **alias: Named
    ) -> gpunn.Tensor:
        return gpunn.ops.std(self, axis, correction, keepdims, **alias)

    def norm(
        self: gpunn.Tensor,
        p: float | str = "fro",
        dim: Axis = None,
        keepdim: bool = False,
        dtype: DTypeLike | None = None,
    ) -> gpunn.Tensor:
        return gpunn.ops.norm(self, p, dim, keepdim, dtype)

    def softmax(self: gpunn.Tensor, dim: int, dtype: DTypeLike | None = None) -> gpunn.Tensor:
        return gpunn.ops.softmax(self, dim, dtype)

    def log_softmax(self: gpunn.Tensor, dim: int, dtype: DTypeLike | None = None) -> gpunn.Tensor:
        return gpunn.ops.log_softmax(self, dim, dtype)

    def cumsum(
        self: gpunn.Tensor, dim: int | None = None, dtype: DTypeLike | None = None, **alias: Named
    ) -> gpunn.Tensor:
        return gpunn.ops.cumsum(self, dim, dtype, **alias)

    def cumprod(
        self: gpunn.Tensor, dim: int | None = None, dtype: DTypeLike | None = None, **alias: Named
    ) -> gpunn.Tensor:
        return gpunn.ops.cumprod(self, dim, dtype, **alias)

    # Whether all are alike

    def isclose(
        self: gpunn.Tensor, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> gpunn.Tensor:
        return gpunn.ops.isclose(self, other, rtol, atol, equal_nan)

    def allclose(
        self: gpunn.Tensor, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> bool:
        return gpunn.ops.allclose(self, other, rtol, atol, equal_nan)

    def equal(self: gpunn.Tensor, other: Value) -> bool:
        """Whether the other has the same shape and the same elements: one bool, for which the host waits."""
        return np.shape(other) == self.shape and bool(gpunn.ops.equal(self, other).numpy().all())

    # Extremes and order

    def max(self: gpunn.Tensor, dim: Axis | Value = None, keepdim: bool = False, **alias: Named) -> Any:
        """Largest of all; with a dim, an int, (values, indices) along it, with `axis=` the values alone.

        Of another Tensor or array the larger of two, element by element: maximum.
        """
        return _extreme(gpunn.ops.max, gpunn.ops.maximum, self, dim, keepdim, alias)

    def min(self: gpunn.Tensor, dim: Axis | Value = None, keepdim: bool = False, **alias: Named) -> Any:
        """Smallest of all; with a dim, an int, (values, indices) along it, with `axis=` the values alone.

        Of another Tensor or array the smaller of two, element by element: minimum.
        """
        return _extreme(gpunn.ops.min, gpunn.ops.minimum, self, dim, keepdim, alias)

    def amax(self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.amax(self, axis, keepdims, **alias)

    def amin(self: gpunn.Tensor, axis: Axis = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.amin(self, axis, keepdims, **alias)

    def argmax(self: gpunn.Tensor, axis: int | None = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.argmax(self, axis, keepdims, **alias)

    def argmin(self: gpunn.Tensor, axis: int | None = None, keepdims: bool = False, **alias: Named) -> gpunn.Tensor:
        return gpunn.ops.argmin(self, axis, keepdims, **alias)

    def sort(
        self: gpunn.Tensor, dim: int | None = None, descending: bool = False, stable: bool = True, **alias: Named
    ) -> Any:
        return gpunn.ops.sort(self, dim, descending, stable, **alias)

    def argsort(
        self: gpunn.Tensor, dim: int | None = None, descending: bool = False, stable: bool = True, **alias: Named
    ) -> gpunn.Tensor:
        return gpunn.ops.argsort(self, dim, descending, stable, **alias)

    def topk(
        self: gpunn.Tensor, k: int, dim: int | None = None, largest: bool = True, sorted: bool = True, **alias: Named
    ) -> Any:
        return gpunn.ops.topk(self, k, dim, largest, sorted, **alias)

    def kthvalue(self: gpunn.Tensor, k: int, dim: int | None = None, keepdim: bool = False, **alias: Named) -> Any:
        return gpunn.ops.kthvalue(self, k, dim, keepdim, **alias)

    def median(self: gpunn.Tensor, dim: int | None = None, keepdim: bool = False, **alias: Named) -> Any:
        return gpunn.ops.median(self, dim, keepdim, **alias)

    def mode(self: gpunn.Tensor, dim: int | None = None, keepdim: bool = False, **alias: Named) -> Any:
        return gpunn.ops.mode(self, dim, keepdim, **alias)

    def unique(
        self: gpunn.Tensor,
        sorted: bool = True,
        return_inverse: bool = False,
        return_counts: bool = False,
        dim: int | None = None,
    ) -> Any:
        return gpunn.ops.unique(self, sorted, return_inverse, return_counts, dim)

    def bincount(self: gpunn.Tensor, weights: gpunn.Tensor | None = None, minlength: int = 0) -> gpunn.Tensor:
        return gpunn.ops.bincount(self, weights, minlength)

    def histc(self: gpunn.Tensor, bins: int = 100, min: float = 0, max: float = 0) -> gpunn.Tensor:
        return gpunn.ops.histc(self, bins, min, max)


def _extreme(
    op: Callable[..., Any], binary: Callable[..., Any], x: gpunn.Tensor, dim: Any, keepdim: bool, alias: dict[str, Any]
) -> Any:
    """max and min: of two, of all, along an int dim with indices, along an axis without."""
    if "other" in alias:
        dim = alias.pop("other")
    if isinstance(dim, gpunn.Tensor) or is_array(dim):
        return binary(x, dim, **alias)
    named = {"keepdims": keepdim, **alias}  # axis= and keepdims= are left
    if dim is not None and "axis" in alias:
        raise TypeError(
            f"{op.__name__}: got both dim {dim} and axis {alias['axis']}, two names of one argument; pass one"
        )
    if isinstance(dim, int | np.integer):
        return gpunn.ops.Chosen(*op(x, dim, return_indices=True, **named))
    return op(x, **{"axis": dim, **named})
