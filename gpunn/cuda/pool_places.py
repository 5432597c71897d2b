"""The winners of a max pooling as places in the input's plane, and the gradient from such places.

A place that there is not is dropped, noted on the device and raised at the next host read (gpunn/backend/faults.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpunn.backend import Array, faults
from gpunn.cuda.adaptive_variants import INDEX, Adaptive, index_type, index_width
from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.dtypes import storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.noted import NAMES, noted
from gpunn.cuda.plans import KEPT, Launch, Plan, Scratch
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout, layout, layouts
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.errors import Known, PlaceError
from gpunn.window import Window

THREADS = 128
EACH = 4  # outputs a thread, as in kernels/pool/positions.cu
SPAN = 16  # elements of gx a thread, as in kernels/pool/scatter.cu
TYPES = {"int32": "int", "int64": "i64"}  # of places


@dataclass(frozen=True)
class Planes(Problem):
    """N*C planes of M elements, each of which goes to one of L places; ``place`` is the places' dtype."""

    N: int
    C: int
    L: int
    M: int
    nhwc: bool
    place: str


@dataclass(frozen=True)
class Places(Adaptive):
    """The index of a max pooling of ``win``, or of an adaptive one; ``x`` and ``out`` as there."""

    win: Window | None = None
    width: int = 1  # bytes of an index
    place: str = "int64"  # the dtype of places

    @property
    def letters(self) -> dict[str, int]:
        size = {} if self.win is None else dict(zip("ARS", (1, 1, *self.win.size)[-3:], strict=True))
        return {**super().letters, **size, "I": self.width}

    @property
    def struct(self) -> dict[str, int]:
        win = self.win or Window.of(1, rank=3)
        steps = (("stride", win.stride, 1), ("pad", win.padding, 0), ("dil", win.dilation, 1))
        named = {f"{key}_{axis}": n for key, sizes, none in steps
                 for axis, n in zip("dhw", (none, none, *sizes)[-3:], strict=True)}  # fmt: skip
        return {**self.letters, **named, "adaptive": int(self.win is None)}


def _plan(job: Places) -> tuple[Launch, ...]:
    macros = {"T": "float", "ACC": "float", "NHWC": int(job.nhwc), "VEC": 1, "INDEX": INDEX[job.width]}
    grid = (blocks(job.outputs, THREADS),)
    return (Launch("pool/places", macros, grid, (THREADS,), ("index", "place", job)),)


def _parts(count: int) -> Scratch:
    """Where each block leaves its first wrong place."""
    return Scratch("parts", (count,), np.int64)


def _plan_positions(job: Places) -> tuple[Launch, ...]:
    macros = {"T": "float", "ACC": "float", "NHWC": int(job.nhwc), "VEC": 1}
    grid = (blocks(job.outputs, 2 * THREADS * EACH),)
    args = ("place", "index", _parts(grid[0]), "state", job, *NAMES)
    macros |= {"INDEX": INDEX[job.width], "PLACE": TYPES[job.place]}
    return (Launch("pool/positions", macros, grid, (2 * THREADS,), args),)


def _plan_scatter(job: Planes) -> tuple[Launch, ...]:
    lanes = 32 if max(job.M, job.L // SPAN) <= 32 else 256
    grid = (job.N * job.C * blocks(job.L, SPAN * lanes),)
    macros = {**storage_macros(job.dtype), "NHWC": int(job.nhwc), "PLACE": TYPES[job.place], "LANES": lanes}
    args = ("gy", "place", "gx", _parts(grid[0]), "state", job.C, job.L, job.M, *NAMES)
    return (Launch("pool/scatter", macros, grid, (lanes,), args),)


PLACES = Operation("pool.places", Variant("naive", ("pool/places",), "every index", _plan))
POSITIONS = Operation("pool.positions", Variant("naive", ("pool/positions",), "every place", _plan_positions))
SCATTER = Operation("pool.scatter", Variant("naive", ("pool/scatter",), "every size and dtype", _plan_scatter))


@lru_cache(KEPT)
def _places(given: tuple, x: tuple[int, ...], win: Window | None, asked: Asked) -> Plan:
    index = Layout(*given)
    nhwc = not is_row_major(index)
    index = in_order(index, nhwc)
    check_index(PLACES.name, **{"one sample of x": x[1:], "one sample of index": index.shape[1:]})
    job = Places("float32", index.aligned, x, index.shape[2:], nhwc, win=win, width=index.dtype.itemsize)
    outputs = {"place": new(index.shape, np.dtype(np.int64), nhwc)}
    return PLACES.plan(job, {"index": index}, outputs, empty=not job.outputs)


def places(index: Array, x_shape: tuple[int, ...], win: Window | None) -> Array:
    """int64 (d*H + h)*W + w of each index, which is a place in ``win`` or in an adaptive window; -1: outside of x."""
    return _places(layout(index), x_shape, win, forced())(index)


@lru_cache(KEPT)
def positions_of(x: tuple[int, ...], out: tuple[int, ...], win: Window | None) -> int:
    """How many positions an index counts: those of the window, or of the largest adaptive one."""
    return win.positions if win else math.prod([Adaptive("float32", True, x, out, False).letters[one] for one in "ARS"])


def is_spare(count: int) -> bool:
    """Whether an index of so many positions has a value left that is none."""
    return count < 256 ** index_width(count)


@lru_cache(KEPT)
def _positions(
    given: tuple, state: tuple, fed: tuple | None, x: tuple[int, ...], win: Window | None, asked: Asked
) -> Plan:
    place = Layout(*given)
    nhwc = not is_row_major(place)
    place = in_order(place, nhwc)
    check_index(POSITIONS.name, **{"one sample of x": x[1:], "one sample of indices": place.shape[1:]})
    count = positions_of(x, place.shape[2:], win)
    width = index_width(count) if is_spare(count) else 4
    job = Places("float32", place.aligned, x, place.shape[2:], nhwc, win=win, width=width, place=place.dtype.name)
    outputs = {"index": new(place.shape, index_type(width), nhwc)}
    return POSITIONS.plan(job, {"place": place, **noted(state, fed)}, outputs, empty=not job.outputs)


def positions(place: Array, x_shape: tuple[int, ...], win: Window | None, known: Known) -> Array:
    """The way back from `places`, of int32 or int64: a wrong place, and -1, become a position that no window has."""
    state, serial, call, fed = faults.watch(place, PlaceError.of, *known)
    plan = _positions(*layouts(place, state, fed), x_shape, win, forced())
    return plan(place, state, np.int64(serial), np.int64(call), fed)


@lru_cache(KEPT)
def _scatter(gy: tuple, given: tuple, state: tuple, fed: tuple | None, x: tuple[int, ...], asked: Asked) -> Plan:
    above = Layout(*gy)
    nhwc = not is_row_major(above)
    above, place = in_order(above, nhwc), in_order(Layout(*given), nhwc)
    check_devices(SCATTER.name, gy=above, indices=place)
    check_index(SCATTER.name, **{"one sample of x": x[1:], "one sample of gy": above.shape[1:]})
    dtype, sizes = check_arrays(SCATTER.name, gy=above), (math.prod(x[2:]), math.prod(above.shape[2:]))
    job = Planes(dtype, above.aligned, x[0], x[1], *sizes, nhwc, place.dtype.name)
    outputs = {"gx": new(x, above.dtype, nhwc)}
    return SCATTER.plan(job, {"gy": above, "place": place, **noted(state, fed)}, outputs, empty=not above.size)


def scatter(gy: Array, place: Array, x_shape: tuple[int, ...], known: Known) -> Array:
    """gx of x_shape: each gy added at its place, in order, whatever the windows were."""
    state, serial, call, fed = faults.watch(gy, PlaceError.of, *known)
    keys = layouts(gy, place, state, fed)
    return _scatter(*keys, x_shape, forced())(gy, place, state, np.int64(serial), np.int64(call), fed)
