"""Batch normalisation by the statistics of several ranks' batches on CUDA and emulated arrays.

The twin of gpunn.cpu.sync_batch_norm: the launches of batch_norm's split passes, between which the ranks meet.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from gpunn.backend import Array
from gpunn.backend.contract import Join
from gpunn.cuda.batch_norm_variants import APPLY_BACKWARD, EVAL_FORWARD, STATISTICS, SUMS, gate_of, holds_signs
from gpunn.cuda.channels import alike, norm_problem, parameters
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Output, Plan
from gpunn.cuda.signature import Layout, layout, layouts
from gpunn.cuda.variants import Asked, forced

Key = tuple | None


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _statistics(x: tuple, asked: Asked) -> Plan:
    first = in_order(Layout(*x), not is_row_major(Layout(*x)))
    job = norm_problem(STATISTICS.name, first, 0.0, 0, 1)
    each = Output((job.C,), accumulate(job.dtype))
    return STATISTICS.plan(job, {"x": first}, {"mean": each, "rstd": each})


@lru_cache(KEPT)
def _normalise(
    x: tuple, gamma: Key, beta: Key, mean: tuple, rstd: tuple, residual: Key, relu: bool, asked: Asked
) -> Plan:
    name, first = EVAL_FORWARD.name, in_order(Layout(*x), not is_row_major(Layout(*x)))
    extra = alike(residual, first)
    job = norm_problem(name, first, 0.0, int(relu), 1, residual=extra)
    wide = parameters(name, first, gamma=gamma, beta=beta, mean=mean, rstd=rstd)
    outputs = {"y": new(first.shape, first.dtype, job.nhwc)}
    if relu and extra and holds_signs(job) and first.size:
        job, outputs["signs"] = replace(job, gate="signs"), Output((first.size // 8,), np.uint8)
    return EVAL_FORWARD.plan(job, {"x": first, **wide, "residual": extra}, outputs, empty=not first.size)


@lru_cache(KEPT)
def _sums(
    gy: tuple, x: tuple, gamma: Key, beta: Key, mean: tuple, rstd: tuple, passed: Key, relu: bool, asked: Asked
) -> Plan:
    first = in_order(Layout(*x), not is_row_major(Layout(*x)))
    above, (gate, told) = alike(gy, first), gate_of(passed, not is_row_major(first))
    job = norm_problem(SUMS.name, first, 0.0, int(relu), 1, gy=above, y=told if gate == "y" else None)
    wide = parameters(SUMS.name, first, gamma=gamma, beta=beta, mean=mean, rstd=rstd)
    each = Output((job.C,), accumulate(job.dtype))
    outputs = {"ggamma": each, "gbeta": each}
    return SUMS.plan(replace(job, gate=gate), {"gy": above, "x": first, **wide, "passed": told}, outputs)


@lru_cache(KEPT)
def _spread(
    gy: tuple, x: tuple, gamma: Key, beta: Key, mean: tuple, rstd: tuple, passed: Key, sums: tuple[tuple, tuple],
    relu: bool, residual: bool, asked: Asked,
) -> Plan:  # fmt: skip
    name, first = APPLY_BACKWARD.name, in_order(Layout(*x), not is_row_major(Layout(*x)))
    above, (gate, told) = alike(gy, first), gate_of(passed, not is_row_major(first))
    job = norm_problem(name, first, 0.0, int(relu), 1, gy=above, y=told if gate == "y" else None)
    inputs: dict[str, Layout | None] = {"gy": above, "x": first}
    inputs |= {**parameters(name, first, gamma=gamma, beta=beta, mean=mean, rstd=rstd), "passed": told}
    inputs |= parameters(name, first, ggamma=sums[0], gbeta=sums[1])
    image = new(first.shape, first.dtype, job.nhwc)
    outputs = {"gx": image, "gresidual": image} if residual else {"gx": image}
    return APPLY_BACKWARD.plan(
        replace(job, gate=gate), inputs if residual else {**inputs, "gresidual": None}, outputs, empty=not first.size
    )


# ---------------------------------------------------------------- the twin's functions
def forward(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    join: Join,
    residual: Array | None = None,
    relu: bool = False,
) -> tuple[Array, Array, Array, Array | None]:
    """y, mean, rstd, and what backward is told of a ReLU; mean, rstd = join(x's mean, x's biased variance)."""
    if x.size:
        own, spread = _statistics(layout(x), forced())(x)
        mean, rstd = join(own.astype(np.float64), spread.astype(np.float64) ** -2.0)
    else:
        mean, rstd = join(_zeros(x), _zeros(x))
    wide = accumulate(x.dtype.name)
    given = x, gamma, beta, mean.astype(wide), rstd.astype(wide), residual
    made = _normalise(*layouts(*given), relu, forced())(*given)
    y, signs = made if isinstance(made, tuple) else (made, None)
    return y, *given[3:5], y if signs is None and relu and residual is not None else signs


def backward(
    gy: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    rstd: Array,
    join: Join,
    passed: Array | None = None,
    residual: bool = True,
    relu: bool = False,
    beta: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """gx, ggamma, gbeta and the masked gy; join(ggamma, gbeta) gives their means over all that was normalised."""
    relu = relu or passed is not None
    masked, given = residual and relu, (gy, x, gamma, beta, mean, rstd, passed)
    keys, wide = layouts(*given), accumulate(x.dtype.name)
    ggamma, gbeta = _sums(*keys, relu, forced())(*given) if x.size else (_zeros(x).astype(wide), _zeros(x).astype(wide))
    means = join(ggamma.astype(np.float64), gbeta.astype(np.float64))
    count = x.size // x.shape[1]
    sums = tuple([(each * count).astype(wide) for each in means])  # the kernel divides by the elements of x's channels
    more = () if masked else (None,)
    made = _spread(*keys, layouts(*sums), relu, masked, forced())(*given, *sums, *more)
    gx, gresidual = made if isinstance(made, tuple) else (made, None)
    if gamma is not None and gamma.dtype != ggamma.dtype:
        ggamma, gbeta = ggamma.astype(gamma.dtype), gbeta.astype(gamma.dtype)
    return gx, ggamma, gbeta, gresidual if relu else gy


def _zeros(x: Array) -> Array:
    """A channel's numbers where x has no samples."""
    return x[:0].sum(tuple([axis for axis in range(x.ndim) if axis != 1]), np.float64)
