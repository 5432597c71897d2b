"""The tasks of `gpunn verify` for what normalises each sample by its own statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.backend import device_of, to_device
from gpunn.cuda import group_norm
from gpunn.reference.group_norm import (
    FAR,
    FAR_GROUPS,
    GROUPS,
    LAYERS,
    GroupsCase,
    RowsCase,
    groups_backward,
    groups_forward,
    rows_backward,
    rows_forward,
)
from gpunn.verify.task import Give, Task, as_f64, orders, placed

EPS = 1e-5
RANGE = ("float32", "bfloat16")  # what holds 1e30


def group_norm_tasks(give: Give) -> Iterator[Task]:
    """Every case as it comes, also not centred, and off 16 bytes."""
    is_far = give(np.zeros(1)).dtype.name in RANGE
    for case in LAYERS + FAR * is_far:
        for how in ("aligned", "unaligned"):
            x, gamma, beta, gy = _arrays(case, give, how)
            yield from _layer(case, f"{case}, {how}", x, gamma, beta, gy)
            if how == "aligned":
                yield from _rms(case, f"{case}, RMS", x, gamma, gy)
    for case in GROUPS + FAR_GROUPS * is_far:
        x, gamma, beta, gy = _arrays(case, give, "aligned")
        for (order, below), (_, above) in zip(orders(x), orders(gy), strict=True):
            yield from _group(case, f"{case}{order}", below, gamma, beta, above)
        yield from _group(case, f"{case}, unaligned", *_arrays(case, give, "unaligned"))


def _arrays(case: RowsCase, give: Give, how: str) -> Any:
    x, gamma, beta, gy = (None if a is None else placed(give(a), how) for a in case.arrays())
    if x is not None and x.dtype.itemsize == 2:  # parameters of 16-bit storage are float32
        gamma, beta = (None if a is None else a.astype(np.float32) for a in (gamma, beta))
    return x, gamma, beta, gy


def _group(case: GroupsCase, name: str, x: Any, gamma: Any, beta: Any, gy: Any) -> Iterator[Task]:
    groups = case.groups

    def want() -> tuple:
        y, mean, rstd = groups_forward(as_f64(x), groups, *_plain(gamma, beta), eps=EPS)
        return tuple((a, case.terms, None) for a in (y, mean, rstd))

    with np.errstate(invalid="ignore"):  # of NaN and infinities
        _, *found = groups_forward(as_f64(x), groups, None, None, EPS)
    mean, rstd = (_statistic(a, x) for a in found)

    def want_backward() -> tuple:
        gx, *rest = groups_backward(as_f64(gy), as_f64(x), groups, *_plain(gamma, mean, rstd))
        steep = found[1][np.isfinite(found[1])]
        scale = 3 * float(steep.max()) if steep.size else None
        return (gx, case.terms, scale), *((a, len(gx) * case.terms, None) for a in rest if case.affine)

    def run_backward() -> tuple:
        found = group_norm.group_backward(gy, x, groups, gamma, mean, rstd, case.affine)
        return found[: 3 if case.affine else 1]

    yield Task("group_norm.group_forward", name, lambda: group_norm.group_forward(x, groups, gamma, beta, EPS), want)
    yield Task("group_norm.group_backward", name, run_backward, want_backward)


def _layer(case: RowsCase, name: str, x: Any, gamma: Any, beta: Any, gy: Any) -> Iterator[Task]:
    def want() -> tuple:
        y, mean, rstd = rows_forward(*_plain(x, gamma, beta), eps=EPS)
        return tuple((a, case.terms, None) for a in (y, mean, rstd))

    with np.errstate(invalid="ignore"):  # of NaN and infinities
        _, mean, rstd = rows_forward(as_f64(x), None, None, EPS)
    kept = tuple(_statistic(a, x) for a in (mean, rstd))

    def want_backward() -> tuple:
        gx, *rest = rows_backward(*_plain(gy, x, gamma), mean=as_f64(kept[0]), rstd=as_f64(kept[1]))
        return (gx, case.terms, _steepest(gy, gamma, kept[1])), *((a, case.terms, None) for a in rest if case.affine)

    def run_backward() -> tuple:
        return group_norm.layer_backward(gy, x, gamma, kept[0], kept[1], case.affine)[: 3 if case.affine else 1]

    yield Task("group_norm.layer_forward", name, lambda: group_norm.layer_forward(x, gamma, beta, EPS), want)
    yield Task("group_norm.layer_backward", name, run_backward, want_backward)


def _rms(case: RowsCase, name: str, x: Any, gamma: Any, gy: Any) -> Iterator[Task]:
    def want() -> tuple:
        y, _, rstd = rows_forward(*_plain(x, gamma), beta=None, eps=EPS, centred=False)
        return (y, case.terms, None), (rstd, case.terms, None)

    with np.errstate(invalid="ignore"):
        _, none, rstd = rows_forward(as_f64(x), None, None, EPS, centred=False)
    kept = _statistic(rstd, x)

    def want_backward() -> tuple:
        gx, ggamma, _ = rows_backward(*_plain(gy, x, gamma), mean=none, rstd=as_f64(kept), centred=False)
        found = (gx, case.terms, _steepest(gy, gamma, kept)), (ggamma, case.terms, None)
        return found[: 2 if case.affine else 1]

    def run_backward() -> tuple:
        return group_norm.rms_backward(gy, x, gamma, kept, case.affine)[: 2 if case.affine else 1]

    yield Task("group_norm.layer_forward", name, lambda: group_norm.rms_forward(x, gamma, EPS), want)
    yield Task("group_norm.layer_backward", name, run_backward, want_backward)


def _plain(*arrays: Any) -> Any:
    """On the host in float64."""
    return [as_f64(a) for a in arrays]


def _statistic(values: np.ndarray, x: Any) -> Any:
    """As forward keeps it."""
    return to_device(values.astype(np.float64 if x.dtype == np.float64 else np.float32), device_of(x))



def _steepest(gy: Any, gamma: Any, rstd: Any) -> float | None:
    """The largest of the terms whose difference gx is."""
    g, weight, scale = _plain(gy, gamma, rstd)
    terms = np.abs(g * scale[:, None]) if weight is None else np.abs(g * weight * scale[:, None])
    return float(terms[np.isfinite(terms)].max()) if terms.size else None
