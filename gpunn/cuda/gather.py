"""Batches gathered from a data set that lies on a device, augmented on the way: one launch a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gpunn.backend import Array
from gpunn.cuda import source, structs
from gpunn.cuda.checks import check_devices
from gpunn.cuda.dtypes import CUDA_NAMES, SIZES, accumulate
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import KEPT, Launch, Output, Plan
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced

THREADS = 256
KINDS = ("flip", "crop", "hole", "scale", "mixup")  # as in kernels/data/steps.cuh
MODES = ("constant", "reflect", "edge")
MOST = 8  # steps that a launch takes


@dataclass(frozen=True)
class Gather(Problem):
    """N samples of P x Q pixels, of a data set of images C x H x W of the type ``source``; K classes to blend, or 0."""

    N: int
    C: int
    H: int
    W: int
    P: int
    Q: int
    K: int
    source: str
    columns: int  # of numbers that each sample has
    steps: tuple

    @property
    def letters(self) -> dict[str, int]:
        return {**super().letters, "I": SIZES[self.source]}

    @property
    def struct(self) -> dict[str, int]:
        return {**self.letters, "columns": self.columns}

    def __str__(self) -> str:
        return f"{super().__str__()} {', '.join(step.kind for step in self.steps)}".rstrip()


class Step(NamedTuple):
    """One step as struct Step of kernels/data/steps.cuh has it."""

    kind: str
    word: int = 0  # column of the first number that it draws
    number: int = 0  # place of its constants
    height: int = 0  # of the images that it takes
    width: int = 0
    size: int = 0  # padding, side of a hole; 1 where Mixup blends bytes
    mode: str = "constant"


class Making(NamedTuple):
    """What is made of a set's images."""

    shape: tuple[int, int, int]  # (C, P, Q)
    dtype: str
    columns: int  # numbers that each sample has among the words
    classes: int  # of Mixup's targets, or 0
    steps: tuple[Step, ...]


# ---------------------------------------------------------------- variants
def _launch(job: Gather) -> tuple[Launch, ...]:
    names = {name: kind for kind, name in CUDA_NAMES.items()}
    macros = {"SOURCE": names[job.source], "T": names[job.dtype], "ACC": names[accumulate(job.source).name]}
    pixels = job.P * job.Q
    threads = min(THREADS, 32 * blocks(pixels, 32))
    label = (None, "targets") if job.K else ("y", None)
    args = ("images", "labels", "words", "numbers", "x", *label, job, _struct(job.steps))
    return (Launch("data/gather", macros, (job.N, blocks(pixels, threads)), (threads,), args),)


def _struct(steps: tuple[Step, ...]) -> Any:
    """struct Steps, which is passed by value."""
    made = np.zeros((), structs.layout(source.read("data/gather").text, "Steps", {}).dtype)
    for i, step in enumerate(steps):
        made["step"][i] = (KINDS.index(step.kind), *step[1:-1], MODES.index(step.mode))
    kinds = [step.kind for step in steps]
    made["count"], made["mixup"] = len(steps), kinds.index("mixup") if "mixup" in kinds else len(steps)
    return made[()]


GATHER = Operation(
    "data.gather",
    Variant("pixel", ("data/gather",), "images of uint8 or floats, up to 8 steps", _launch),
)


# ---------------------------------------------------------------- the function
@lru_cache(KEPT)
def _plan(images: tuple, labels: tuple, words: tuple, numbers: tuple, n: int, how: Making, asked: Asked) -> Plan:
    found, (c, p, q) = Layout(*images), how.shape
    inputs = {"images": found, "labels": Layout(*labels), "words": Layout(*words), "numbers": Layout(*numbers)}
    check_devices(GATHER.name, **inputs)
    height, width = found.shape[2:]
    job = Gather(how.dtype, True, n, c, height, width, p, q, how.classes, found.dtype.name, how.columns, how.steps)
    label = {"targets": Output((n, how.classes), np.float32)} if how.classes else {"y": Output((n,), np.int64)}
    outputs = {"x": Output((n, p, q, c), np.dtype(how.dtype), (0, 3, 1, 2)), **label}
    return GATHER.plan(job, inputs, outputs, empty=not n)


def gather(images: Array, labels: Array, words: Array, numbers: Array, n: int, how: Making) -> tuple[Array, Array]:
    """n samples: x (n, C, P, Q) in channels-last memory, and y (n,), int64, or targets (n, classes), float32.

    images (M, C, H, W) and labels (M,), int64, are the whole set; words (int32) and numbers are what
    kernels/data/gather.cu says. Indices are not checked here.
    """
    plan = _plan(layout(images), layout(labels), layout(words), layout(numbers), n, how, forced())
    return plan(images, labels, words, numbers)
