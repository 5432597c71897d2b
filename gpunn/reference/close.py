"""One comparison for every test: non-finite fails, the worst element is named, tolerance follows the sum's length."""

import numpy as np

EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


def tolerance(want, terms, dtype, scale=None):
    """4 eps sqrt(terms) max|want|: rounding of a sum of `terms` products grows like a random walk.

    `scale` replaces max|want| where terms cancel by design and the result is far smaller than what was summed.
    """
    if scale is None:
        scale = float(np.max(np.abs(want), initial=0.0)) or 1.0
    return 4 * EPS[str(np.dtype(dtype) if not isinstance(dtype, str) else dtype)] * max(terms, 1) ** 0.5 * scale


def assert_close(got, want, terms=1, dtype=None, what="result", scale=None):
    """Compares an array (or Tensor) with the oracle's float64 array; `dtype` is got's own unless said."""
    got = got if hasattr(got, "dtype") else np.asarray(got)
    dtype = str(got.dtype) if dtype is None else str(np.dtype(dtype) if not isinstance(dtype, str) else dtype)
    got = np.asarray(getattr(got, "array", got) if not isinstance(got, np.ndarray) else got)
    want = np.asarray(want, np.float64)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    got = got.astype(np.float64)
    atol = tolerance(want, terms, dtype, scale)
    good = np.isfinite(got) & np.isfinite(want) & (np.abs(got - want) <= atol)
    if good.all():
        return
    error = np.where(np.isfinite(got) & np.isfinite(want), np.abs(got - want), np.inf)
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(error), error.shape))
    raise AssertionError(
        f"{what}: {int((~good).sum())} of {good.size} elements differ; worst at {worst}: got {got[worst]!r}, "
        f"expected {want[worst]!r}, off by {error[worst]:.3g}, allowed {atol:.3g} ({dtype}, {terms} terms)"
    )
