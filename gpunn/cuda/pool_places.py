"""The winners of a max pooling as places in the input's plane, made for whoever asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpunn.backend import Array
from gpunn.cuda.adaptive_variants import INDEX, Adaptive
from gpunn.cuda.checks import check_index
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Launch, Layout, Plan, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.window import Window

THREADS = 128


@dataclass(frozen=True)
class Places(Adaptive):
    """The index of a max pooling of ``win``, or of an adaptive one; ``x`` and ``out`` as there."""

    win: Window | None = None
    width: int = 1  # bytes of an index

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


PLACES = Operation("pool.places", Variant("naive", ("pool/places",), "every index", lambda job: "", _plan))


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
