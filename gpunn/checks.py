"""Argument checks that several ops share; each error says what, got, expected and the remedy."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from functools import lru_cache, wraps
from typing import Any, SupportsIndex, TypeVar, cast

import numpy as np

from gpunn.asked import narrow
from gpunn.backend import Array, device_of, is_array, is_whole, same_device
from gpunn.backend.contract import Shape
from gpunn.backend.dispatch import CUPYS
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import kind_of, suggestion
from gpunn.mistaken import mistaken
from gpunn.scalars import shown
from gpunn.window import Ints as Ints
from gpunn.window import Window, size_text

F = TypeVar("F", bound=Callable)
FLOATS = ("float32", "float64", "float16", "bfloat16")
OPTIONAL = frozenset(("bias", "weight", "pos_weight", "residual"))  # conv and linear, whose weight is needed, call it w
COMPLEX = ("complex64", "complex128")  # which convolutions of plain arrays take
OF_COMPLEX = frozenset(
    f"{name}{rank}d{way}"
    for name in ("conv", "conv_transpose")
    for rank in (1, 2, 3)
    for way in ("", "_grad_input", "_grad_weight", "_grad_bias", "_backward")
)
WIDEST = np.dtype("float64")
WIDE_DTYPES = frozenset(map(np.dtype, FLOATS[:2]))


def arrays(op: str, **named: object) -> list[Array]:
    """The raw arrays behind `named`: floating, of one dtype, on one device. None is passed on for OPTIONAL names."""
    found: list[Any] = []  # None where it may be one
    first, first_name = None, ""
    for name, value in named.items():
        if value is None:
            if name not in OPTIONAL:
                raise TypeError(f"{op}: {name} is None, expected an array of float32 or float64; pass one")
            found.append(None)
            continue
        kind: Any = type(value)
        a: Any = value if kind in CUPYS else value.array if isinstance(value, Tensor) else _taken(op, name, value)
        found.append(a)
        if first is None:
            first, first_name = a, name
            if a.dtype not in WIDE_DTYPES:  # nor are those of another byte order
                check_floating(op, name, data_of(a))
        elif a.dtype != first.dtype or not same_device(a, first):
            check_same_device(op, first, a, first_name, name)
            real_first = a.dtype.kind == "c" and first.dtype.kind != "c"  # whose conversion loses nothing
            numpys = first.dtype == WIDEST and a.dtype.itemsize < 8  # NumPy's own dtype beside a layer's
            which, dtype = (first_name, a.dtype) if real_first or numpys else (name, first.dtype)
            raise TypeError(
                f"{op}: {first_name} is {first.dtype} but {name} is {a.dtype}; "
                f'convert one of them, for example {which} with .astype("{dtype}")'
            )
    return found


def _taken(op: str, name: str, value: object) -> Array:
    """`data_of`, whose refusals do not know what the argument is called."""
    try:
        return data_of(value)
    except TypeError as error:
        raise TypeError(f"{op}: {name}: {error}") from error


def check_floating(op: str, name: str, a: Array) -> None:
    """Refuses what is no floating point."""
    kind = a.dtype.name if a.dtype.isnative else a.dtype.str  # of an array put into Tensor.array
    if kind in FLOATS:
        return
    if kind in COMPLEX and op in OF_COMPLEX:
        if kind == "complex64" and narrow() is not None:
            raise TypeError(
                f"{op}: {name} is complex64, whose products no 16-bit precision has; expected gpunn.precision "
                "'fp32' or 'tf32' around it"
            )
        return
    if kind in COMPLEX:  # of which a conversion would lose half
        raise TypeError(
            f"{op}: {name} is {kind}, expected real numbers, float32 or float64; pass its .real and .imag in two calls"
        )
    raise TypeError(
        f"{op}: {name} is {kind}, expected float32 or float64, or 16 bits, float16 or bfloat16; convert it, for "
        f"example with {name}.to('float32'), or {name}.astype('float32') of an array"
    )


def check_same_device(op: str, a: Array, b: Array, a_name: str, b_name: str) -> None:
    """Refuses two arrays on two devices."""
    if same_device(a, b):
        return
    here, there = device_of(a), device_of(b)
    if here != there:
        raise ValueError(
            f"{op}: {a_name} is on {here} but {b_name} is on {there}; move one, for example with "
            f'gpunn.to_device(x, "{here}"), or .to("{here}") of a Tensor'
        )


def check_constant(op: str, name: str, value: object) -> None:
    """Refuses a Tensor that asks for a gradient which `op` does not have."""
    if isinstance(value, Tensor) and value.requires_grad:
        raise ValueError(f"{op}: {name} requires a gradient, which {op} does not have; pass {name}.detach()")


def check_constants(op: str, **named: object) -> None:
    """The same of several, for functions on plain arrays, beside which an op of their name records gradients."""
    for name, value in named.items():
        check_constant(op, name, value)


def check_written(op: str, **named: object) -> None:
    """Refuses what `op` is to change in place where that would reach a copy, or no memory at all; None is nothing."""
    for name, value in named.items():
        a = value.array if isinstance(value, Tensor) else value
        if a is None or (is_array(a) and getattr(a.flags, "writeable", True) and is_whole(a)):
            continue
        got = kind_of(value)
        if is_array(a):
            got = "read-only" if is_whole(a) else "unaligned" if a.dtype.isnative else f"of dtype {a.dtype.str}"
        raise ValueError(
            f"{op}: {name} is {got}, expected an array that can be written to, aligned and in this machine's byte "
            "order, since it is changed in place; pass such a copy of it"
        )


def wants_grad(value: object) -> bool:
    """Whether an op's input will ask for its gradient."""
    return isinstance(value, Tensor) and value._requires_grad  # not the property, which is one more call


def as_ints(op: str, name: str, value: Any, rank: int, minimum: float) -> tuple[int, ...]:
    """`value` (an int, or `rank` of them) as a tuple of `rank` ints, each at least `minimum`."""
    values = (value,) * rank if not isinstance(value, (tuple, list)) else tuple(value)
    if len(values) == 1:
        values *= rank
    if len(values) != rank or not values:
        raise ValueError(
            f"{op}: {name} has {len(values)} entries {values}, expected an int or {rank or 'some'} of them"
        )
    try:
        if bool in [v.__class__ for v in values]:
            raise TypeError  # True would be a size of 1
        values = tuple([operator.index(v) for v in values])
    except TypeError:
        expected = "an int" if rank == 1 else f"an int or {rank} of them"
        raise TypeError(f"{op}: {name} is {shown(value)}, expected {expected}") from None
    if min(values) < minimum:
        raise ValueError(f"{op}: {name} is {value}, expected at least {minimum}")
    return values


def as_shape(op: str, name: str, value: object) -> Shape:
    """A shape that the user gives, as a tuple of ints."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{op}: {name} is {shown(value)}, expected a tuple of ints; pass the array's .shape")
    return as_ints(op, name, value, len(value), 0) if value else ()


def cached(check: F) -> F:
    """`check`, a pure function of hashable arguments, with its last results kept: layers repeat their geometry."""
    kept = lru_cache(512, typed=True)(check)

    @wraps(check)
    def call(*args: Any) -> Any:
        try:
            return kept(*args)
        except TypeError:  # a list among the arguments, or check's own error, which comes again
            return check(*args)

    return cast(F, call)


def as_count(op: str, name: str, value: object) -> int:
    """`value` as one positive int."""
    if type(value) is int and value > 0:
        return value
    if isinstance(value, tuple | list):
        raise TypeError(f"{op}: {name} is {value!r}, expected an int")
    return as_ints(op, name, value, 1, 1)[0]


def check_choice(op: str, name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuses a word that is not one of `choices`."""
    if value not in choices:
        raise ValueError(f"{op}: {name} is {value!r}, expected one of {', '.join(map(repr, choices))}")


def check_needs(op: str, needs: Collection[str], known: tuple[str, ...]) -> None:
    """Refuses what is no gradient's name."""
    expected = ", ".join(map(repr, known))
    if not isinstance(needs, (tuple, list, set, frozenset)):
        one = f"({known[0]!r},)"
        raise TypeError(f"{op}: needs is {needs!r}, expected a tuple of some of {expected}; pass {one} for one")
    for name in needs:
        if name not in known:
            raise ValueError(f"{op}: needs has {name!r}, expected some of {expected}{suggestion(name, known)}")


def as_axis(op: str, a: Array, dim: SupportsIndex, name: str = "x") -> int:
    """`dim` as an axis from 0, refused where `a` has none such; a 0-d array counts as one axis, as in PyTorch."""
    rank = max(a.ndim, 1)
    try:
        axis = operator.index(dim)
    except TypeError:
        wanted = f"an int from {-rank} to {rank - 1} ({name} {a.shape})"
        raise TypeError(f"{op}: dim is {dim!r}, expected {wanted}") from None
    if not -rank <= axis < rank:
        raise IndexError(f"{op}: dim is {axis}, expected {-rank} to {rank - 1} ({name} {a.shape})")
    return axis % rank


def check_planes(op: str, shape: tuple[int, ...], rank: int, letters: str, name: str = "x") -> bool:
    """Whether x has a batch axis; refuses other ranks than (N, C, *) and (C, *), and zero sizes but N."""
    if len(shape) not in (rank + 1, rank + 2):
        raise ValueError(
            f"{op}: {name} has {len(shape)} dimensions {shape}, expected {rank + 2} ({letters}), "
            f"or {rank + 1} without a batch; reshape it{', one of one channel with x[None]' * (len(shape) == rank)}"
        )
    batched = len(shape) == rank + 2
    if 0 in (shape[1:] if batched else shape):
        raise ValueError(f"{op}: {name} {shape} has a zero size; only the batch N may be 0")
    return batched


def check_shape(op: str, name: str, a: Array, expected: Shape, remedy: str = "pass the forward call's options") -> None:
    """Refuses an array of another shape."""
    if a.shape != expected:
        raise ValueError(f"{op}: {name} is {a.shape}, expected {expected}; {remedy}")


def check_output(op: str, x: tuple[int, ...], sizes: tuple[int, ...], win: Window, out: tuple[int, ...]) -> None:
    """Refuses a window that does not fit the padded `sizes` of x once."""
    if min(out) >= 1:
        return
    padded = [n + 2 * p for n, p in zip(sizes, win.padding, strict=True)]
    dilated = f" ({size_text(win.extent)} with dilation {win.dilation})" if max(win.dilation) > 1 else ""
    looks = mistaken(x, x[-1], len(sizes)) if len(x) == len(sizes) + 2 and x[-1] <= 4 else ""
    raise ValueError(
        f"{op}: the window {size_text(win.size)}{dilated} is larger than the padded input {size_text(padded)} (x {x}); "
        f"{looks or 'use a smaller kernel or more padding'}"
    )
