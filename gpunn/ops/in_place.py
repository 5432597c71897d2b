"""What changes a Tensor in place: operators like `x -= y`, methods like `x.add_(y)`, and `x[i] = y`.

Where no gradient can want the old values a Tensor changes in memory, as PyTorch's does: whoever shares the memory sees
it, and a weight keeps its order of axes. Where closures may hold that memory for the backward pass the Tensor takes a
new array, and its history; that is the same for all who look, unless other Tensors share the memory: then it is
refused, but for `x[i] += y` and x.reshape(...), whose base takes the new array, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from gpunn.backend import Array, array_module, is_array
from gpunn.engine.alias import UNTRACKED, is_shared, shares
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A
from gpunn.engine.tensor import Tensor, data_of, record
from gpunn.ops.broadcast import operands, shape_of, unbroadcast
from gpunn.ops.indexing import as_index, getitem, ints_first
from gpunn.ops.shape import reshape


def update(op: Callable[[Any, Any], Any], x: Tensor, other: object) -> Tensor:
    """`x` itself, with the values of op(x, other); raises what `into` raises."""
    name = op.__name__
    _refuse_leaf(name, x, _anew(name))
    return into(x, op(x, other), name)


def into(x: A, y: Any, name: str = "in place") -> A:
    """`x` itself, a Tensor or an array, with the values of y.

    Args:
        y: x's shape; its dtype is converted to x's, where no kind of number is lost.
        name: of what changes x, for errors.

    Raises:
        RuntimeError: x is a leaf that requires a gradient, and recording is on; or other Tensors share x's memory,
            which a gradient may want as it was.
        TypeError: y's dtype is of another kind than x's.
        ValueError: y has another shape, or x's memory cannot be written to.
    """
    anew = _anew(name)
    if isinstance(x, Tensor):
        _refuse_leaf(name, x, anew)
    if y.shape != x.shape:
        raise ValueError(f"{name}: in place, x is {x.shape} but the result is {y.shape}, expected equal ones; {anew}")
    _check_kind(name, y.dtype, x.dtype, anew)
    if not isinstance(x, Tensor):
        _write(name, x, ..., data_of(y))
        return x
    y = (y if isinstance(y, Tensor) else Tensor(y)).to(x.dtype)
    if _in_memory(x, y.requires_grad):
        _write(name, x.array, ..., y.array)
    elif is_shared(x):
        _through_base(name, x, y, anew)
    else:
        become(x, y)
    return x


def fill(x: Tensor, number: float, name: str) -> Tensor:
    """`x` itself, every element this number; raises what `into` raises."""
    _refuse_leaf(name, x, _anew(name))
    if _in_memory(x, False):
        _write(name, x.array, ..., number)
        return x
    return into(x, Tensor(array_module(x.array).full_like(x.array, number)), name)


def reshaped(x: Tensor, y: Tensor, name: str) -> Tensor:
    """`x` itself in the form of its view y. RuntimeError: what `into` raises of leaves and of computed values."""
    _refuse_leaf(name, x, _anew(name))
    if not is_grad_enabled() and not x.is_leaf:
        raise RuntimeError(f"{name}: x is a computed value, whose form no_grad() cannot change; {_anew(name)}")
    become(x, y)
    return x


def become(x: Tensor, y: Tensor) -> None:
    """Let x, which shares its memory with no other Tensor, be y: its array, and its history where one is recorded."""
    x.array, x._alias, x._origin = y.array, y._alias, y._origin
    if is_grad_enabled():  # else x is a computed value, and its history goes on
        x._node, x._requires_grad, x._read = y._node, y._requires_grad, y._read


def assign(x: Tensor, index: Any, value: object) -> None:
    """x[index] = value, with NumPy's rules; the gradient of what was there is 0.

    Raises what `into` raises, and IndexError for what is not in x.
    """
    _assign(x, index, value, 0)


def _assign(x: Tensor, index: Any, value: object, beside: int) -> None:
    """x[index] = value, of an x that so many others may share."""
    name, anew = "setitem", "write x = ops.where(mask, y, x) for a new Tensor"
    _refuse_leaf(name, x, anew)
    if isinstance(value, Tensor) and _is_part(value, x, index):
        return  # the end of x[index] += y, which has changed x already
    part, given = operands(name, getitem(x.array, index), value)
    _check_kind(name, getattr(given, "dtype", np.dtype(type(given))), x.dtype, anew)
    shape = getattr(given, "shape", ())
    if np.broadcast_shapes(shape, part.shape) != part.shape:
        raise ValueError(f"{name}: the part is {part.shape} but the value {shape}, expected what broadcasts to it")
    first, rest = ints_first(as_index(index), x.ndim)
    place = ((...) if first is None else first, rest)
    if _in_memory(x, isinstance(value, Tensor) and value.requires_grad):
        _write(name, x.array[place[0]], rest, given)
        return
    base = _reshaped_from(name, x, anew) if is_shared(x, beside) else None
    if base is None and is_shared(x, beside):
        raise RuntimeError(_shared(name, anew, x))
    _refuse_unwritable(name, x.array)
    changed = x.array.copy(order="K" if base is None else "C")
    changed[place[0]][rest] = given
    _become_with(base, x, _assigned(x, changed, place, value, given))


def _assigned(x: Tensor, changed: Array, place: tuple[Any, Any], value: object, given: Any) -> Tensor:
    """x with a part assigned to, as an op's result."""

    def backward(gy: Array, needs: Needs) -> Gradients:
        gx = gvalue = None
        if needs[0]:
            gx = gy.copy(order="K")
            gx[place[0]][place[1]] = 0
        if needs[1]:
            part = gy[place[0]][place[1]]
            gvalue = unbroadcast(part.astype(given.dtype, copy=part.base is not None), shape_of(given))
        return gx, gvalue

    return record("setitem", changed, (x, value), backward)


def _in_memory(x: Tensor, learns: bool) -> bool:
    """Whether x's memory can be written to, since no gradient wants it as it was; learns: what comes into it does."""
    alias = x._alias
    if alias is UNTRACKED:
        return True
    if alias is not None and alias.copied:
        if is_shared(x):
            return False
        alias.copied = False
    if is_grad_enabled() and not getattr(x.array.flags, "writeable", True):
        return False
    if not is_grad_enabled():  # a weight may change between two steps
        return x.is_leaf and (alias is None or not alias.computed)
    return not (learns or x._requires_grad or x._read or (alias is not None and (alias.read or alias.computed)))


def _is_part(value: Tensor, x: Tensor, index: Any) -> bool:
    """Whether value is x[index] itself, as x is now."""
    origin = value._origin
    return isinstance(origin, tuple) and origin[0] is x and origin[1] is index and shares(value.array, x.array)


def _through_base(name: str, x: Tensor, y: Tensor, anew: str) -> None:
    """Change x = base[index], or all of base in another form, with its base, which no other Tensor may share."""
    if (whole := _reshaped_from(name, x, anew)) is not None:
        _become_with(whole, x, y.contiguous())
        return
    if not isinstance(x._origin, tuple):
        raise RuntimeError(_shared(name, anew, x))
    base, index = x._origin
    _assign(base, index, y, 1)  # x is the one that may share it
    become(x, base[index])


def _reshaped_from(name: str, x: Tensor, anew: str) -> Tensor | None:
    """What x is all of, in another form, where those two alone share the memory."""
    base = x._origin() if isinstance(x._origin, ref) else None
    if base is None or not shares(x.array, base.array) or is_shared(x, 1):
        return None
    _refuse_leaf(name, base, anew)
    return base


def _become_with(base: Tensor | None, x: Tensor, y: Tensor) -> None:
    """Let x be y, and base, if there is one, y in its own form."""
    become(x, y)
    if base is not None:
        become(base, reshape(x, base.shape))
        x._origin = ref(base)


def _write(name: str, a: Array, place: Any, values: Any) -> None:
    _refuse_unwritable(name, a)
    if is_array(values) and values is not a and shares(values, a):  # a device's copy may read what it wrote
        values = values.copy()
    a[place] = values


def _anew(name: str) -> str:
    return f"write x = ops.{name.rstrip('_')}(x, y) for a new Tensor"


def _shared(name: str, anew: str, x: Tensor) -> str:
    if x._alias is not None and x._alias.copied:
        return (
            f"{name}: in place, x would part from a copy, which view() made since memory lies otherwise; take "
            "reshape() in its place, or view() of contiguous(), for one of its own"
        )
    return (
        f"{name}: in place, x shares memory with another Tensor, as views do, and a gradient may want its values, "
        f"expected memory of its own; {anew}, or copy it first with x.clone()"
    )


def _refuse_leaf(name: str, x: Tensor, anew: str) -> None:
    if is_grad_enabled() and x._requires_grad and x.is_leaf:
        raise RuntimeError(
            f"{name}: a leaf that requires a gradient cannot be changed in place while operations are recorded; change "
            f"it inside `with no_grad():`, or {anew}"
        )


def _check_kind(name: str, got: np.dtype, own: np.dtype, anew: str) -> None:
    """Refuses what would lose a kind: floats in integers, numbers in bools."""
    if got == own or (got.kind in "fV" and own.kind in "fV") or np.can_cast(got, own, "same_kind"):
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
