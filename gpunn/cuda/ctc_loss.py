"""Connectionist temporal classification on CUDA and emulated arrays: one launch forward, two back.

Lengths on the device stay there. A number out of range is noted, and raised at the next host read
(gpunn/backend/faults.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from gpunn.backend import Array, asarray, device_of, faults
from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.device import empty
from gpunn.cuda.dtypes import accumulate, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import cast, in_order, made_as
from gpunn.cuda.loss import REDUCTIONS
from gpunn.cuda.noted import NAMES, noted
from gpunn.cuda.order import TYPES, as_numbers
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scratch
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout, layout, layouts
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.errors import SpellingError

THREADS = 256
I64 = np.dtype(np.int64)
KEPT_BY_FORWARD = "alpha", "each", "starts", "divisor"
Backward = Callable[[Array], Array]


@dataclass(frozen=True)
class Ctc(Problem):
    """N samples of L steps and C classes, of K labels at most; S labels lie in a row of the targets, M in all."""

    N: int
    C: int
    L: int
    K: int
    S: int
    M: int
    label: str  # the labels' dtype
    flat: bool
    blank: int
    reduction: str
    zero_infinity: bool

    @property
    def struct(self) -> dict[str, int]:
        ends = {"reduction": REDUCTIONS[self.reduction], "zero_infinity": int(self.zero_infinity)}
        return {**self.letters, "blank": self.blank, "flat": int(self.flat), **ends}

    @property
    def macros(self) -> dict[str, object]:
        return {**storage_macros(self.dtype), "LABEL": TYPES[self.label]}


# ---------------------------------------------------------------- variants
GIVEN = "x", "targets", "steps", "lengths"


def _forward(job: Ctc) -> tuple[Launch, ...]:
    parts = Scratch("parts", (3, job.N), np.float64)
    args = (*GIVEN, "alpha", "each", "starts", "loss", "divisor", parts, "state", job, *NAMES)
    return (Launch("loss/ctc_forward", job.macros, (job.N,), (THREADS,), args),)


def _backward(job: Ctc) -> tuple[Launch, ...]:
    wide, width = accumulate(job.dtype), 2 * job.K + 1
    shares, rows = Scratch("shares", (job.L, job.N, width), wide), Scratch("rows", (2, job.N, width), wide)
    following = Scratch("next", (2, job.N, job.K), np.int32)
    args = (*GIVEN, "starts", "alpha", "each", "divisor", shares, rows, following, job)
    after = ("gy", *GIVEN, "starts", "each", "divisor", shares, following, "gx", job)
    threads = min(THREADS, 32 * blocks(max(job.C, job.K), 32))
    return (
        Launch("loss/ctc_shares", job.macros, (job.N,), (THREADS,), args),
        Launch("loss/ctc_backward", job.macros, (job.L * job.N,), (threads,), after),
    )


FORWARD = Operation("ctc_loss.forward", Variant("row", ("loss/ctc_forward",), "every size and dtype", _forward))
BACKWARD = Operation(
    "ctc_loss.backward", Variant("row", ("loss/ctc_backward", "loss/ctc_shares"), "every size and dtype", _backward)
)


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _plans(
    given: tuple[tuple, ...], longest: int | None, state: tuple, fed: tuple | None, job: tuple, asked: Asked
) -> tuple[Plan, Callable[[tuple], Plan]]:
    """The plan forward, and the function from the layout of the loss's gradient to the plan back."""
    x, t, steps, lengths = [Layout(*one) for one in given]
    x, steps, lengths = in_order(x, False), cast(steps, I64), cast(lengths, I64)
    t = as_numbers(t)
    dtype, (L, N, C) = check_arrays(FORWARD.name, x=x), x.shape
    check_devices(FORWARD.name, log_probs=x, targets=t, input_lengths=steps, target_lengths=lengths)
    check_index(FORWARD.name, **{"targets and lengths": (t.size + 2 * N,), "steps and samples": (L, N)})
    K = min(L, t.shape[-1] if longest is None else longest)
    problem = Ctc(dtype, x.aligned, N, C, L, K, t.shape[-1], t.size, t.dtype.name, len(t.shape) == 1, *job)
    wide, size = accumulate(dtype), 2 * K + 1
    made = {"alpha": Output((L, N, size), wide), "each": Output((N,), wide), "starts": Output((N,), I64)}
    outputs = {"loss": Output((N,) if problem.reduction == "none" else (), x.dtype), **made}
    outputs |= {"divisor": Output((1,), wide)}
    inputs = dict(zip(GIVEN, (x, t, steps, lengths), strict=True))
    kept = {name: made_as(outputs[name], x.device) for name in KEPT_BY_FORWARD}

    @lru_cache(8)
    def back(gy: tuple) -> Plan:
        above = {"gy": in_order(Layout(*gy), False), **inputs, **kept}
        return BACKWARD.plan(problem, above, {"gx": Output(x.shape, x.dtype)}, empty=not L)

    return FORWARD.plan(problem, {**inputs, **noted(state, fed)}, outputs), back


# ---------------------------------------------------------------- the twin's function
def forward(
    x: Array, targets: Array, steps: Array, lengths: Array, blank: int, reduction: str, zero_infinity: bool
) -> tuple[Array, Backward]:
    """The reduced loss, and the function from its gradient to x's, which keeps x and alpha."""
    if not x.shape[1]:
        return _nothing(x, reduction)
    longest = int(lengths.max()) if type(lengths) is np.ndarray else None
    device, op = device_of(x), "ctc_loss"
    steps, lengths = (asarray(a, device=device) if type(a) is np.ndarray else a for a in (steps, lengths))
    known = targets.size, x.shape, None if targets.ndim == 1 else targets.shape[1]
    state, serial, call, fed = faults.watch(x, SpellingError.of, op, *known)
    given = x, targets, steps, lengths
    key, job = None if fed is None else layout(fed), (blank, reduction, zero_infinity)
    plan, back = _plans(layouts(*given), longest, layout(state), key, job, forced())
    loss, *kept = plan(*given, state, np.int64(serial), np.int64(call), fed)
    return loss, lambda gy: back(layout(gy))(gy, *given, *kept)


def _nothing(x: Array, reduction: str) -> tuple[Array, Backward]:
    """The loss of no samples."""
    loss = empty(x, (0,) if reduction == "none" else (), x.dtype)
    loss[...] = math.nan if reduction == "mean" else 0
    return loss, partial(_none_of, x)


def _none_of(x: Array, gy: Any) -> Array:
    return empty(x, x.shape, x.dtype)
