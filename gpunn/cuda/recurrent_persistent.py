"""The variants of a recurrent layer's steps, all in one launch: kernels whose blocks wait for each other at each step.

A block keeps its units' part of w_hh in shared memory from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from gpunn.cuda.dtypes import SIZES, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch, Tickets
from gpunn.cuda.problem import Problem
from gpunn.cuda.recurrent_steps import ending, family
from gpunn.cuda.variants import Operation, Variant

THREADS, UNITS = 256, 16  # of a block
WARPS = THREADS // 32
MULTIPROCESSORS = 132  # an H200's, each of which holds a block; more samples than that are several tiles of a block
MOST_UNITS = 512
MOST_TILES, MOST_NARROW = 4, 2  # of a block; beyond, a product a step is faster, of 16 bits that of tensor cores
SAMPLES = (4, 16)  # of a tile: the fewer, the more blocks there are
TAKES = f"16 or 32 bits; up to {MOST_UNITS} hidden units, whose weights lie in shared memory; one cooperative launch"
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
# The operands of each direction, beside numbers and scratch.
FORWARD = ("gates", "w_hh", "b_hh", "states", "extra", "lengths", "y")
BACKWARD = ("gy", "gh", "gc", "gates", "extra", "states", "w_hh", "lengths", "ggates", "gproducts")


@dataclass(frozen=True)
class Layer(Problem):
    """All L steps of one direction of a recurrent layer: N samples of H hidden units of G gates.

    ``kept``: forward, whether backward's arrays are wanted; backward, ``to_start``: whether the first state's gradient
    is, ``carried``: whether gradients go past a step beside its product. ``projected``: whether w_hr follows each step.
    """

    N: int
    H: int
    L: int
    G: int
    mode: str
    reverse: bool
    kept: bool = False
    to_start: bool = False
    carried: bool = False
    projected: bool = False

    @property
    def struct(self) -> dict[str, int]:
        flags = {name: int(getattr(self, name)) for name in ("reverse", "kept", "to_start")}
        return {**self.letters, **flags, "activation": ending(self.mode)}

    def __str__(self) -> str:
        return f"{self.mode} {super().__str__()}"


# ---------------------------------------------------------------- variants
def _refuse(job: Layer) -> str:
    if job.dtype == "float64":
        return "x is float64"
    if job.projected:
        return "each step ends with a projection, by w_hr"
    return f"H = {job.H} is over {MOST_UNITS} hidden units" if job.H > MOST_UNITS else ""


def _width(job: Layer) -> int:
    """Elements of an access: 16 bytes where H is a multiple of that, else one."""
    return pack(job.dtype) if job.aligned and job.H % pack(job.dtype) == 0 else 1


def _grid(samples: int, job: Layer) -> tuple[int, int]:
    """Blocks of units, and of tiles of so many samples: as many as there are, or even shares of them."""
    across, tiles = blocks(job.H, UNITS), blocks(job.N, samples)
    return across, blocks(tiles, _tiles(samples, job))


def _tiles(samples: int, job: Layer) -> int:
    """The tiles of a block."""
    most = MULTIPROCESSORS // blocks(job.H, UNITS)
    return blocks(blocks(job.N, samples), most) if samples == SAMPLES[-1] else 1


def _multiprocessors(samples: int, job: Layer) -> int:
    across, down = _grid(samples, job)
    return across * down


def _avoid(samples: int, job: Layer) -> str:
    each, most = _tiles(samples, job), MOST_NARROW if SIZES[job.dtype] == 2 else MOST_TILES
    return f"a block would take {each} tiles of {samples} samples at each step" if each > most else ""


def _columns(job: Layer) -> int:
    """What kernels/recurrent/layer.cuh fills the columns of w_hh up to."""
    step = WARPS * max(4, _width(job))
    return blocks(job.H, step) * step


def _shared_forward(samples: int, job: Layer) -> int:
    rows, columns = job.G * UNITS, _columns(job)
    return 4 * (rows * (columns + 4) + WARPS * max(samples * (columns // WARPS + 4), rows * samples))


def _macros(samples: int, job: Layer) -> dict[str, object]:
    cell = family(job.mode).capitalize()
    return {**storage_macros(job.dtype), "VEC": _width(job), "CELL": cell, "SAMPLES": samples}


def _plan_forward(samples: int, job: Layer) -> tuple[Launch, ...]:
    grid, name = _grid(samples, job), "recurrent/persistent_forward"
    args, shared = (*FORWARD, Tickets(32 * grid[1]), job), _shared_forward(samples, job)
    return (Launch(name, _macros(samples, job), grid, (THREADS,), args, shared, cooperative=True),)


def _shared_backward(samples: int, job: Layer) -> int:
    rows = job.G * UNITS
    return 4 * (rows * (_columns(job) + 4) + rows * (samples + 4))


def _plan_backward(samples: int, job: Layer) -> tuple[Launch, ...]:
    grid, name = _grid(samples, job), "recurrent/persistent_backward"
    gy, gh, *rest = BACKWARD
    carry = Scratch("carry", (job.N, job.H), np.float32) if job.carried else None
    parts = Scratch("parts", (2, blocks(job.N, samples), grid[0], grid[0], samples, UNITS), np.float32)
    args, shared = (gy, gh, carry, *rest, parts, Tickets(32 * grid[1]), job), _shared_backward(samples, job)
    return (Launch(name, _macros(samples, job), grid, (THREADS,), args, shared, cooperative=True),)


def _operation(
    name: str, plan: Callable[[int, Layer], tuple[Launch, ...]], shared: Callable[[int, Layer], int]
) -> Operation:
    def persistent(samples: int) -> Variant:
        return Variant(
            f"persistent{samples}", (f"recurrent/persistent_{name}",), TAKES, partial(plan, samples), _refuse,
            partial(shared, samples), partial(_avoid, samples),
            dynamic=True, multiprocessors=partial(_multiprocessors, samples),
        )  # fmt: skip

    files = tuple([f"recurrent/{kind}_{name}" for kind in GATES])
    every = "every size and dtype; a product and a launch a step"
    return Operation(
        f"recurrent.layer_{name}",
        *map(persistent, SAMPLES),
        Variant("steps", files, every, lambda job: ()),  # plans of their own, in the loops below
    )


LAYER_FORWARD = _operation("forward", _plan_forward, _shared_forward)
LAYER_BACKWARD = _operation("backward", _plan_backward, _shared_backward)
