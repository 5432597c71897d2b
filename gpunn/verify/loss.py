"""The tasks of `gpunn verify` for losses of class indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gpunn.backend import Array, faults, to_device
from gpunn.cuda import loss
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.kernel import kernel
from gpunn.cuda.plans import Scratch
from gpunn.cuda.problem import Labels
from gpunn.cuda.variants import OPERATIONS
from gpunn.errors import LabelError
from gpunn.reference.loss import LOSSES, LossCase, cross_entropy, cross_entropy_backward, hits, nll, nll_backward
from gpunn.verify.space import Beyond, Space, exact, numbers
from gpunn.verify.task import Give, Task, as_f64, orders

ROWS, CLASSES, KEPT = 2**19 + 2, 4104, 8  # of those past 2^31 scores, and how many of their rows have any


def loss_tasks(device: str, give: Give) -> Iterator[Task]:
    """Every case in every reduction and memory order."""
    for number, case in enumerate(LOSSES):
        x, labels, weight, gy = case.arrays()
        x, weight, each = give(x), give(weight), give(gy)
        given = to_device(labels.astype((np.int64, np.int32)[number % 2]), device)
        for reduction in ("none", "mean", "sum"):
            above = each if reduction == "none" else give(np.asarray(1.5))
            for order, one in orders(x):
                yield from _case(case, f"{case}, {reduction}{order}", one, given, labels, weight, above, reduction)
        if x.ndim > 1:
            yield from _hits(case, x, given, labels)
    yield from _wrong_labels(device, give)
    yield from _hits_of_ties(device, give)


def _hits(case: LossCase, x: Array, given: Array, labels: np.ndarray) -> Iterator[Task]:
    for k in (None, 2):
        for order, one in orders(x):
            yield _hits_task(f"{case}, k {k}{order}", one, given, labels, k, case.ignore_index)


def _hits_task(name: str, x: Array, given: Array, labels: np.ndarray, k: int | None, ignore_index: int) -> Task:
    def want() -> tuple:
        return tuple([(count, 0, None) for count in hits(as_f64(x), labels, k, ignore_index)])

    return Task("loss.hits", name, partial(loss.hits, x, given, k, ignore_index), want)


def _hits_of_ties(device: str, give: Give) -> Iterator[Task]:
    """Equal scores, infinities and NaN, in one lane's classes and in several lanes'."""
    rng = np.random.default_rng(8)
    for classes in (4, 40):
        x, labels = rng.choice([0, 1, 2, np.nan, np.inf, -np.inf], (300, classes)), rng.integers(0, classes, 300)
        for k in (None, 1, 3):
            yield _hits_task(f"ties and NaN of {classes}, k {k}", give(x), to_device(labels, device), labels, k, 2)


def _case(
    case: LossCase,
    name: str,
    x: Array,
    given: Array,
    labels: np.ndarray,
    weight: Array | None,
    gy: Array,
    reduction: str,
) -> Iterator[Task]:
    softmax = partial(loss.cross_entropy, x, given, weight, case.ignore_index, reduction, case.smoothing)
    likelihood = partial(loss.nll, x, given, weight, case.ignore_index, reduction)
    plain = as_f64(x), labels, as_f64(weight)

    def forward(run: Callable, oracle: Callable) -> dict[str, Callable]:
        return {
            "run": lambda: (run()[0],),
            "want": lambda: ((oracle(case, *plain, reduction), case.terms, None),),
        }

    def backward(run: Callable, oracle: Callable) -> dict[str, Callable]:
        return {
            "run": lambda: (run()[1](gy),),
            "want": lambda: ((oracle(case, as_f64(gy), *plain, reduction), case.terms, None),),
        }

    yield Task("loss.cross_entropy_forward", name, **forward(softmax, cross_entropy))
    yield Task("loss.cross_entropy_backward", name, **backward(softmax, cross_entropy_backward))
    yield Task("loss.nll_forward", name, **forward(likelihood, nll))
    yield Task("loss.nll_backward", name, **backward(likelihood, nll_backward))


def _wrong_labels(device: str, give: Give) -> Iterator[Task]:
    """Labels of 600 rows, in blocks 1 and 2, that are no classes: the first is named, the gradient is 0 everywhere."""
    weight = give(np.ones(3))
    x, gy = give(np.random.default_rng(7).standard_normal((600, 3))), give(np.asarray(1.5))
    for wrong in ({300: 7, 550: -3}, {550: -3}):
        labels = np.arange(600) % 3
        labels[list(wrong)] = list(wrong.values())
        run = partial(_offended, x, to_device(labels, device), weight, gy)
        first = np.asarray(next(iter(wrong.values())))
        wanted = ((np.asarray(np.nan), 0, None), (np.zeros((600, 3)), 0, None), (first, 0, None))
        for reduction, operation, call in (
            ("mean", "cross_entropy", partial(run, loss.cross_entropy, "mean", 0.0)),
            ("sum", "cross_entropy", partial(run, loss.cross_entropy, "sum", 0.0)),
            ("mean", "nll", partial(run, loss.nll, "mean")),
        ):
            yield Task(f"loss.{operation}_forward", f"labels {wrong}, {reduction}", call, lambda wanted=wanted: wanted)


def _offended(x: Array, labels: Array, weight: Array, gy: Array, function: Callable, *options: object) -> tuple:
    """The loss, its gradient, and the label that the next read of the device would name; 0 if none."""
    value, back, *_ = function(x, labels, weight, -100, *options)
    gx = back(gy)
    try:
        faults.check()
    except LabelError as error:
        return value, gx, np.asarray(int(str(error).partition("the label ")[2].partition(",")[0]))
    return value, gx, np.asarray(0)


def beyond_losses(space: Space) -> Iterator[Beyond]:
    """Scores (M, C), and (1, C, L) of which one sample is past 2^31; the last rows alone have scores and labels."""
    for by_rows, name in ((True, "2^19 rows"), (False, "2^19 positions")):
        for kind in ("cross_entropy", "nll"):
            yield from _beyond_loss(space, name, by_rows, kind)
        yield _beyond_hits(space, name, by_rows)


def _beyond_hits(space: Space, name: str, by_rows: bool) -> Beyond:
    """What the last blocks add to the sums; all others' rows have no score ahead of class 0, their label."""
    scores, labels = numbers(name, KEPT, CLASSES), np.arange(KEPT) * 513
    own = scores[np.arange(KEPT), labels][:, None]
    ahead = (scores > own).sum(axis=1) + ((scores == own) & (np.arange(CLASSES) < labels[:, None])).sum(axis=1)
    k = int(np.median(ahead)) + 1
    job = Labels("float16", True, ROWS, CLASSES, 1 if by_rows else ROWS, "int64", 0, "none", 0.0)

    def run() -> tuple:
        x = space.zeros(*((ROWS, CLASSES) if by_rows else (CLASSES, ROWS)))
        if by_rows:
            x[-KEPT:] = space.give(scores)
        else:
            x[:, -KEPT:] = space.give(scores.T.copy())
        targets = space.zeros(ROWS, dtype=np.dtype(np.int64))
        targets[-KEPT:] = space.give(labels)
        (launch,) = OPERATIONS["loss.hits"].choose(job, EMULATOR)[0].plan(job)
        parts = next(arg for arg in launch.args if isinstance(arg, Scratch))
        counts = {arg: space.zeros(1, dtype=np.dtype(np.int64)) for arg in ("right", "counted")}
        arrays = {"x": x, "labels": targets, **counts, "state": space.zeros(5, dtype=np.dtype(np.int64)), "fed": None}
        arrays |= {"k": k, "nan_leads": 0, "serial": 1, "call": 0}
        sums = space.zeros(*parts.shape, dtype=np.dtype(np.float64))
        args = [sums if arg is parts else arrays[arg] if isinstance(arg, str) else arg for arg in launch.args]
        kernel(launch.kernel, **launch.macros)(launch.grid, launch.block, *args)
        return sums[0].sum(), sums[1].sum()

    def want() -> tuple:
        return exact(*(np.asarray(rows.sum(), np.float64) for rows in ((ahead < k) & (labels != 0), labels != 0)))

    return Beyond("loss.hits", name, 6, 2, run, want)


def _beyond_loss(space: Space, name: str, by_rows: bool, kind: str) -> Iterator[Beyond]:
    scores, above = numbers(name, KEPT, CLASSES), numbers("gy", KEPT)
    labels = CLASSES - 1 - np.arange(KEPT)
    wide = scores.astype(np.float64)
    logsum = np.log(np.exp(wide).sum(axis=1))
    job = Labels("float16", True, ROWS, CLASSES, 1 if by_rows else ROWS, "int64", -100, "none", 0.0)

    def spread(values: np.ndarray) -> Array:
        """(KEPT, C) as the scores of the last rows, (KEPT,) as numbers of theirs."""
        if values.ndim == 1 or by_rows:
            made = space.zeros(ROWS, *values.shape[1:], dtype=values.dtype)
            made[-KEPT:] = space.give(values)
        else:
            made = space.zeros(1, CLASSES, ROWS, dtype=values.dtype)
            made[0, :, -KEPT:] = space.give(values.T.copy())
        return made

    def forward() -> tuple:
        x, targets = spread(scores), spread(labels)
        targets = targets if by_rows else targets[None]
        more = () if kind == "nll" else (0.0,)
        value, *_ = getattr(loss, kind)(x, targets, None, -100, "none", *more)
        if space.on_emulator:  # the last block that would have put the ticket back is not the last of all
            faults.watch(x, LabelError.of, kind, x.shape, -100)[0][0] = 0
        return (value.reshape(-1)[-KEPT:],)

    def backward() -> tuple:
        rows = space.zeros(2, ROWS, dtype=np.dtype(np.float32))
        rows[1, -KEPT:] = space.give(logsum.astype(np.float32))
        divisor, gx = space.give(np.array([1, CLASSES], np.float32)), spread(0 * scores)
        arrays = {"gy": spread(above), "x": spread(scores), "labels": spread(labels), "weight": None}
        arrays |= {"rows": rows, "divisor": divisor, "gx": gx}
        (launch,) = OPERATIONS[f"loss.{kind}_backward"].variants[0].plan(job)
        args = [arrays[arg] if isinstance(arg, str) else arg for arg in launch.args]
        kernel(launch.kernel, **launch.macros)(launch.grid, launch.block, *args)
        return (gx[-KEPT:] if by_rows else gx[0, -1, -KEPT:],)

    def want() -> tuple:
        hit = wide[np.arange(KEPT), labels]
        return ((-hit if kind == "nll" else logsum - hit, CLASSES, None),)

    def want_backward() -> tuple:
        softmax = 0 if kind == "nll" else np.exp(wide - logsum[:, None])
        gx = (softmax - np.eye(CLASSES)[labels]) * above.astype(np.float64)[:, None]
        return ((gx if by_rows else gx[:, -1], CLASSES, None),)

    blocks = CLASSES * KEPT // loss.THREADS + 2
    yield Beyond(f"loss.{kind}_forward", name, 6, 2, forward, want)
    yield Beyond(f"loss.{kind}_backward", name, 10, blocks, backward, want_backward)
