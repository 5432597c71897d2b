"""What changes a Tensor in place: operators like `x -= y`, methods like `x.add_(y)`, and `x[i] = y`.

Where the result has no history a Tensor changes in memory, as PyTorch's does: whoever shares the memory sees it, and a
weight keeps its order of axes; a backward pass that would read the values of before is refused (engine/written.py).
Where it has one the Tensor takes a new array, and the history; that is the same for all who look, unless other Tensors
share the memory: then it is refused, but for `x[i] += y` and x.reshape(...), whose base takes the new array, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from gpunn.backend import Array, array_module, is_array
from gpunn.backend.memory import overlap
from gpunn.engine import written
from gpunn.engine.alias import UNTRACKED, is_shared, shares
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.engine.tensor import Tensor, data_of
from gpunn.ops.broadcast import operands, shape_of, unbroadcast
from gpunn.ops.in_place_checks import check_kind, lies_at, refuse_leaf, refuse_unwritable, remedy, shared
from gpunn.ops.indexing import as_index, getitem, ints_first
from gpunn.ops.shape import reshape


def update(op: Callable[..., Any], x: Tensor, other: object, **options: float) -> Tensor:
    """`x` itself, with the values of op(x, other, **options); raises what `into` raises."""
    name = op.__name__
    refuse_leaf(name, x, remedy(name))
    return _into(x, op(x, other, **options), name, other)


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
    return _into(x, y, name, None)


def _into(x: A, y: Any, name: str, operand: object) -> A:
    """`x` itself, with the values of y, which was computed of the operand, too."""
    anew = remedy(name)
    if isinstance(x, Tensor):
        refuse_leaf(name, x, anew)
    if y.shape != x.shape:
        raise ValueError(f"{name}: in place, x is {x.shape} but the result is {y.shape}, expected equal ones; {anew}")
    check_kind(name, y.dtype, x.dtype, anew)
    if not isinstance(x, Tensor):
        _write(name, x, ..., data_of(y))
        return x
    y = (y if isinstance(y, Tensor) else Tensor(y)).to(x.dtype)
    if _in_memory(x, y.requires_grad):
        _write_tensor(name, x, ..., ..., y.array)
    elif is_shared(x):
        _through_base(name, x, y, anew, operand)
    elif _keeps_memory(x):
        _write_tensor(name, x, ..., ..., y.array)
        _learn(x, y)
    else:
        become(x, y)
    return x


def fill(x: Tensor, number: float, name: str) -> Tensor:
    """`x` itself, every element this number; raises what `into` raises."""
    refuse_leaf(name, x, remedy(name))
    if _in_memory(x, False):
        _write_tensor(name, x, ..., ..., number)
        return x
    return into(x, Tensor(array_module(x.array).full_like(x.array, number)), name)


def reshaped(x: Tensor, y: Tensor, name: str) -> Tensor:
    """`x` itself in the form of its view y. RuntimeError: what `into` raises of leaves and of computed values."""
    refuse_leaf(name, x, remedy(name))
    if not is_grad_enabled() and not x.is_leaf:
        raise RuntimeError(f"{name}: x is a computed value, whose form no_grad() cannot change; {remedy(name)}")
    become(x, y)
    x._origin = None  # what made x a view knows its former shape, and y came of x itself
    return x


def become(x: Tensor, y: Tensor) -> None:
    """Let x, which shares its memory with no other Tensor, be y: its array, and its history where one is recorded."""
    x.array, x._alias, x._origin = y.array, y._alias, y._origin
    if is_grad_enabled():  # else x is a computed value, and its history goes on
        x._node, x._requires_grad, x._read = y._node, y._requires_grad, y._read


def _keeps_memory(x: Tensor) -> bool:
    """Whether x, into which a history comes, is a constant until now: nobody wants its memory as it was."""
    return not x._requires_grad and getattr(x.array.flags, "writeable", True)


def _learn(x: Tensor, y: Tensor) -> None:
    """Let x, in its own memory, have y's history."""
    x._node, x._requires_grad, x._read, x._alias, x._origin = y._node, y._requires_grad, False, None, None


def assign(x: Tensor, index: Any, value: object) -> None:
    """x[index] = value, with NumPy's rules; the gradient of what was there is 0.

    Ones before a value's own sizes fall away, and whole numbers become bools, as PyTorch's do. Raises what `into`
    raises, and IndexError for what is not in x.
    """
    _assign(x, index, value, 0)


def _assign(x: Tensor, index: Any, value: object, beside: int) -> None:
    """x[index] = value, of an x that so many others may share."""
    name, anew = "setitem", "write x = ops.where(mask, y, x) for a new Tensor"
    refuse_leaf(name, x, anew)
    if isinstance(value, Tensor) and _is_part(value, x, index):
        return  # the end of x[index] += y, which has changed x already
    part, given = operands(name, getitem(x.array, index), value)
    more = getattr(given, "ndim", 0) - part.ndim
    if more > 0 and set(given.shape[:more]) == {1}:
        value = (value if isinstance(value, Tensor) else given).reshape(given.shape[more:])
        given = data_of(value)
    if x.dtype.kind == "b" and getattr(given, "dtype", np.dtype(type(given))).kind in "iu":
        given = given != 0
    check_kind(name, getattr(given, "dtype", np.dtype(type(given))), x.dtype, anew)
    shape = getattr(given, "shape", ())
    if np.broadcast_shapes(shape, part.shape) != part.shape:
        raise ValueError(f"{name}: the part is {part.shape} but the value {shape}, expected what broadcasts to it")
    first, rest = ints_first(as_index(index), x.ndim)
    place = ((...) if first is None else first, rest)
    if _in_memory(x, isinstance(value, Tensor) and value.requires_grad):
        _write_tensor(name, x, place[0], rest, given)
        return
    base = _reshaped_from(name, x, anew) if is_shared(x, beside) else None
    if base is None and is_shared(x, beside):
        raise RuntimeError(shared(name, anew, x))
    refuse_unwritable(name, x.array)
    if base is None and _keeps_memory(x):
        _write_tensor(name, x, place[0], rest, given)
        _learn(x, _assigned(x, x.array, place, value, given))
        return
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
    """Whether x's memory is written to, since no history comes into it; learns: what comes into it has one."""
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
        return x.is_leaf
    return not (learns or x._requires_grad)


def _is_part(value: Tensor, x: Tensor, index: Any) -> bool:
    """Whether value is x[index] itself, as x is now."""
    origin = value._origin
    return isinstance(origin, tuple) and origin[0] is x and origin[1] is index and shares(value.array, x.array)


def _through_base(name: str, x: Tensor, y: Tensor, anew: str, operand: object) -> None:
    """Change x = base[index], or all of base in another form, with its base, which no other Tensor may share.

    But for the operand: of base[0] += base[1] it lies elsewhere in base, and goes with it into its new memory.
    """
    if (whole := _reshaped_from(name, x, anew)) is not None:
        _become_with(whole, x, y.contiguous())
        return
    base, index = x._origin if isinstance(x._origin, tuple) else (None, None)
    if base is None or not lies_at(x.array, base.array, index):  # or of another form since, as by base.t_()
        raise RuntimeError(shared(name, anew, x))
    part = operand if isinstance(operand, Tensor) and _lies_beside(operand, x) else None
    _assign(base, index, y, 1 if part is None else 2)  # x is one that may share it
    become(x, base[index])
    if part is not None:
        again = base[part._origin[1]]
        part.array, part._alias = again.array, again._alias


def _lies_beside(part: Tensor, x: Tensor) -> bool:
    """Whether a Tensor is another part of what x is a part of."""
    mine, other = x._origin, part._origin
    alike = isinstance(mine, tuple) and isinstance(other, tuple) and mine[0] is other[0] and part._alias is x._alias
    return alike and not overlap(part.array, x.array)


def _reshaped_from(name: str, x: Tensor, anew: str) -> Tensor | None:
    """What x is all of, in another form, where those two alone share the memory."""
    base = x._origin() if isinstance(x._origin, ref) else None
    if base is None or not shares(x.array, base.array) or is_shared(x, 1):
        return None
    refuse_leaf(name, base, anew)
    return base


def _become_with(base: Tensor | None, x: Tensor, y: Tensor) -> None:
    """Let x be y, and base, if there is one, y in its own form."""
    become(x, y)
    if base is not None:
        become(base, reshape(x, base.shape))
        x._origin = ref(base)


def _write_tensor(name: str, x: Tensor, place: Any, rest: Any, values: Any) -> None:
    """Changes x[place][rest] in memory; backward refuses what has kept it as it was."""
    _write(name, x.array[place], rest, values)
    alias = x._alias
    if alias is not UNTRACKED and (x._read or (alias is not None and (alias.read or alias.computed))):
        written.note(written.blocks([x.array]))


def _write(name: str, a: Array, place: Any, values: Any) -> None:
    refuse_unwritable(name, a)
    if is_array(values) and values is not a and shares(values, a):  # a device's copy may read what it wrote
        values = values.copy()
    a[place] = values
