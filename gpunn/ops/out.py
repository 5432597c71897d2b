"""`out=`: an op's result in memory that the caller has.

Where it lies is checked before anything is computed, its shape and dtype once the op has told what they are to be.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any, TypeVar, cast

from gpunn.backend import Array, asarray, destination, is_array
from gpunn.backend.foreign import is_foreign
from gpunn.backend.memory import address, overlap, overlaps_itself
from gpunn.checks import check_same_device, check_written
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import kind_of
from gpunn.restored import restored

F = TypeVar("F", bound=Callable)


def with_out(op: F, name: str = "") -> F:
    """`op`, which declares a keyword `out` and leaves it to this: where given, the result is written there, and is it.
    `name` is what the user calls it, where that is not its own.

    `out` is an array of the result's shape, dtype and device, in any memory order, that shares no memory
    with an input; where the op has several results, a tuple of as many, nested as they are, None for one that is None.
    All inputs are plain arrays then. On a device the kernel writes straight into an `out` that lies in memory as the
    op's own result does and starts on a multiple of 16 bytes; into any other, and on `cpu`, the result is copied. After
    an error its values are undefined.

    Raises:
        TypeError: an input is a Tensor; `out` is no array, or of another dtype.
        ValueError: `out` has another shape or device, shares memory with an input, or cannot be written to.

    Examples:
        >>> x, y = np.array([-1.0, 2.0]), np.empty(2)
        >>> ops.relu(x, out=y) is y, y
        (True, array([0., 2.]))
    """

    @wraps(op)
    def call(*args: Any, out: Any = None, **options: Any) -> Any:
        return op(*args, **options) if out is None else _into(op, name or op.__name__, out, args, options)

    return cast(F, call)


@restored
def _into(op: Callable, name: str, out: Any, args: tuple, options: dict[str, Any]) -> Any:
    outs = tuple(_leaves(out))
    _check_outs(name, outs)
    named = {**dict(zip(_parameters(op), args, strict=False)), **options}
    for argument, x in named.items():
        for a in _arrays(name, x):
            _check_apart(name, outs, argument, a)
    if len(outs) == 1 and outs[0] is not None:  # of several, one could lie where another belongs
        destination.given.set([outs[0]])
    if "running_mean" in named and outs and outs[0] is not None:  # which would have moved before a wrong one showed
        _check_alike(name, data_of(named["x"]), outs[0])
    made = op(*args, **options)
    results = tuple(_leaves(made))
    if len(results) != len(outs):
        raise ValueError(f"{name}: out has {len(outs)} arrays, expected {len(results)}, one a result; pass a tuple")
    for y, into in zip(results, outs, strict=True):
        if y is None or into is None:
            if y is not into:
                given, found = ("None" if a is None else "an array" for a in (into, y))
                raise ValueError(f"{name}: out has {given} where the result is {found}; pass {found} there")
            continue
        if is_array(y):  # of numbers and lists alone it is on the default device
            check_same_device(name, y, into, "the result", "out")
        _check_alike(name, y, into)
    if _nesting(out) != _nesting(made):  # out is returned, and unpacked as the results are
        raise ValueError(f"{name}: out is {_nesting(out)}, expected {_nesting(made)}, as the results are; nest it so")
    for y, into in zip(results, outs, strict=True):
        _deliver(y, into)
    return out


def _check_alike(name: str, y: Array, out: Array) -> None:
    """Refuses an `out` of another shape or dtype than the result."""
    if y.shape != out.shape:
        raise ValueError(f"{name}: out is {out.shape}, expected {y.shape}; make it with empty({y.shape})")
    if y.dtype != out.dtype:
        raise TypeError(f"{name}: out is {out.dtype}, expected {y.dtype}; make it with dtype={y.dtype.name!r}")


@cache
def _parameters(op: Callable) -> tuple[str, ...]:
    """The names of an op's parameters, in order."""
    return tuple(inspect.signature(op).parameters)


def _check_outs(name: str, outs: tuple) -> None:
    """Refuses what a result cannot be written to."""
    for i, out in enumerate(outs):
        if out is None:
            continue
        if not is_array(out):
            raise TypeError(
                f"{name}: out is {kind_of(out)}, expected an array, or a tuple of them; pass a Tensor's .array, of "
                "another library's an array over its memory"
            )
        check_written(name, out=out)
        if overlaps_itself(out):
            raise ValueError(f"{name}: out has elements that share memory, expected one place for each; pass a copy")
        if any(overlap(out, other) for other in outs[:i] if other is not None):
            raise ValueError(f"{name}: two arrays of out share memory, expected memory of their own; pass a copy")


def _leaves(x: Any, nests: tuple[type, ...] = (tuple,)) -> Iterator[Any]:
    """What lies in tuples, nested ones too."""
    if isinstance(x, nests):
        for one in x:
            yield from _leaves(one, nests)
    else:
        yield x


def _nesting(x: Any) -> str:
    """How tuples lie in tuples: "(array, (array, array))"."""
    return f"({', '.join(map(_nesting, x))})" if isinstance(x, tuple) else "array"


def _arrays(name: str, x: Any) -> Iterator[Array]:
    """The arrays of an argument, or of a list of them. TypeError for a Tensor, whose graph would not know `out`."""
    for a in _leaves(x, (list, tuple)):
        if isinstance(a, Tensor):
            raise TypeError(f"{name}: out is for plain arrays, but got a Tensor; pass the .array of each")
        if is_array(a):
            yield a
        elif is_foreign(a):  # another library's, whose memory is read where it lies
            yield asarray(a)


def _check_apart(name: str, outs: tuple[Array, ...], argument: str, a: Array) -> None:
    """Refuses an `out` on another device than an input, or in its memory."""
    for out in outs:
        if out is None:
            continue
        check_same_device(name, a, out, argument, "out")
        if overlap(out, a):
            raise ValueError(
                f"{name}: out shares memory with {argument}, expected memory of its own; pass a copy of one of them"
            )


def _deliver(y: Any, out: Array) -> None:
    """y's values into `out`, where they are not there already."""
    if y is None or not y.size or (is_array(y) and address(y) == address(out) and _form(y) == _form(out)):
        return
    out[...] = y.copy() if is_array(y) and overlap(y, out) else y


def _form(a: Array) -> destination.Form:
    return destination.form(a.shape, a.strides, a.dtype)
