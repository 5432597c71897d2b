"""The first and the last node of a captured step: numbers come from the host's memory and go there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array
from gpunn.cuda.device import EMULATOR, device_number
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks, kernel
from gpunn.cuda.plans import Launch
from gpunn.cuda.problem import Problem
from gpunn.cuda.table import table_layout
from gpunn.cuda.variants import Operation, Variant

THREADS = 256
ROWS, HEAD = 32, 4  # values a step may have, and what stands before them: kernels/step/end.cu's
NEVER, ALWAYS = -2, -1
TYPES = ("float32", "float64", "int32", "int64", "float16", "bfloat16", "uint8", "bool")


@dataclass(frozen=True)
class Replay(Problem):
    """A step that is fed with L packs of 16 bytes and measures M values."""

    L: int
    M: int


def _begin(job: Replay) -> tuple[Launch]:
    args = ("ring", "state", "feed", "slots", "stride")
    return (Launch("step/begin", storage_macros(job.dtype), (blocks(job.L, THREADS),), (THREADS,), args),)


def _end(job: Replay) -> tuple[Launch]:
    args = ("table", "feed", "state", "fault", "results", "slots")
    return (Launch("step/end", storage_macros(job.dtype), (1,), (32,), args),)


BEGIN = Operation("step.begin", Variant("copy", ("step/begin",), "any feed", _begin))
END = Operation("step.end", Variant("warp", ("step/end",), "at most 32 values of one element", _end))


def begin(ring: Array, state: Array, feed: Array) -> None:
    """Copy the turn's slot of the ring (slots, words) to the feed: int64; state is {turn, packs used}."""
    job = Replay("float32", True, feed.size // 2, 0)
    (launch,) = _begin(job)
    slots, stride = ring.shape
    kernel(launch.kernel, **launch.macros)(launch.grid, launch.block, ring, state, feed, slots, stride)


def end(
    values: Sequence[Array], watched: Sequence[int], feed: Array, state: Array, fault: Array, results: Array
) -> None:
    """Write arrays of one element into the turn's slot of results (slots, HEAD + ROWS), float64; go to the next turn.

    ``watched`` says of each value what kernels/step/end.cu does. ValueError for more than ROWS values, TypeError for a
    dtype that is none of TYPES.
    """
    if len(values) > ROWS:
        raise ValueError(f"step.end: got {len(values)} values of a step, expected at most {ROWS}; measure fewer")
    if strange := [value.dtype.name for value in values if value.dtype.name not in TYPES]:
        raise TypeError(f"step.end: a value is {strange[0]}, expected {', '.join(TYPES)}; convert it with astype")
    (launch,) = _end(Replay("float32", True, 0, len(values)))
    wanted, device = kernel(launch.kernel, **launch.macros), device_number(feed)
    layout = table_layout(wanted)
    table: Any = np.zeros((), layout.dtype)
    table["type"][: len(values)] = [min(TYPES.index(value.dtype.name), 6) for value in values]
    table["watched"][: len(values)] = watched
    table["rows"] = len(values)
    if device == EMULATOR:
        argument = backend.require_emulator().Struct(table[()], {"value": list(values)}, ["value"])
    else:
        memories: list[Any] = [value.data for value in values]
        table["value"][: len(values)] = [memory.ptr for memory in memories]
        argument = table[()]
    slots = np.int32(len(results))
    wanted.bound(device)(launch.grid, launch.block, (argument, feed, state, fault, results, slots))
