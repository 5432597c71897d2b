"""Functions of arrays, element by element, on CUDA and emulated arrays: the twin of gpunn.cpu.elementwise.

Each is one launch, whose result has the memory order of the first array of its shape. Arrays of floats of one type come
here; of integers, bools and several types CuPy's and NumPy's own functions take care.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from gpunn import pointwise
from gpunn.backend import Array, array_module
from gpunn.cuda import source, structs
from gpunn.cuda.axes import apart, dense, framed, is_wide, joined, memory_order, new_in_axes, order_of
from gpunn.cuda.checks import check_devices
from gpunn.cuda.dtypes import STORAGE, accumulate, pack, storage_macros
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import KEPT, Launch, Output, Plan, Scalar
from gpunn.cuda.problem import Frame, Map, Reduction
from gpunn.cuda.signature import Layout, layout
from gpunn.cuda.variants import Asked, Operation, Variant, forced

__all__ = ["add_into", "apply", "in_memory", "place"]

THREADS = 256
AXES = 6  # of kernels/elementwise/walk.cuh
# sin and cos are CuPy's: CUDA's reduce large angles in memory of the stack, which no kernel here takes.
FUNCTIONS = {  # structs of kernels/elementwise/functions.cuh, and how many arrays each takes
    "copy": ("Copy", 1), "add": ("Add", 2), "subtract": ("Subtract", 2), "multiply": ("Multiply", 2),
    "true_divide": ("Divide", 2), "maximum": ("Maximum", 2), "minimum": ("Minimum", 2), "power": ("Power", 2),
    "exp": ("Exp", 1), "log": ("Log", 1), "sqrt": ("Sqrt", 1), "absolute": ("Absolute", 1),
    "negative": ("Negative", 1), "clip": ("Clip", 1), "divide_slope": ("DivideSlope", 3),
    "sqrt_slope": ("SqrtSlope", 2), "absolute_slope": ("AbsoluteSlope", 2), "clip_slope": ("ClipSlope", 2),
    "maximum_slope": ("MaximumSlope", 3), "minimum_slope": ("MinimumSlope", 3), "power_slope": ("PowerSlope", 3),
    "power_log": ("PowerLog", 3), "glu": ("Glu", 2), "glu_slope": ("GluSlope", 3),
    "log1p": ("Log1p", 1), "expm1": ("Expm1", 1),
    "rsqrt": ("Rsqrt", 1), "erf": ("Erf", 1), "erfc": ("Erfc", 1), "rint": ("Rint", 1), "floor": ("Floor", 1),
    "sign": ("Sign", 1), "remainder": ("Remainder", 2),
    "squared_error": ("SquaredError", 2), "squared_error_slope": ("SquaredErrorSlope", 3),
    "absolute_error": ("AbsoluteError", 2), "absolute_error_slope": ("AbsoluteErrorSlope", 3),
    "huber": ("Huber", 2), "huber_slope": ("HuberSlope", 3),
    "logistic_error": ("LogisticError", 2), "logistic_error_slope": ("LogisticErrorSlope", 3),
}  # fmt: skip
NAMES = ("u", "v", "w")
NARROW = ("float16", "bfloat16")


# ---------------------------------------------------------------- variants
def refuse_wide(job: Map | Frame | Reduction) -> str:
    """Why no access of 16 bytes fits; "" where one does."""
    if not job.aligned:
        return "an array does not start on a multiple of 16 bytes"
    return "" if job.wide else "neighbours in memory do not come in multiples of 16 bytes"


def _struct(file: str, kind: str, columns: dict[Any, list[int]], width: int) -> Any:
    """Walk or Frame, by value; columns of an access's elements: of axis 0 in accesses."""
    made = np.zeros((), structs.layout(source.read(file).text, kind, {}).dtype)
    for name, values in columns.items():
        made[name][: len(values)] = values
    made["items"], made["rank"] = math.prod(columns["size"]) // width, len(columns["size"])
    return made[()]


def _map(job: Map, width: int) -> tuple[Launch, ...]:
    sizes, *strides = map(list, zip(*job.walk, strict=True))
    function, arity = FUNCTIONS[job.function]
    items = job.L // width
    for stride in strides:
        stride[0] *= width
    columns = {"size": [sizes[0] // width, *sizes[1:]], **dict(zip("uvwy", strides, strict=True))}
    walk = _struct("elementwise/map", "Walk", columns, 1)
    grid = (blocks(items, THREADS * (4 if arity == 1 else 2)),)
    to = "u" if job.in_place else "y"
    macros = {**storage_macros(job.dtype), "VEC": width, "FUNCTION": function}
    return (Launch("elementwise/map", macros, grid, (THREADS,), (*NAMES, to, walk, "a", "b")),)


def _place(job: Frame, width: int) -> tuple[Launch, ...]:
    columns = dict(zip(("size", "x", "first", "step", "count"), map(list, zip(*job.walk, strict=True)), strict=True))
    columns["x"][0] *= width
    for name in ("size", "first", "count"):
        columns[name][0] //= width
    frame = _struct("elementwise/place", "Frame", columns, 1)
    macros = {**storage_macros(job.dtype), "VEC": width}
    grid = (blocks(job.L // width, 4 * THREADS),)
    return (Launch("elementwise/place", macros, grid, (THREADS,), ("x", "y", frame, "value")),)


WIDE = "arrays that are one, or repeated, along the result's innermost axis, in multiples of 16 bytes"
MAP = Operation(
    "elementwise.map",
    Variant("vector", ("elementwise/map",), WIDE, lambda job: _map(job, pack(job.dtype)), refuse_wide),
    Variant("element", ("elementwise/map",), "every stride", lambda job: _map(job, 1)),
)
PLACE = Operation(
    "elementwise.place",
    Variant("vector", ("elementwise/place",), WIDE, lambda job: _place(job, pack(job.dtype)), refuse_wide),
    Variant("element", ("elementwise/place",), "every stride", lambda job: _place(job, 1)),
)


# ---------------------------------------------------------------- plans
def is_taken(x: Layout) -> bool:
    """Whether kernels read an array: of floats, none of its axes backwards."""
    return x.dtype.name in STORAGE and min(x.strides, default=0) >= 0


@lru_cache(KEPT)
def _planned(name: str, given: tuple[tuple | None, ...], in_place: bool, asked: Asked) -> Plan | None:
    """The plan of a function of arrays and numbers (None); None where kernels do not take it."""
    arrays = [None if one is None else Layout(*one) for one in given]
    found = [x for x in arrays if x is not None]
    dtype = found[0].dtype
    if not all([is_taken(x) and x.dtype == dtype for x in found]):
        return None
    check_devices(MAP.name, **{name: x for name, x in zip(NAMES, arrays, strict=False) if x is not None})
    shape = np.broadcast_shapes(*[x.shape for x in found])
    order = memory_order(found[0]) if in_place else order_of(found, shape)
    to = apart(found[0], shape) if in_place else dense(shape, order)
    arrays += [None] * (len(NAMES) - len(arrays))
    walk = joined(shape, order, [*[apart(x, shape) for x in arrays], to])
    if len(walk) > AXES or (in_place and not (found[0].shape == shape and found[0].is_dense(order))):
        return None
    aligned, size = all([x.aligned for x in found]), math.prod(shape)
    moved = sum([x.size for x in found])
    job = Map(dtype.name, aligned, size, moved, name, walk, is_wide(walk, pack(dtype.name)), in_place)
    number = Scalar(accumulate(dtype.name).type)
    inputs: dict[str, Layout | Scalar | None] = {**dict(zip(NAMES, arrays, strict=True)), "a": number, "b": number}
    outputs = {} if in_place else {"y": new_in_axes(shape, dtype, order)}
    return MAP.plan(job, inputs, outputs, empty=not size)


@lru_cache(KEPT)
def _copied(given: tuple, order: tuple[int, ...], asked: Asked) -> Plan | None:
    x = Layout(*given)
    walk = joined(x.shape, order, [apart(x, x.shape), *[[0] * len(order)] * 2, dense(x.shape, order)])
    if not is_taken(x) or len(walk) > AXES:
        return None
    job = Map(x.dtype.name, x.aligned, x.size, x.size, "copy", walk, is_wide(walk, pack(x.dtype.name)))
    number = Scalar(accumulate(x.dtype.name).type)
    inputs: dict[str, Layout | Scalar | None] = {"u": x, "v": None, "w": None, "a": number, "b": number}
    plan = MAP.plan(job, inputs, {"y": Output(tuple([x.shape[axis] for axis in order]), x.dtype)}, empty=not x.size)
    plan.call = None  # a step on the way of the operation that asks for it
    return plan


@lru_cache(KEPT)
def _placed(
    given: tuple, shape: tuple[int, ...], first: tuple[int, ...], step: tuple[int, ...], asked: Asked
) -> Plan | None:
    x = Layout(*given)
    if not is_taken(x):
        return None
    order, name = order_of([x], x.shape), x.dtype.name
    walk = framed(x, order, shape, first, step)
    if len(walk) > AXES:
        return None
    width, (inner, *outer) = pack(name), walk
    wide = inner[1] == inner[3] == 1 and not any([n % width for n in (inner[0], inner[2], inner[4])])
    wide = wide and not any([axis[1] % width for axis in outer])
    job = Frame(name, x.aligned, math.prod(shape), x.size, walk, wide)
    inputs: dict[str, Layout | Scalar | None] = {"x": x, "value": Scalar(accumulate(name).type)}
    return PLACE.plan(job, inputs, {"y": new_in_axes(shape, x.dtype, order)}, empty=not job.L)


# ---------------------------------------------------------------- numbers
@lru_cache(64)
def _no_numbers(dtype: np.dtype) -> tuple[np.generic, np.generic]:
    return (accumulate(dtype.name).type(0),) * 2


def _numbers(dtype: np.dtype, *values: float) -> tuple[np.generic, np.generic]:
    """Numbers beside an array as kernels take them: rounded to the array's type, as NumPy does."""
    with np.errstate(over="ignore"):
        a, b = [accumulate(dtype.name).type(dtype.type(value)) for value in (*values, 0)[:2]]
    return a, b


# ---------------------------------------------------------------- the twin's functions
def apply(name: str, *operands: Any) -> Array:
    """NumPy's function of this name, or one of gpunn.pointwise, of arrays and numbers that fit together."""
    if name not in FUNCTIONS:
        return _without_kernel(name, *operands)
    _, arity = FUNCTIONS[name]
    arrays: list[Any] = []
    given: list[Any] = []
    for x in operands[:arity]:
        arrays.append(x if hasattr(x, "dtype") else None)
        given.append(layout(x) if hasattr(x, "dtype") else None)
    plan = _planned(name, tuple(given), False, forced())
    first: Any = arrays[0] if arrays[0] is not None else arrays[1]
    if plan is None and name in ("erf", "erfc"):  # which only kernels have
        return apply(name, first.copy(order="C"))
    if plan is None:
        return pointwise.function(array_module(first), name)(*operands)
    if len(operands) > arity:  # clip's, of which None is none
        low, high = operands[arity:]
        numbers = _numbers(first.dtype, -math.inf if low is None else low, math.inf if high is None else high)
    elif None in given:
        numbers = _numbers(first.dtype, operands[given.index(None)])
    else:
        numbers = _no_numbers(first.dtype)
    return plan(*arrays, *_ABSENT[arity], *numbers)


def _without_kernel(name: str, *operands: Any) -> Array:
    """CuPy's function, or NumPy's of emulated arrays; of 16 bits, which some lack, in float32, and rounded once."""
    first = next(x for x in operands if hasattr(x, "dtype"))
    wide = [x.astype(np.float32) if hasattr(x, "dtype") and x.dtype.name in NARROW else x for x in operands]
    y = pointwise.function(array_module(first), name)(*wide)
    return y.astype(first.dtype) if y.dtype == np.float32 and first.dtype.name in NARROW else y


_ABSENT = ((), (None, None), (None,), ())  # operands that a function of so many does not have


def add_into(total: Array, x: Array) -> None:
    """Add x to a total of its shape, in place; nobody else holds that."""
    plan = _planned("add", (layout(total), layout(x)), True, forced())
    if plan is None:
        total += x
    else:
        plan(total, x, None, *_no_numbers(total.dtype))


def apply_into(name: str, total: Array, x: Any) -> None:
    """A function of two operands, of a total and an array of its shape or a number, in the total's own memory."""
    given = layout(x) if hasattr(x, "dtype") else None
    plan = _planned(name, (layout(total), given), True, forced())
    if plan is None:
        pointwise.function(array_module(total), name)(total, x, out=total)
    else:
        plan(total, x if given else None, None, *(_no_numbers(total.dtype) if given else _numbers(total.dtype, x)))


def in_memory(x: Array, order: tuple[int, ...]) -> Array:
    """x with its axes in this order, in memory row by row: a view where it is so, else a copy."""
    view = x.transpose(order)
    if view.flags.c_contiguous:
        return view
    plan = _copied(layout(x), order, forced())
    return view.copy(order="C") if plan is None else plan(x, None, None, *_no_numbers(x.dtype))


def place(x: Array, shape: tuple[int, ...], first: tuple[int, ...], step: tuple[int, ...], value: float = 0) -> Array:
    """An array of this shape and x's memory order: x from `first` on in these steps along each axis, else value."""
    plan = _placed(layout(x), shape, first, step, forced())
    if plan is None:
        return pointwise.placed(array_module(x), x, shape, first, step, value)
    return plan(x, _numbers(x.dtype, value)[0] if value else _no_numbers(x.dtype)[0])
