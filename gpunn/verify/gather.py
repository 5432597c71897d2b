"""The tasks of `gpunn verify` for batches gathered from a data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunn.backend import to_device, to_numpy
from gpunn.cuda.gather import Making, Step, gather
from gpunn.reference import gather as oracle
from gpunn.reference.gather import GATHERS, Crop, Flip, GatherCase, Mix, Scale
from gpunn.verify.task import Give, Task, as_f64


def gather_tasks(device: str, dtype: str, give: Give) -> Iterator[Task]:
    """Every case: bytes with float32, floats in each type."""
    for case in GATHERS:
        if not case.bytes or dtype == "float32":
            yield _task(device, case, give)


def _task(device: str, case: GatherCase, give: Give) -> Task:
    images, labels = case.arrays()
    placed = to_device(images, device) if case.bytes else give(images)

    def run() -> tuple:
        words, numbers, how = lowered(case, placed.dtype)
        known, words, numbers = (to_device(a, device) for a in (labels, words, numbers))
        return gather(placed, known, words, numbers, len(case.index), how)

    def want() -> tuple:
        x, y = oracle.gather(case, images if case.bytes else to_numpy(placed), labels)
        return (x if x.dtype == np.uint8 else as_f64(x), 0, None), (y if y.ndim == 1 else as_f64(y), 0, None)

    return Task("data.gather", case.name, run, want)


def lowered(case: GatherCase, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, Making]:
    """The case as the kernel takes it: its words, its numbers, and what is made."""
    columns: list[Any] = [case.index]
    numbers: list[float] = []
    shares: list[np.ndarray] = []
    steps, (height, width) = [], case.images[2:]
    for step in case.steps:
        place = {"word": len(columns), "number": len(numbers), "height": height, "width": width}
        if isinstance(step, Flip):
            steps.append(Step("flip", **place))
            columns.append(step.flags)
        elif isinstance(step, Scale):
            steps.append(Step("scale", **place))
            numbers += [*step.factors, *step.less]
            dtype = np.dtype(np.float32)
        elif isinstance(step, Mix):
            steps.append(Step("mixup", **place, size=int(dtype == np.uint8)))
            columns.append(step.others)
            kind = np.dtype(np.float32) if dtype == np.uint8 else dtype
            shares = [np.array([float(kind.type(step.share))]), np.array([step.share], np.float32)]
        else:
            if isinstance(step, Crop):
                steps.append(Step("crop", **place, size=step.padding, mode=step.mode))
                height, width = step.size
            else:
                steps.append(Step("hole", **place, size=step.size))
            columns += [step.tops, step.lefts]
            numbers.append(step.fill)
    words = np.concatenate([np.array(columns, np.int32).reshape(-1), *(one.view(np.int32) for one in shares)])
    wide = np.float64 if dtype == np.float64 else np.float32
    how = Making(case.shape[1:], dtype.name, len(columns), case.classes, tuple(steps))
    return words, np.array(numbers or [0], wide), how
