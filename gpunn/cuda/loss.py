"""Losses of class indices on CUDA and emulated arrays: the twin of gpunn.cpu.loss. One launch forward, one back.

A label that is no class is noted on the device and raised at the next host read (gpunn/backend/faults.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn.backend import Array, faults
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.device import empty, zeros
from gpunn.cuda.dtypes import accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import cast, in_order, is_row_major, made_as, new
from gpunn.cuda.noted import NAMES, noted
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scalar, Scratch
from gpunn.cuda.problem import Labels
from gpunn.cuda.signature import Layout, layout, layouts
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.errors import LabelError

THREADS = 256
REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}  # as in kernels/loss/tally.cuh
TYPES = {"int32": "int", "int64": "i64", "uint64": "u64"}  # of labels; others become int64
Backward = Callable[[Array], Array]


# ---------------------------------------------------------------- variants
def _width(job: Labels) -> int:
    """Scores an access: 16 bytes where a row's lie side by side and fill them."""
    wide = pack(job.dtype)
    return wide if job.L == 1 and job.C % wide == 0 and job.aligned else 1


def _launch(job: Labels, name: str, threads: int, args: tuple[Any, ...], **macros: object) -> tuple[Launch, ...]:
    macros = {**storage_macros(job.dtype), "LABEL": TYPES[job.label], **macros}
    return (Launch(f"loss/{name}", macros, (blocks(threads, THREADS),), (THREADS,), args),)


def _finish(threads: int) -> tuple[Any, ...]:
    """Where the blocks of a forward kernel leave their sums."""
    return "divisor", Scratch("parts", (3, blocks(threads, THREADS)), np.float64), "state"


def _forward(job: Labels, lanes: int) -> tuple[Launch, ...]:
    arrays = ("x", "labels", "weight", "loss", "rows", *_finish(job.M * lanes))
    sizes = (job.M, job.C, job.L, job.ignore_index, job.smoothing, REDUCTIONS[job.reduction])
    return _launch(job, "cross_entropy_forward", job.M * lanes, (*arrays, *sizes, *NAMES), LANES=lanes,
                   VEC=_width(job) if lanes > 1 else 1)  # fmt: skip


def _backward(job: Labels) -> tuple[Launch, ...]:
    arrays = ("gy", "x", "labels", "weight", "rows", "divisor", "gx")
    sizes = (job.M, job.C, job.L, job.ignore_index, job.smoothing, int(job.reduction == "none"))
    width = _width(job)
    return _launch(job, "cross_entropy_backward", blocks(job.M * job.C, 4 * width), (*arrays, *sizes), VEC=width)


def _nll_forward(job: Labels) -> tuple[Launch, ...]:
    arrays = ("x", "labels", "weight", "loss", *_finish(job.M))
    sizes = (job.M, job.C, job.L, job.ignore_index, REDUCTIONS[job.reduction])
    return _launch(job, "nll_forward", job.M, (*arrays, *sizes, *NAMES))


def _nll_backward(job: Labels) -> tuple[Launch, ...]:
    sizes = (job.M, job.C, job.L, job.ignore_index, int(job.reduction == "none"))
    return _launch(job, "nll_backward", job.M * job.C, ("gy", "labels", "weight", "divisor", "gx", *sizes))


def _hits(job: Labels, lanes: int) -> tuple[Launch, ...]:
    parts = Scratch("parts", (3, blocks(job.M * lanes, THREADS)), np.float64)
    args = ("x", "labels", "right", "counted", parts, "state", job.M, job.C, job.L, job.ignore_index, "k", "nan_leads")
    return _launch(job, "hits", job.M * lanes, (*args, *NAMES), LANES=lanes)


def _scattered(job: Labels) -> str:
    return "" if job.L == 1 else f"a row's scores lie {job.L} apart, so that lanes had better take rows"


FILE = ("loss/cross_entropy_forward",)
FORWARD = Operation(
    "loss.cross_entropy_forward",
    Variant("warp", FILE, "a warp a row", lambda job: _forward(job, 32), avoid=_scattered),
    Variant("thread", FILE, "a thread a row", lambda job: _forward(job, 1)),
)
BACKWARD = Operation(
    "loss.cross_entropy_backward",
    Variant("element", ("loss/cross_entropy_backward",), "a thread an element", _backward),
)
NLL_FORWARD = Operation("loss.nll_forward", Variant("row", ("loss/nll_forward",), "a thread a row", _nll_forward))
NLL_BACKWARD = Operation(
    "loss.nll_backward", Variant("element", ("loss/nll_backward",), "a thread an element", _nll_backward)
)
HITS = Operation(
    "loss.hits",
    Variant("warp", ("loss/hits",), "a warp a row", lambda job: _hits(job, 32), avoid=_scattered),
    Variant("thread", ("loss/hits",), "a thread a row", lambda job: _hits(job, 1)),
)


# ---------------------------------------------------------------- plans
@lru_cache(KEPT)
def _plans(
    x: tuple,
    labels: tuple,
    weight: tuple | None,
    state: tuple,
    fed: tuple | None,
    job: tuple,
    is_nll: bool,
    asked: Asked,
) -> tuple[Plan, Callable[[tuple], Plan]]:
    """The plan forward, and the function from the layout of the loss's gradient to the plan back."""
    operations = (NLL_FORWARD, NLL_BACKWARD) if is_nll else (FORWARD, BACKWARD)
    w = None if weight is None else in_order(Layout(*weight), False)
    below, targets, nhwc, problem = _problem(operations[0].name, x, labels, w, job)
    wide = accumulate(below.dtype.name)
    given: dict[str, Layout | Scalar | None] = {"labels": targets, "weight": w}
    inputs = {"x": below, **given, **noted(state, fed)}
    rows, divisor = Output((2, problem.M), wide), Output((3,), wide)
    loss = Output(targets.shape if problem.reduction == "none" else (), below.dtype)
    outputs = {"loss": loss, "divisor": divisor} if is_nll else {"loss": loss, "divisor": divisor, "rows": rows}
    if not is_nll:
        given = {"x": below, **given}
    kept = {name: made_as(output, below.device) for name, output in outputs.items() if name != "loss"}

    @lru_cache(8)
    def back(gy: tuple) -> Plan:
        above = in_order(Layout(*gy), False)
        return operations[1].plan(problem, {"gy": above, **given, **kept}, {"gx": new(below.shape, below.dtype, nhwc)})

    return operations[0].plan(problem, inputs, outputs), back


@lru_cache(KEPT)
def _hits_plan(x: tuple, labels: tuple, state: tuple, fed: tuple | None, ignore_index: int, asked: Asked) -> Plan:
    below, targets, _, problem = _problem(HITS.name, x, labels, None, (ignore_index, "none", 0.0))
    inputs: dict[str, Layout | Scalar | None] = {"x": below, "labels": targets, **noted(state, fed)}
    inputs |= {"k": Scalar(np.int32), "nan_leads": Scalar(np.int32)}
    return HITS.plan(problem, inputs, {name: Output((), np.int64) for name in ("right", "counted")})


def _problem(
    name: str, x: tuple, labels: tuple, weight: Layout | None, job: tuple
) -> tuple[Layout, Layout, bool, Labels]:
    """Scores and labels as kernels read them, whether the scores' memory is channels-last, and the checked problem."""
    below, targets = Layout(*x), Layout(*labels)
    nhwc = len(below.shape) > 2 and not is_row_major(below)
    below = in_order(below, nhwc)
    targets = in_order(targets, False) if targets.dtype.name in TYPES else cast(targets, np.dtype(np.int64))
    assert targets is not None
    check_arrays(name, x=below, weight=weight)
    check_index(name, target=targets.shape)
    C = below.shape[0 if len(below.shape) == 1 else 1]
    L = 1 if nhwc else math.prod(below.shape[2:])
    sizes = (below.size // C, C, L)
    return below, targets, nhwc, Labels(below.dtype.name, below.aligned, *sizes, targets.dtype.name, *job)


def _no_class(label: int, row: int, op: str, shape: tuple[int, ...], ignore_index: int, unsigned: bool) -> LabelError:
    """The error of a label that a kernel noted."""
    return LabelError.of(op, label % 2**64 if unsigned else label, shape, ignore_index, row)


# ---------------------------------------------------------------- the twin's functions
def cross_entropy(
    x: Array, labels: Array, weight: Array | None, ignore_index: int, reduction: str, smoothing: float
) -> tuple[Array, Backward, Array]:
    """The reduced loss, the function from its gradient to x's, and the weights' sum. Keeps x and two numbers a row."""
    return _run("cross_entropy", x, labels, weight, (ignore_index, reduction, smoothing), False)


def nll(
    x: Array, labels: Array, weight: Array | None, ignore_index: int, reduction: str, op: str = "nll_loss"
) -> tuple[Array, Backward, Array]:
    """-weight[t] x[t], reduced, the function from its gradient to x's, the weights' sum; errors name `op`."""
    return _run(op, x, labels, weight, (ignore_index, reduction, 0.0), True)


def _run(
    op: str, x: Array, labels: Array, weight: Array | None, job: tuple, is_nll: bool
) -> tuple[Array, Backward, Array]:
    if not labels.size:
        return _nothing(x, job[1])
    state, serial, call, fed = faults.watch(x, _no_class, op, x.shape, job[0], labels.dtype == "uint64")
    forward, back = _plans(*layouts(x, labels, weight, state, fed), job, is_nll, forced())
    loss, *kept = forward(x, labels, weight, state, np.int64(serial), np.int64(call), fed)
    needed = (labels, weight, *kept) if is_nll else (x, labels, weight, *kept)
    return loss, lambda gy: back(layout(gy))(gy, *needed), kept[0]


def hits(x: Array, labels: Array, k: int | None, ignore_index: int, op: str = "") -> tuple[Array, Array]:
    """Rows whose label is among the k largest scores, of equal ones the lower class first; and rows that count.

    Without a k: rows whose label is the argmax, which is the first NaN where there is one. 0-d arrays of integers.
    """
    if not labels.size:
        return zeros(x, (), np.dtype(np.int64)), zeros(x, (), np.dtype(np.int64))
    op = op or ("accuracy" if k is None else "top_k_accuracy")
    state, serial, call, fed = faults.watch(x, _no_class, op, x.shape, ignore_index, labels.dtype == "uint64")
    key = None if fed is None else layout(fed)
    plan = _hits_plan(layout(x), layout(labels), layout(state), key, ignore_index, forced())
    numbers = np.int32(1 if k is None else k), np.int32(k is None)
    return plan(x, labels, state, np.int64(serial), np.int64(call), fed, *numbers)


def _nothing(x: Array, reduction: str) -> tuple[Array, Backward, Array]:
    """The loss of no rows."""
    shape = x.shape
    loss = empty(x, shape[:1] + shape[2:] if reduction == "none" else (), x.dtype)
    loss[...] = math.nan if reduction == "mean" else 0
    count = empty(x, (1,), accumulate(x.dtype.name))
    count[...] = 0
    return loss, lambda gy: empty(gy, shape, gy.dtype), count
