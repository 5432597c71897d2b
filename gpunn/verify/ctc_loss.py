"""The tasks of `gpunn verify` for connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from gpunn.backend import Array, faults, to_device
from gpunn.cuda import ctc_loss as subject
from gpunn.cuda.kernel import kernel
from gpunn.cuda.plans import Scratch
from gpunn.cuda.variants import Operation
from gpunn.errors import SpellingError
from gpunn.reference.ctc_loss import CTCS, CtcCase, ctc_loss, ctc_loss_backward
from gpunn.verify.space import Beyond, Space, numbers
from gpunn.verify.task import Give, Task, as_f64


def ctc_tasks(device: str, give: Give) -> Iterator[Task]:
    """Every case in every reduction; labels in rows or in one, lengths of the host or the device by turns."""
    for number, case in enumerate(CTCS):
        for turn, (reduction, zero_infinity) in enumerate(product(("none", "mean", "sum"), (False, True))):
            yield from _case(device, case, give, reduction, zero_infinity, number + turn)
    yield from _wrong(device, give)


def _case(device: str, case: CtcCase, give: Give, reduction: str, zero_infinity: bool, turn: int) -> Iterator[Task]:
    scores, above, targets, steps, lengths = case.arrays()
    flat, there, kind = turn % 2 == 0, turn % 3 > 0, (np.int64, np.int32)[turn // 2 % 2]
    if flat:
        targets = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])
    x, t = give(scores), to_device(targets.astype(kind), device)
    gy = give(above if reduction == "none" else np.asarray(1.5))
    given = [to_device(one.astype(kind), device) if there else one for one in (steps, lengths)]
    call = partial(subject.forward, x, t, *given, case.blank, reduction, zero_infinity)
    how, terms = (reduction, zero_infinity), 1 + max(case.steps)
    each = ctc_loss(case, as_f64(x), "none", True)
    largest = max(1.0, float(each.max()))  # of the logarithms that were added up

    def want() -> tuple:
        return ((ctc_loss(case, as_f64(x), *how), terms, largest * (len(each) if reduction == "sum" else 1)),)

    def want_backward() -> tuple:
        factor = float(np.max(np.abs(above if reduction == "none" else 1.5)))
        return ((ctc_loss_backward(case, as_f64(gy), as_f64(x), *how), terms, largest * factor),)

    name = f"{case.name}, {reduction}{', zero_infinity' if zero_infinity else ''}{', in a row' if flat else ''}"
    yield Task("ctc_loss.forward", name, lambda: (call()[0],), want)
    yield Task("ctc_loss.backward", name, lambda: (call()[1](gy),), want_backward)


def _wrong(device: str, give: Give) -> Iterator[Task]:
    """Labels and lengths out of range: the first is named, the loss is NaN, and the gradient 0 everywhere."""
    x, gy, fitting = give(np.zeros((3, 2, 4))), give(np.asarray(1.5)), np.array([[1, 2], [3, 0]])
    found = "label 9", "label -1", "steps 4", "steps -1", "length 3", "length -1"
    for flat, wrong in [*product((False, True), found), (True, "length 1")]:  # whose sum is short
        name, number = wrong.split()
        targets, steps, lengths = fitting.copy(), np.array([3, 2]), np.array([2, 2])
        {"label": targets.reshape(-1), "steps": steps, "length": lengths}[name][1] = int(number)
        targets = targets.reshape(-1) if flat else targets
        given = [to_device(one, device) for one in (targets, steps, lengths)]
        run = partial(_offended, partial(subject.forward, x, *given, 0, "mean", True), gy)
        wanted = (np.asarray(np.nan), 0, None), (np.zeros(x.shape), 0, None), (np.asarray(int(number)), 0, None)
        yield Task("ctc_loss.forward", f"{wrong}{', in a row' if flat else ''}", run, lambda wanted=wanted: wanted)


def _offended(call: Callable, gy: Array) -> tuple:
    """The loss, its gradient, and the number that the next read of the device would name; 0 if none."""
    loss, back = call()
    gx = back(gy)
    try:
        faults.check()
    except SpellingError as error:
        return loss, gx, np.asarray(int(str(error).split(" (element")[0].split()[-1]))
    return loss, gx, np.asarray(0)


def beyond_ctc(space: Space) -> Iterator[Beyond]:
    """The last of many samples: of many classes, and of many labels."""
    for name, gigabytes, classes, labels in (("scores", 9, 1024, (5,)), ("positions", 30, 3, (1, 2) * 20)):
        yield from _last(space, f"2^31 {name}", gigabytes, CtcCase(name, classes, (len(labels) + 1,), (labels,)))


def _last(space: Space, name: str, gigabytes: int, case: CtcCase) -> Iterator[Beyond]:
    (steps,), (labels,) = case.steps, case.labels
    samples = 2**31 // (steps * max(case.classes, 2 * len(labels) + 1)) + 2
    last, wide = numbers(name, steps, 1, case.classes), np.dtype(np.float32)
    sizes = samples, case.classes, steps, len(labels), len(labels), samples * len(labels)
    job = subject.Ctc("float16", True, *sizes, "int64", False, case.blank, "none", False)

    def given() -> dict[str, Any]:
        shapes = {"targets": (samples, len(labels)), **dict.fromkeys(("steps", "lengths", "starts"), (samples,))}
        arrays = {key: space.zeros(*shape, dtype=np.dtype(np.int64)) for key, shape in shapes.items()}
        arrays |= {key: space.zeros(steps, samples, case.classes) for key in ("x", "gx")}
        arrays |= {key: space.zeros(samples) for key in ("loss", "gy")}
        arrays |= {"each": space.zeros(samples, dtype=wide), "divisor": space.give(np.ones(1, wide))}
        arrays["alpha"] = space.zeros(steps, samples, 2 * len(labels) + 1, dtype=wide)
        arrays["x"][:, -1:], arrays["gy"][-1] = space.give(last), 1
        arrays["targets"][-1] = space.give(np.array(labels))
        arrays["steps"][-1], arrays["lengths"][-1] = steps, len(labels)
        return arrays

    def want() -> tuple:
        return ((ctc_loss(case, as_f64(last), "none", False), 4 * steps, None),)

    def want_backward() -> tuple:
        gx = ctc_loss_backward(case, np.ones(1), as_f64(last), "none", False)
        return ((gx[-1], 4 * steps, float(np.max(np.exp(as_f64(last))))),)

    run = lambda: (_launched(space, job, given())["loss"][-1:],)  # noqa: E731
    yield Beyond("ctc_loss.forward", name, gigabytes, 2, run, want)
    run = lambda: (_launched(space, job, given(), subject.BACKWARD)["gx"][-1, -1:],)  # noqa: E731
    yield Beyond("ctc_loss.backward", name, gigabytes, 2, run, want_backward)


def _launched(space: Space, job: subject.Ctc, given: dict[str, Any], *more: Operation) -> dict[str, Any]:
    """The arrays after forward, and more: by launches of their own, since the last blocks alone have no sum of all."""
    given |= {"state": space.zeros(5, dtype=np.dtype(np.int64)), "serial": 0, "call": 0, "fed": None}
    for launch in [one for operation in (subject.FORWARD, *more) for one in operation.variants[0].plan(job)]:
        for made in [arg for arg in launch.args if isinstance(arg, Scratch) and arg.name not in given]:
            given[made.name] = space.zeros(*made.shape, dtype=np.dtype(made.dtype))
        names = [arg.name if isinstance(arg, Scratch) else arg for arg in launch.args]
        args = [given[name] if isinstance(name, str) else name for name in names]
        kernel(launch.kernel, **launch.macros)(launch.grid, launch.block, *args)
    return given
