"""Pooling of windows: the kernels of max and average pooling, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunn.cuda import pool_staged
from gpunn.cuda.dtypes import pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch
from gpunn.cuda.pool_staged import WORDS
from gpunn.cuda.problem import Pool
from gpunn.cuda.variants import Operation, Variant

THREADS = 128
SCALAR = "either memory order, every size and dtype"
VECTOR = "channels-last, channels a multiple of a 16-byte access"
STRIP = f"{VECTOR}; windows of 2x2, stride 2, and 3x3, stride 1 or 2"
STRIPS = {(2, 2), (3, 2), (3, 1)}  # size and stride of the windows that kernels are compiled for
TILE = 2  # columns of a strip, as in kernels/pool/strip.cuh
LONGEST = 8  # rows of a strip: of overlapping windows the first reads 1/8 more or 1/16, and a batch fills a device


# ---------------------------------------------------------------- what takes what
def refuse_vector(job: Pool) -> str:
    """Why a thread cannot take 16 bytes of channels."""
    if not job.nhwc:
        return "x is not channels-last"
    if job.flat:
        return "outputs are not channels-last"
    if job.C % pack(job.dtype):
        return f"C = {job.C} is no multiple of {pack(job.dtype)}"
    return "" if job.aligned else "an array does not start on a multiple of 16 bytes"


def _refuse_strip(job: Pool) -> str:
    win = job.win
    shapes = {(win.size[axis], win.stride[axis]) for axis in range(win.rank)}
    if win.rank != 2 or len(shapes) > 1 or not shapes <= STRIPS or set(win.dilation) != {1}:
        return f"no kernel is compiled for windows of {win}"
    if max(win.padding) >= win.size[0]:
        return f"padding {win.padding} reaches beyond a window"
    return refuse_vector(job)


# ---------------------------------------------------------------- launches
def macros_of(job: Pool, args: tuple[Any, ...], width: int) -> dict[str, object]:
    """What kernels of windows are compiled with: storage, memory order, elements a thread moves, an index's type."""
    macros: dict[str, object] = {**storage_macros(job.dtype), "NHWC": int(job.nhwc), "VEC": width}
    if "index" in args:
        macros["INDEX"] = "unsigned char" if job.win.positions <= 256 else "unsigned short"
    return macros


def _given(args: tuple[Any, ...], job: Pool) -> tuple[Any, ...]:
    """The arguments, a null pointer in the index's place where nobody wants it."""
    return tuple([None if arg == "index" and not job.wanted else arg for arg in args])


def _elements(source: str, args: tuple[Any, ...], wide: bool) -> Callable[[Pool], tuple[Launch, ...]]:
    """A thread owns one element of the result, or 16 bytes of channels."""

    def plan(job: Pool) -> tuple[Launch, ...]:
        width = pack(job.dtype) if wide else 1
        items = (job.inputs if args[-1] == "gx" else job.outputs) // width
        grid = (blocks(items, THREADS),)
        return (Launch(source, macros_of(job, args, width), grid, (THREADS,), (*_given(args, job), job)),)

    return plan


def _strips(source: str, args: tuple[Any, ...]) -> Callable[[Pool], tuple[Launch, ...]]:
    """A thread owns 16 bytes of channels of a strip, two columns wide: of outputs, or of cells of inputs."""

    def plan(job: Pool) -> tuple[Launch, ...]:
        (size, _), (stride, _), (pad_h, pad_w), _ = job.win
        down, across = job.P, job.Q
        if args[-1] == "gx":
            down, across = blocks(job.H + pad_h, stride), blocks(job.W + pad_w, stride)
        rows = blocks(down, blocks(down, LONGEST))
        width = pack(job.dtype)
        threads = job.N * blocks(down, rows) * blocks(across, TILE) * (job.C // width)
        macros = {**macros_of(job, args, width), "WIN": size, "STRIDE": stride}
        return (Launch(source, macros, (blocks(threads, THREADS),), (THREADS,), (*_given(args, job), job, rows)),)

    return plan


def _operation(name: str, *args: str) -> Operation:
    """``pool.<name>``: its kernel's operands, the result last but for an index."""
    vector, strip, staged = f"pool/{name}", f"pool/strip_{name}", f"pool/staged_{name}"
    return Operation(
        f"pool.{name}",
        Variant("strip", (strip,), STRIP, _strips(strip, args), _refuse_strip),
        Variant("vector", (vector,), VECTOR, _elements(vector, args, True), refuse_vector),
        Variant("staged", (staged,), WORDS, pool_staged.plan(staged, args), pool_staged.refuse, dynamic=True),
        Variant("naive", (vector,), SCALAR, _elements(vector, args, False)),
    )


MAX_FORWARD = _operation("max_forward", "x", "y", "index")
MAX_BACKWARD = _operation("max_backward", "gy", "index", "y", "gx")
AVG_FORWARD = _operation("avg_forward", "x", "y")
AVG_BACKWARD = _operation("avg_backward", "gy", "x", "gx")
