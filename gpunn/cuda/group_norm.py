"""Normalisation of each sample by its own statistics, on CUDA and emulated arrays: the twin of gpunn.cpu.group_norm."""

from __future__ import annotations

import math
from functools import lru_cache

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays, check_devices, check_index
from gpunn.cuda.dtypes import SIZES, accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import cast, in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scratch
from gpunn.cuda.problem import Groups, Rows
from gpunn.cuda.rows import HELD_PACKS, LINE, THREADS, WIDEST, team_of
from gpunn.cuda.signature import Layout, layouts
from gpunn.cuda.variants import Asked, Operation, Variant, forced

MOST_GROUPS = 512  # of a block, which keeps two sums of each
TARGET_BLOCKS = 264  # two on each of an H200's 132 multiprocessors; fixed, so that sums have one order everywhere


# ---------------------------------------------------------------- variants
def _width(job: Rows) -> int:
    """Elements an access: 16 bytes where rows are a multiple of that, else one."""
    wide = pack(job.dtype)
    return wide if job.aligned and job.L % wide == 0 else 1


def _layer_forward(job: Rows) -> tuple[Launch, ...]:
    width = _width(job)
    team = team_of(job.L // width, job.dtype, width)
    threads = max(THREADS, team)
    args = ("x", "gamma", "beta", "y", "mean", "rstd", job.M, job.L, team, job.eps)
    macros = {**storage_macros(job.dtype), "VEC": width}
    return (Launch("row/layer_norm_forward", macros, (blocks(job.M, threads // team),), (threads,), args),)


def _layer_backward(job: Rows) -> tuple[Launch, ...]:
    width = _width(job)
    held = 2 if width == 8 else HELD_PACKS
    team = team_of(job.L // width, job.dtype, width, held)
    threads = max(THREADS, team)
    every = blocks(job.M, threads // team)
    grid = (min(TARGET_BLOCKS, every) if job.affine else every,)
    macros = {**storage_macros(job.dtype), "VEC": width, "LONG": int(job.L // width > held * team)}
    parts = Scratch("parts", (grid[0], 2, job.L), accumulate(job.dtype)) if job.affine else None
    args = ("gy", "x", "gamma", "mean", "rstd", "gx", parts, job.M, job.L, team)
    first = Launch("row/layer_norm_backward", macros, grid, (threads,), args)
    return (first, _join(job.dtype, parts, job.L)) if parts else (first,)


def _join(dtype: str, parts: Scratch, length: int) -> Launch:
    """The gradients of gamma and beta, from parts (J, 2, length)."""
    args = (parts, "ggamma", "gbeta", parts.shape[0], length)
    return Launch("row/join_parts", storage_macros(dtype), (blocks(2 * length, 32),), (256,), args)


ROWS = "every length and dtype; 16-byte accesses where length and alignment allow"
LAYER_FORWARD = Operation("group_norm.layer_forward", Variant("row", ("row/layer_norm_forward",), ROWS, _layer_forward))
LAYER_BACKWARD = Operation(
    "group_norm.layer_backward",
    Variant("row", ("row/layer_norm_backward", "row/join_parts"), ROWS, _layer_backward),
)


def _group_walk(job: Groups) -> tuple[dict[str, object], tuple[int], tuple[int], int, int]:
    """Macros, grid and block, groups of a block and threads of a team: kernels/row/group_norm.cuh."""
    wide, each = pack(job.dtype), job.C // job.G
    width = wide if job.aligned and (job.C if job.nhwc else job.L) % wide == 0 else 1
    bundle = math.lcm(each, width) // each if job.nhwc else 1
    least = LINE // SIZES[job.dtype] if job.nhwc else -(-THREADS * width // job.L)  # channels
    bundle = min(bundle * max(1, least // (bundle * each)), job.G, MOST_GROUPS)
    channels, packs = bundle * each, job.L if job.nhwc else job.L // width
    threads = THREADS if channels * job.L <= THREADS * HELD_PACKS * width else WIDEST
    rows, team = channels // width if job.nhwc else channels, 1
    while team < 32 and team * HELD_PACKS < packs:
        team *= 2
    while team < threads and threads // team // 2 >= rows:  # more teams than rows
        team *= 2
    macros = {**storage_macros(job.dtype), "VEC": width, "ACROSS": int(job.nhwc)}
    return macros, (job.N * -(-job.G // bundle),), (threads,), bundle, team


def _group_forward(job: Groups) -> tuple[Launch, ...]:
    macros, grid, block, bundle, team = _group_walk(job)
    moments = Scratch("moments", (job.N, 2, job.C), accumulate(job.dtype))
    args = ("x", "gamma", "beta", "y", "mean", "rstd", moments, job, bundle, team, job.eps)
    return (Launch("row/group_norm_forward", macros, grid, block, args),)


def _group_backward(job: Groups) -> tuple[Launch, ...]:
    macros, grid, block, bundle, team = _group_walk(job)
    parts = Scratch("parts", (job.N, 2, job.C), accumulate(job.dtype))
    args = ("gy", "x", "gamma", "mean", "rstd", "gx", parts, job, bundle, team)
    first = Launch("row/group_norm_backward", macros, grid, block, args)
    return (first, _join(job.dtype, parts, job.C)) if job.affine else (first,)


GROUPS = "either memory order, every size and dtype; 16-byte accesses where sizes and alignment allow"
GROUP_FORWARD = Operation(
    "group_norm.group_forward", Variant("row", ("row/group_norm_forward",), GROUPS, _group_forward)
)
GROUP_BACKWARD = Operation(
    "group_norm.group_backward",
    Variant("row", ("row/group_norm_backward", "row/join_parts"), GROUPS, _group_backward),
)


# ---------------------------------------------------------------- plans
def _parameters(name: str, x: Layout, **given: tuple | None) -> dict[str, Layout | None]:
    """Parameters and statistics in the accumulation type, contiguous; None stays None."""
    arrays = {key: None if a is None else Layout(*a) for key, a in given.items()}
    check_devices(name, x=x, **arrays)
    return {key: cast(a, accumulate(x.dtype.name)) for key, a in arrays.items()}


def _are_aligned(*arrays: Layout | None) -> bool:
    return all(a.aligned for a in arrays if a is not None)


@lru_cache(KEPT)
def _forward_plan(x: tuple, gamma: tuple | None, beta: tuple | None, eps: float, centred: bool, asked: Asked) -> Plan:
    name, first = LAYER_FORWARD.name, in_order(Layout(*x), False)
    wide, dtype = _parameters(name, first, gamma=gamma, beta=beta), check_arrays(name, x=first)
    rows, length = first.shape
    job = Rows(dtype, _are_aligned(first, *wide.values()), rows, length, eps, False)
    each = Output(first.shape[:1], accumulate(dtype))
    inputs: dict[str, Layout | None] = {"x": first, **wide}
    outputs = {"y": Output(first.shape, first.dtype), "rstd": each}
    if centred:
        outputs["mean"] = each
    else:
        inputs["mean"] = None
    return LAYER_FORWARD.plan(job, inputs, outputs, empty=not first.size)


@lru_cache(KEPT)
def _backward_plan(
    gy: tuple, x: tuple, gamma: tuple | None, mean: tuple | None, rstd: tuple, affine: bool, asked: Asked
) -> Plan:
    name, first = LAYER_BACKWARD.name, in_order(Layout(*x), False)
    above = in_order(Layout(*gy), False)
    wide, dtype = _parameters(name, first, gamma=gamma, mean=mean, rstd=rstd), check_arrays(name, gy=above, x=first)
    rows, length = first.shape
    job = Rows(dtype, _are_aligned(above, first, wide["gamma"]), rows, length, 0.0, affine)
    outputs = {"gx": Output(first.shape, first.dtype)}
    if affine:
        outputs |= {key: Output(first.shape[1:], first.dtype) for key in ("ggamma", "gbeta")}
    return LAYER_BACKWARD.plan(job, {"gy": above, "x": first, **wide}, outputs, empty=not first.size)


def _groups(name: str, x: Layout, groups: int, eps: float, affine: bool, *more: Layout | None) -> Groups:
    """The checked problem of x in its memory order."""
    check_index(name, **{"one sample of x": x.shape[1:]})
    n, c, *spatial = x.shape
    nhwc = not is_row_major(x) and bool(spatial)
    aligned, positions = _are_aligned(x, *more), math.prod(spatial)
    return Groups(x.dtype.name, aligned, n, c, positions, groups, nhwc, eps, affine)


@lru_cache(KEPT)
def _group_forward_plan(
    x: tuple, gamma: tuple | None, beta: tuple | None, groups: int, eps: float, asked: Asked
) -> Plan:
    name, first = GROUP_FORWARD.name, in_order(Layout(*x), not is_row_major(Layout(*x)))
    wide, dtype = _parameters(name, first, gamma=gamma, beta=beta), check_arrays(name, x=first)
    job = _groups(name, first, groups, eps, False)
    each = Output((job.N, job.G), accumulate(dtype))
    outputs = {"y": new(first.shape, first.dtype, job.nhwc), "mean": each, "rstd": each}
    return GROUP_FORWARD.plan(job, {"x": first, **wide}, outputs, empty=not first.size)


@lru_cache(KEPT)
def _group_backward_plan(
    gy: tuple, x: tuple, gamma: tuple | None, mean: tuple, rstd: tuple, groups: int, affine: bool, asked: Asked
) -> Plan:
    name, nhwc = GROUP_BACKWARD.name, not is_row_major(Layout(*x))
    first, above = in_order(Layout(*x), nhwc), in_order(Layout(*gy), nhwc)
    wide = _parameters(name, first, gamma=gamma, mean=mean, rstd=rstd)
    check_arrays(name, gy=above, x=first)
    job = _groups(name, first, groups, 0.0, affine, above)
    outputs = {"gx": new(first.shape, first.dtype, job.nhwc)}
    if affine:
        outputs |= {key: Output((job.C,), first.dtype) for key in ("ggamma", "gbeta")}
    return GROUP_BACKWARD.plan(job, {"gy": above, "x": first, **wide}, outputs, empty=not first.size)


# ---------------------------------------------------------------- the twin's functions
def layer_forward(x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """y of x (rows, L), each row a group; mean and 1 / sqrt(variance + eps) (rows,); gamma and beta are (L,)."""
    y, rstd, mean = _forward_plan(*layouts(x, gamma, beta), eps, True, forced())(x, gamma, beta)
    return y, mean, rstd


def layer_backward(
    gy: Array, x: Array, gamma: Array | None, mean: Array, rstd: Array, affine: bool = True
) -> tuple[Array, Array | None, Array | None]:
    """gx, ggamma, gbeta; the last two are None unless ``affine``."""
    return _rows_backward(gy, x, gamma, mean, rstd, affine)


def rms_forward(x: Array, gamma: Array | None, eps: float) -> tuple[Array, Array]:
    """y of x (rows, L), each row over its root mean square; 1 / sqrt(mean square + eps) (rows,); gamma is (L,)."""
    y, rstd = _forward_plan(*layouts(x, gamma), None, eps, False, forced())(x, gamma, None, None)
    return y, rstd


def rms_backward(
    gy: Array, x: Array, gamma: Array | None, rstd: Array, affine: bool = True
) -> tuple[Array, Array | None]:
    """gx, ggamma; the last is None unless ``affine``."""
    return _rows_backward(gy, x, gamma, None, rstd, affine)[:2]


def _rows_backward(
    gy: Array, x: Array, gamma: Array | None, mean: Array | None, rstd: Array, affine: bool
) -> tuple[Array, Array | None, Array | None]:
    arrays = gy, x, gamma, mean, rstd
    found = _backward_plan(*layouts(*arrays), affine, forced())(*arrays)
    return found if affine else (found, None, None)


def group_forward(
    x: Array, groups: int, gamma: Array | None, beta: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """y of x (N, C, *), and mean and 1 / sqrt(variance + eps) (N, groups); gamma and beta are (C,)."""
    return _group_forward_plan(*layouts(x, gamma, beta), groups, eps, forced())(x, gamma, beta)


def group_backward(
    gy: Array, x: Array, groups: int, gamma: Array | None, mean: Array, rstd: Array, affine: bool = True
) -> tuple[Array, Array | None, Array | None]:
    """gx, ggamma, gbeta; the last two are None unless ``affine``."""
    arrays = gy, x, gamma, mean, rstd
    found = _group_backward_plan(*layouts(*arrays), groups, affine, forced())(*arrays)
    return found if affine else (found, None, None)
