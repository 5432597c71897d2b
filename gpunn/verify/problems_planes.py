"""Problems of what has planes of pixels: pooling, norms of channels, filters, dropout, other sizes, places, batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from gpunn.cuda.adaptive_variants import Adaptive
from gpunn.cuda.dropout import Drop
from gpunn.cuda.filter import Filter
from gpunn.cuda.gather import Gather
from gpunn.cuda.grid_sample import Base, Sampled
from gpunn.cuda.local_response_norm import Channels
from gpunn.cuda.norm_pool import NormPool
from gpunn.cuda.pool_places import Places, Planes
from gpunn.cuda.problem import Groups, Norm, Pool, Problem
from gpunn.cuda.resample import Resampled
from gpunn.reference import cases
from gpunn.reference.dropout import DROPOUTS
from gpunn.reference.filter import FILTERS
from gpunn.reference.group_norm import GROUPS
from gpunn.reference.local_response_norm import LRNS

BOTH = (True, False)


def poolings(dtype: str) -> Iterator[Problem]:
    """Every case, in both memory orders, aligned and not."""
    for nhwc, aligned, case in product(BOTH, BOTH, cases.ALL_POOL):
        (n, c, h, w), (r, s), (p, q) = case.x, case.size, case.y[2:]
        yield Pool(dtype, aligned, n, c, h, w, r, s, p, q, case.window(), nhwc, case.count_include_pad)


def adaptive(dtype: str) -> Iterator[Problem]:
    """Every size, in both memory orders, with the places of maxima and without."""
    for nhwc, aligned, (x, out), wanted in product(BOTH, BOTH, cases.ADAPTIVE, BOTH):
        yield Adaptive(dtype, aligned, x, out, nhwc, wanted)


def norm_pools(dtype: str) -> Iterator[Problem]:
    """Every case, in both memory orders."""
    for nhwc, aligned, case in product(BOTH, BOTH, cases.NORM_POOL):
        yield NormPool(dtype, aligned, case.x, case.y[2:], case.window(), nhwc, case.power)


def places(dtype: str) -> Iterator[Problem]:
    """Bytes, and wider places, as int64 and int32."""
    for nhwc, width in product(BOTH, (1, 2, 4) if dtype == "float32" else ()):
        for place in ("int64", "int32"):
            yield Places(dtype, True, (1, 1, 4, 4), (2, 2), nhwc, width=width, place=place)


def scattered(dtype: str) -> Iterator[Problem]:
    """Planes of few outputs and of many."""
    for nhwc, outputs, place in product(BOTH, (4, 400), ("int64", "int32")):
        yield Planes(dtype, True, 2, 3, 40 * outputs, outputs, nhwc, place)


def norms(dtype: str) -> Iterator[Problem]:
    """Batch normalisation of every case."""
    for case, nhwc, aligned in product(cases.ALL_BATCHNORM, BOTH, BOTH):
        n, c, *spatial = case.x
        yield Norm(dtype, aligned, n, c, math.prod(spatial), nhwc, 1e-5, int(case.relu), 1)


def groups(dtype: str) -> Iterator[Problem]:
    """Group normalisation of every case that has images."""
    for case, aligned, nhwc in product(GROUPS, BOTH, BOTH):
        n, c, *spatial = case.x
        if n:
            yield Groups(dtype, aligned, n, c, math.prod(spatial), case.groups, nhwc, 1e-5, case.affine)


def lrns(dtype: str) -> Iterator[Problem]:
    """Local response normalisation of every case that has images."""
    for case, aligned, nhwc in product(LRNS, BOTH, BOTH):
        n, c, *spatial = case.x
        if n:
            yield Channels(dtype, aligned, n, c, math.prod(spatial), nhwc, case.size // 2, 1, *case.numbers)


def filters(dtype: str) -> Iterator[Problem]:
    """Every filter, with every border that the cases have."""
    for case, aligned in product(FILTERS, BOTH):
        if case.x[0]:
            yield Filter.of(dtype, aligned, case.x, case.size, case.border)


def drops(dtype: str) -> Iterator[Problem]:
    """Dropout of elements, channels and samples."""
    for case, nhwc, aligned in product(DROPOUTS, BOTH, BOTH):
        n, c, *spatial = (*case.x, 1, 1)[: max(2, len(case.x))]
        group = math.prod(case.x) // math.prod(case.mask)
        yield Drop(dtype, aligned, n, c, math.prod(spatial), nhwc, group, case.p)


def resampled(dtype: str) -> Iterator[Problem]:
    """Channels of 16-byte accesses, and an odd number of them."""
    return (Resampled(dtype, True, 2, 4, 4, 8, 8, columns, 2, 2) for columns in (16, 3))


def sampled(dtype: str) -> Iterator[Problem]:
    """Every rank and number of taps."""
    for (rank, taps), nhwc, columns in product(((2, 1), (2, 2), (2, 4), (3, 1), (3, 2)), BOTH, (16, 3)):
        yield Sampled(dtype, True, 2, columns, 1, 4, 4, 9, rank, taps, 0, False, nhwc, (True, True))


def bases(dtype: str) -> Iterator[Problem]:
    """The places of pixels in two and three dimensions."""
    return (Base(dtype, True, 1, 4, 4, rank, False) for rank in (2, 3))


def gathers(dtype: str) -> Iterator[Problem]:
    """Images of this type, and of bytes."""
    of_bytes = [("uint8", dtype), ("uint8", "uint8")] if dtype == "float32" else []
    for given, made in [(dtype, dtype), *of_bytes]:
        yield Gather(made, True, 5, 3, 8, 8, 8, 8, 0, given, 1, ())
