"""Which Tensors share memory, and whether the graph reads it: what a change in place has to know."""

from __future__ import annotations

import sys
from typing import Any

from gpunn.backend import Array
from gpunn.backend.memory import block_of


class Alias:
    """What Tensors that share memory hold in common.

    read: a recorded op has taken one of them, and may read its memory on the way back.
    computed: one of them is a recorded op's result.
    copied: one of them is a copy, where PyTorch's is a view: what changes one in place does not reach the other.
    """

    __slots__ = ("computed", "copied", "read")

    def __init__(self, read: bool, computed: bool):
        self.read, self.computed, self.copied = read, computed, False


UNTRACKED = Alias(False, False)  # of .data and .grad, and of views of them: PyTorch's way past the record


def shares(y: Array, x: Array) -> bool:
    """Whether an op's result is memory of its argument: the array itself, or a view of it."""
    if y is x:
        return True
    return y.base is not None and y.size > 0 and type(y) is type(x) and block_of(y).key == block_of(x).key


_COPIED = Alias(False, False)  # of copies of .data and .grad; this name makes each of them a shared one
_COPIED.copied = True


def stand_for_a_view(x: Any, y: Any) -> None:
    """y is a copy of x that stands for a view: while both are there, neither may change in place."""
    if x._alias is UNTRACKED:
        y._alias = _COPIED
    else:
        join(x, y)
        x._alias.copied = True


def join(x: Any, y: Any) -> None:
    """Tensors x and y share memory from now on."""
    if x._alias is None:
        x._alias = Alias(x._read, x._requires_grad and not x.is_leaf)
    y._alias = x._alias
    if y._node is not None and y._alias is not UNTRACKED:
        y._alias.computed = True


def is_shared(x: Any, beside: int = 0) -> bool:
    """Whether other Tensors that are alive share x's memory, more than so many."""
    return x._alias is not None and _holders(x) > _ALONE + beside


def _holders(x: Any) -> int:
    return sys.getrefcount(x._alias)


class _Probe:
    def __init__(self) -> None:
        self._alias = Alias(False, False)


_ALONE = _holders(_Probe())  # what the count is where one Tensor alone holds the Alias: that differs between Pythons
