"""Activations on CUDA and emulated arrays: the twin of gpunn.cpu.activation. Results keep x's memory order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gpunn.backend import Array
from gpunn.cuda.checks import check_arrays, check_devices
from gpunn.cuda.dtypes import FUNCTIONS, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.layout import in_axes, memory_order, new_in_axes
from gpunn.cuda.plans import KEPT, Launch, Plan
from gpunn.cuda.problem import Problem
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced
from gpunn.pointwise import reads_x

THREADS = 256


@dataclass(frozen=True)
class Elements(Problem):
    """L elements, each of which ``function`` with its options takes on its own."""

    L: int
    function: str
    a: float
    b: float

    def __str__(self) -> str:
        return f"{self.function} L{self.L} {self.dtype}"


def _refuse_vector(job: Elements) -> str:
    if job.L % pack(job.dtype):
        return f"L = {job.L} is no multiple of {pack(job.dtype)}"
    return "" if job.aligned else "an array does not start on a multiple of 16 bytes"


def _operation(name: str, operands: tuple[str, ...], each: int) -> Operation:
    """``each``: accesses of an array that a thread has in flight."""
    source = f"elementwise/activation_{name}"

    def launch(job: Elements, width: int) -> tuple[Launch, ...]:
        macros = {**storage_macros(job.dtype), "VEC": width, "FUNCTION": FUNCTIONS[job.function]}
        grid = (blocks(job.L // width, each * THREADS),)
        return (Launch(source, macros, grid, (THREADS,), (*operands, job.L, job.a, job.b)),)

    return Operation(
        f"activation.{name}",
        Variant("vector", (source,), "elements a multiple of a 16-byte access",
                lambda job: launch(job, pack(job.dtype)), _refuse_vector),
        Variant("element", (source,), "every size and dtype", lambda job: launch(job, 1)),
    )  # fmt: skip


FORWARD = _operation("forward", ("x", "y"), 4)
BACKWARD = _operation("backward", ("gy", "kept", "gx"), 2)


def _problem(operation: str, name: str, options: tuple[float, ...], **arrays: Layout) -> Elements:
    check_devices(operation, **arrays)
    dtype = check_arrays(operation, **arrays)
    first, *_ = arrays.values()
    a, b = (*options, 0.0, 0.0)[:2]
    return Elements(dtype, all(found.aligned for found in arrays.values()), first.size, name, a, b)


@lru_cache(KEPT)
def _forward(name: str, given: tuple, options: tuple[float, ...], asked: Asked) -> Plan:
    x = Layout(*given)
    order = memory_order(x)
    inputs = {"x": in_axes(x, order)}
    job = _problem("activation.forward", name, options, **inputs)
    return FORWARD.plan(job, inputs, {"y": new_in_axes(x.shape, x.dtype, order)}, empty=not job.L)


@lru_cache(KEPT)
def _backward(name: str, above: tuple, given: tuple, options: tuple[float, ...], asked: Asked) -> Plan:
    gy, kept = Layout(*above), Layout(*given)
    order = memory_order(kept)
    inputs = {"gy": in_axes(gy, order), "kept": in_axes(kept, order)}
    job = _problem("activation.backward", name, options, **inputs)
    return BACKWARD.plan(job, inputs, {"gx": new_in_axes(kept.shape, kept.dtype, order)}, empty=not job.L)


def forward(name: str, x: Array, options: tuple[float, ...], wanted: bool) -> tuple[Array, Array]:
    """y, and what backward takes; ``wanted`` says whether there will be a backward."""
    y = _forward(name, layout(x), options, forced())(x)
    return y, x if reads_x(name, options) else y


def backward(name: str, gy: Array, kept: Array, options: tuple[float, ...]) -> Array:
    """gx, from what forward kept."""
    return _backward(name, layout(gy), layout(kept), options, forced())(gy, kept)


def slopes(name: str, gy: Array, seen: Array, options: tuple[float, ...]) -> Array:
    """gx, from x where gpunn.pointwise.reads_x says so, else from y: what forward keeps here."""
    return backward(name, gy, seen, options)
