"""Pooling by the norm of a window on CUDA and emulated arrays: the twin of gpunn.cpu.norm_pool."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays, check_index
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_order, is_row_major, new
from gpunn.cuda.plans import KEPT, Launch, Plan
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.window import Window

THREADS = 128
FORWARD, BACKWARD = ("x", "y"), ("gy", "x", "y", "gx")


@dataclass(frozen=True)
class NormPool(Problem):
    """A norm pooling of any rank; ``nhwc`` says which memory order x has. Axes that it lacks are 1."""

    x: tuple[int, ...]
    out: tuple[int, ...]
    win: Window
    nhwc: bool
    power: float

    @property
    def letters(self) -> dict[str, int]:
        axes = zip(("DHW", "ARS", "OPQ"), (self.x[2:], self.win.size, self.out), strict=True)
        named = {one: n for letters, sizes in axes for one, n in zip(letters, (1, 1, *sizes)[-3:], strict=True)}
        return {**super().letters, "N": self.x[0], "C": self.x[1], **named}

    @property
    def struct(self) -> dict[str, int]:
        strides = zip(("stride_d", "stride_h", "stride_w"), (1, 1, *self.win.stride)[-3:], strict=True)
        return {**self.letters, **dict(strides)}

    def __str__(self) -> str:
        return f"{super().__str__()} {self.win} norm {self.power:g}"


def _launch(source: str, job: NormPool, width: int, owned: tuple[int, ...], args: tuple[str, ...]) -> tuple[Launch]:
    macros = {**storage_macros(job.dtype), "NHWC": int(job.nhwc), "VEC": width}
    grid = (blocks(math.prod(job.x[:2]) * math.prod(owned) // width, THREADS),)
    return (Launch(source, macros, grid, (THREADS,), (*args, job, job.power)),)


def _refuse_vector(job: NormPool) -> str:
    if not job.nhwc:
        return "x is not channels-last"
    if job.x[1] % pack(job.dtype):
        return f"C = {job.x[1]} is no multiple of {pack(job.dtype)}"
    if job.power not in (1, 2):
        return f"the order {job.power:g} is neither 1 nor 2"
    return "" if job.aligned else "an array does not start on a multiple of 16 bytes"


def _refuse_tile(job: NormPool) -> str:
    overlap = any(step < size for step, size in zip(job.win.stride, job.win.size, strict=True))
    return _refuse_vector(job) or ("windows overlap" if overlap else "")


def _row(
    name: str, source: str, takes: str, owns: str, args: tuple[str, ...],
    refusal: Callable[[NormPool], str] = lambda job: "",
) -> Variant:  # fmt: skip
    """A thread owns an output (``owns`` "y") or an input, of 16 bytes of channels but for the naive one."""

    def plan(job: NormPool) -> tuple[Launch, ...]:
        width = 1 if name == "naive" else pack(job.dtype)
        return _launch(f"pool/{source}", job, width, job.out if owns == "y" else job.x[2:], args)

    return Variant(name, (f"pool/{source}",), takes, plan, refusal)


ANY = "either memory order, every size and dtype"
WIDE = "channels-last, channels a multiple of a 16-byte access, order 1 or 2"
NORM_FORWARD = Operation(
    "pool.norm_forward",
    _row("vector", "norm_forward", WIDE, "y", FORWARD, _refuse_vector),
    _row("naive", "norm_forward", ANY, "y", FORWARD),
)
NORM_BACKWARD = Operation(
    "pool.norm_backward",
    _row("tile", "norm_tile_backward", f"{WIDE}, windows that do not overlap", "y", BACKWARD, _refuse_tile),
    _row("vector", "norm_backward", WIDE, "x", BACKWARD, _refuse_vector),
    _row("naive", "norm_backward", ANY, "x", BACKWARD),
)


@lru_cache(KEPT)
def _plan(
    operation: Operation,
    given: tuple[tuple, ...],
    win: Window,
    ceil_mode: bool,
    power: float,
    asked: Asked,
) -> Plan:
    """Of x forward; of gy, x and y backward."""
    names = FORWARD[:-1] if operation is NORM_FORWARD else BACKWARD[:-1]
    found = dict(zip(names, [Layout(*one) for one in given], strict=True))
    nhwc = not is_row_major(found["x"])
    inputs = {name: in_order(one, nhwc) for name, one in found.items()}
    dtype, x = check_arrays(operation.name, **inputs), inputs["x"].shape
    y = (*x[:2], *win.out(x[2:], ceil_mode))
    check_index(operation.name, **{"one sample of x": x[1:], "one sample of y": y[1:]})
    job = NormPool(dtype, all(one.aligned for one in inputs.values()), x, y[2:], win, nhwc, power)
    name, shape = ("y", y) if operation is NORM_FORWARD else ("gx", x)
    outputs = {name: new(shape, inputs["x"].dtype, nhwc)}
    return operation.plan(job, inputs, outputs, empty=not math.prod(y))


def forward(x: Array, win: Window, ceil_mode: bool, power: float) -> Array:
    """y (N, C, *out): the norm of each window."""
    return _plan(NORM_FORWARD, (layout(x),), win, ceil_mode, power, forced())(x)


def backward(gy: Array, x: Array, y: Array, win: Window, ceil_mode: bool, power: float) -> Array:
    """gx, from what forward took and gave."""
    return _plan(NORM_BACKWARD, (layout(gy), layout(x), layout(y)), win, ceil_mode, power, forced())(gy, x, y)
