"""What a change in place refuses, and its words."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array
from gpunn.backend.memory import address
from gpunn.engine.autograd import is_grad_enabled
from gpunn.engine.tensor import Tensor
from gpunn.ops.indexing import getitem


def remedy(name: str) -> str:
    """What to write in its place, for errors."""
    return f"write x = ops.{name.rstrip('_')}(x, y) for a new Tensor"


def shared(name: str, anew: str, x: Tensor) -> str:
    """The words where others share x's memory."""
    if x._alias is not None and x._alias.copied:
        return (
            f"{name}: in place, x would part from a copy, which stands for a view where memory lies otherwise or "
            "only the device knows the index; take reshape(), view() of contiguous(), or x[int(i)] in its place"
        )
    return (
        f"{name}: in place, x shares memory with another Tensor, as views do, and a gradient may want its values, "
        f"expected memory of its own; {anew}, or copy it first with x.clone()"
    )


def refuse_leaf(name: str, x: Tensor, anew: str) -> None:
    """Refuses a leaf that learns while operations are recorded."""
    if is_grad_enabled() and x._requires_grad and x.is_leaf:
        raise RuntimeError(
            f"{name}: a leaf that requires a gradient cannot be changed in place while operations are recorded; change "
            f"it inside `with no_grad():`, or {anew}"
        )


def check_kind(name: str, got: np.dtype, own: np.dtype, anew: str) -> None:
    """Refuses what would lose a kind: floats in integers, numbers in bools."""
    if got == own or (got.kind in "fV" and own.kind in "fV") or np.can_cast(got, own, "same_kind"):
        return
    raise TypeError(
        f"{name}: in place, x is {own} but the result is {got}, expected one of its kind; {anew}, or convert x first "
        f"with x.to('{got}')"
    )


def refuse_unwritable(name: str, a: Array) -> None:
    """Read-only memory, and memory in which several elements are one."""
    if not getattr(a.flags, "writeable", True):
        raise ValueError(f"{name}: x is read-only, expected memory to write to; copy it first with gpunn.tensor(x)")
    if any([stride == 0 and n > 1 for stride, n in zip(a.strides, a.shape, strict=True)]):
        raise ValueError(
            f"{name}: elements of x {a.shape} share memory, as after broadcast_to; copy it first with gpunn.tensor(x)"
        )


def lies_at(part: Array, whole: Array, index: object) -> bool:
    """Whether a part is what an index takes of the whole as it is now."""
    try:
        again = getitem(whole, index)
    except IndexError:
        return False
    return (address(again), again.shape, again.strides) == (address(part), part.shape, part.strides)
