"""The tasks of `gpunn verify` for what normalises each sample by its own statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.cuda import group_norm
from gpunn.reference.group_norm import FAR, LAYERS, RowsCase, rows_backward, rows_forward
from gpunn.verify.task import Give, Task, as_f64, placed

EPS = 1e-5
RANGE = ("float32", "bfloat16")  # what holds 1e30


def group_norm_tasks(give: Give) -> Iterator[Task]:
    """Every case as it comes, also not centred, and off 16 bytes."""
    for case in LAYERS + (FAR if give(np.zeros(1)).dtype.name in RANGE else []):
        for how in ("aligned", "unaligned"):
            x, gamma, beta, gy = (None if a is None else placed(give(a), how) for a in case.arrays())
            if gamma is not None and gamma.dtype.itemsize == 2:  # parameters of 16-bit storage are float32
                gamma, beta = gamma.astype(np.float32), beta.astype(np.float32)
            yield from _layer(case, f"{case}, {how}", x, gamma, beta, gy)
            if how == "aligned":
                yield from _rms(case, f"{case}, RMS", x, gamma, gy)


def _layer(case: RowsCase, name: str, x: Any, gamma: Any, beta: Any, gy: Any) -> Iterator[Task]:
    def want() -> tuple:
        y, mean, rstd = rows_forward(*map(as_f64, (x, gamma, beta)), EPS)
        return tuple((a, case.terms, None) for a in (y, mean, rstd))

    with np.errstate(invalid="ignore"):  # of NaN and infinities
        _, mean, rstd = rows_forward(as_f64(x), None, None, EPS)
    kept = tuple(_statistic(a, x) for a in (mean, rstd))

    def want_backward() -> tuple:
        gx, *rest = rows_backward(*map(as_f64, (gy, x, gamma, *kept)))
        return (gx, case.terms, _steepest(gy, gamma, kept[1])), *((a, case.terms, None) for a in rest if case.affine)

    def run_backward() -> tuple:
        return group_norm.layer_backward(gy, x, gamma, *kept, case.affine)[: 3 if case.affine else 1]

    yield Task("group_norm.layer_forward", name, lambda: group_norm.layer_forward(x, gamma, beta, EPS), want)
    yield Task("group_norm.layer_backward", name, run_backward, want_backward)


def _rms(case: RowsCase, name: str, x: Any, gamma: Any, gy: Any) -> Iterator[Task]:
    def want() -> tuple:
        y, _, rstd = rows_forward(*map(as_f64, (x, gamma)), None, EPS, centred=False)
        return (y, case.terms, None), (rstd, case.terms, None)

    with np.errstate(invalid="ignore"):
        _, none, rstd = rows_forward(as_f64(x), None, None, EPS, centred=False)
    kept = _statistic(rstd, x)

    def want_backward() -> tuple:
        gx, ggamma, _ = rows_backward(*map(as_f64, (gy, x, gamma)), none, as_f64(kept), centred=False)
        found = (gx, case.terms, _steepest(gy, gamma, kept)), (ggamma, case.terms, None)
        return found[: 2 if case.affine else 1]

    def run_backward() -> tuple:
        return group_norm.rms_backward(gy, x, gamma, kept, case.affine)[: 2 if case.affine else 1]

    yield Task("group_norm.layer_forward", name, lambda: group_norm.rms_forward(x, gamma, EPS), want)
    yield Task("group_norm.layer_backward", name, run_backward, want_backward)


def _statistic(values: np.ndarray, x: Any) -> Any:
    """As forward keeps it."""
    made = np.empty_like(x, shape=values.shape, dtype=np.float64 if x.dtype == np.float64 else np.float32)
    made[...] = values
    return made



def _steepest(gy: Any, gamma: Any, rstd: Any) -> float | None:
    """The largest of the terms whose difference gx is."""
    g = as_f64(gy) if gamma is None else as_f64(gy) * as_f64(gamma)
    terms = np.abs(g * as_f64(rstd)[:, None])
    return float(terms[np.isfinite(terms)].max()) if terms.size else None
