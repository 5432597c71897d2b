"""In-place operators and assignment: what `x -= y` and `x[i] = y` may change, and what they may not.

Where nothing is recorded a Tensor that the user made changes in memory, as PyTorch's does: whoever shares the memory
sees it, and a weight keeps its order of axes. While recording, closures may hold that memory for the backward pass;
the Tensor then takes a new array, and its history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunn.backend import Array
from gpunn.engine.autograd import is_grad_enabled
from gpunn.engine.tensor import Tensor
from gpunn.ops.broadcast import operands
from gpunn.ops.indexing import as_index, getitem


def update(op: Callable[[Any, Any], Any], x: Tensor, other: object) -> Tensor:
    """`x` itself, with the values of op(x, other).

    Raises:
        RuntimeError: x is a leaf that requires a gradient, and recording is on.
        TypeError: the result's dtype is of another kind than x's.
        ValueError: the result has another shape, or x's memory cannot be written to.
    """
    name = op.__name__
    anew = f"write x = ops.{name}(x, y) for a new Tensor"
    _refuse_leaf(name, x, anew)
    y = op(x, other)
    if y.shape != x.shape:
        raise ValueError(f"{name}: in place, x is {x.shape} but the result is {y.shape}, expected equal ones; {anew}")
    _check_kind(name, y.dtype, x.dtype, anew)
    y = y.to(x.dtype)
    if x.is_leaf and not is_grad_enabled():
        _refuse_unwritable(name, x.data)
        x.data[...] = y.data
    elif is_grad_enabled():
        x.data, x._node, x._requires_grad = y.data, y._node, y._requires_grad
    else:  # of a computed value: closures hold its array, and its history goes on
        x.data = y.data
    return x


def assign(x: Tensor, index: Any, value: object) -> None:
    """x[index] = value, with NumPy's rules. Raises what `update` raises, and IndexError for what is not in x."""
    anew = "write x = ops.where(mask, y, x) for a new Tensor"
    _refuse_leaf("setitem", x, anew)
    if is_grad_enabled() and (x.requires_grad or getattr(value, "requires_grad", False)):
        raise RuntimeError(f"setitem: a part assigned to would lose gradients; {anew}, or assign inside no_grad()")
    part = getitem(x.data, index)
    given = operands("setitem", part, value)[1]
    _check_kind("setitem", getattr(given, "dtype", np.dtype(type(given))), x.dtype, anew)
    shape = getattr(given, "shape", ())
    if np.broadcast_shapes(shape, part.shape) != part.shape:
        raise ValueError(f"setitem: the part is {part.shape} but the value {shape}, expected what broadcasts to it")
    data = x.data if x.is_leaf and not is_grad_enabled() else x.data.copy(order="K")
    _refuse_unwritable("setitem", data)
    data[as_index(index)] = given
    x.data = data


def _refuse_leaf(name: str, x: Tensor, anew: str) -> None:
    if is_grad_enabled() and x.is_leaf and x.requires_grad:
        raise RuntimeError(
            f"{name}: a leaf that requires a gradient cannot be changed in place while operations are recorded; change "
            f"it inside `with no_grad():`, or {anew}"
        )


def _check_kind(name: str, got: np.dtype, own: np.dtype, anew: str) -> None:
    """Refuses what would lose a kind: floats in integers, numbers in bools."""
    if (got.kind in "fV" and own.kind in "fV") or np.can_cast(got, own, "same_kind"):
        return
    raise TypeError(
        f"{name}: in place, x is {own} but the result is {got}, expected one of its kind; {anew}, or convert x first "
        f"with x.to('{got}')"
    )


def _refuse_unwritable(name: str, a: Array) -> None:
    """Read-only memory, and memory in which several elements are one."""
    if not getattr(a.flags, "writeable", True):
        raise ValueError(f"{name}: x is read-only, expected memory to write to; copy it first with gpunn.tensor(x)")
    if any([stride == 0 and n > 1 for stride, n in zip(a.strides, a.shape, strict=True)]):
        raise ValueError(
            f"{name}: elements of x {a.shape} share memory, as after broadcast_to; copy it first with gpunn.tensor(x)"
        )
