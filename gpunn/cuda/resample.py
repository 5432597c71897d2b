"""Resampling on CUDA and emulated arrays: the twin of gpunn.cpu.resample. A launch takes one axis, or two at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gpunn.backend import Array, capture, streams
from gpunn.backend.constants import constant
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.device import device_number
from gpunn.cuda.dtypes import STORAGE, accumulate, pack, storage_macros
from gpunn.cuda.elementwise import in_memory
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import is_row_major
from gpunn.cuda.plans import KEPT, Launch, Output, Plan
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout, layout, layouts
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.layout import axes_of
from gpunn.taps import Taps

THREADS = 256
NAMES = "starts_h", "index_h", "weight_h", "starts_w", "index_w", "weight_w"


@dataclass(frozen=True)
class Resampled(Problem):
    """N of (H, W, C), made (P, Q, C) by at most R and S taps."""

    N: int
    H: int
    W: int
    P: int
    Q: int
    C: int
    R: int
    S: int


class Axis(NamedTuple):
    """What a plan knows of one axis: how many elements become how many, by how many taps at most."""

    n: int = 1
    m: int = 1
    most: int = 1


def _launch(job: Resampled) -> tuple[Launch, ...]:
    width = pack(job.dtype) if job.aligned and job.C % pack(job.dtype) == 0 else 1
    grid = (blocks(job.N * job.P * job.Q * (job.C // width), THREADS),)
    macros = {**storage_macros(job.dtype), "VEC": width}
    return (Launch("resample/taps", macros, grid, (THREADS,), ("x", "y", *NAMES, job)),)


TAPS = Operation("resample.taps", Variant("naive", ("resample/taps",), "every size and dtype", _launch))


@lru_cache(KEPT)
def _plan(given: tuple, down: Axis, along: Axis, arrays: tuple[tuple | None, ...], asked: Asked) -> Plan:
    x = Layout(*given)
    n, h, w, c = x.shape
    dtype, shape = check_arrays(TAPS.name, x=x), (n, down.m, along.m, c)
    check_index(TAPS.name, **{"one sample of x": x.shape[1:], "one sample of y": shape[1:]})
    job = Resampled(dtype, x.aligned, n, h, w, down.m, along.m, c, down.most, along.most)
    taps = {name: None if a is None else Layout(*a) for name, a in zip(NAMES, arrays, strict=True)}
    return TAPS.plan(job, {"x": x, **taps}, {"y": Output(shape, x.dtype)}, empty=not math.prod(shape))


def resample(x: Array, taps: tuple[Taps, ...]) -> Array:
    """x (N, C, *) with its spatial axes resampled, in x's memory order. Taps without weights take any dtype."""
    if x.dtype.name not in STORAGE:
        return _taken(x, taps)
    nhwc = x.ndim > 2 and not is_row_major(Layout(*layout(x)))
    y = in_memory(x, (0, *range(2, x.ndim), 1) if nhwc else tuple(range(x.ndim)))
    changed = [i for i, one in enumerate(taps) if not one.identity]
    if not changed:
        y = y.copy()
    while changed:
        at, *rest = changed
        two = rest[:1] == [at + 1]
        y = _step(y, at + (1 if nhwc else 2), taps[at], taps[at + 1] if two else None)
        changed = rest[1:] if two else rest
    return y.transpose(axes_of(y.ndim)) if nhwc else y


def _step(a: Array, axis: int, down: Taps, along: Taps | None) -> Array:
    """A row-major array with one axis resampled, or this one and the next."""
    behind = axis + (1 if along is None else 2)
    width = 1 if along is None else along.n
    x = a.reshape(math.prod(a.shape[:axis]), down.n, width, math.prod(a.shape[behind:]))
    arrays = (*_arrays(down, x), *((None,) * 3 if along is None else _arrays(along, x)))
    axes = [Axis() if one is None else Axis(one.n, one.m, one.most) for one in (down, along)]
    y = _plan(layout(x), *axes, layouts(*arrays), forced())(x, *arrays)
    return y.reshape(*a.shape[:axis], down.m, *([] if along is None else [along.m]), *a.shape[behind:])


_kept: dict[tuple[Taps, streams.Place, str], tuple[Array | None, ...]] = {}


def _arrays(taps: Taps, like: Array) -> tuple[Array | None, ...]:
    """Starts, indices and weights as the kernel reads them, on the device: sent once to each stream."""
    key = taps, streams.place_on(device_number(like))[0], like.dtype.name
    found = _kept.get(key)
    if found is None:
        weight = None if taps.weight is None else taps.weight.astype(accumulate(like.dtype.name))
        host = taps.starts.astype(np.int32), taps.index.astype(np.int32), weight
        found = tuple([None if one is None else constant(one, like) for one in host])
        if capture.now.get() is None:
            if len(_kept) >= KEPT:
                _kept.clear()
            _kept[key] = found
    streams.keep(found, device_number(like))
    return found


def _taken(x: Array, taps: tuple[Taps, ...]) -> Array:
    """Integers, of which no sums are asked."""
    for axis, one in enumerate(taps, start=x.ndim - len(taps)):
        x = x.take(constant(one.index, x), axis=axis)
    return x
