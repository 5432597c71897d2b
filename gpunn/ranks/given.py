"""What the collectives take: arrays and Tensors that lie where the ranks talk, of shapes and dtypes that fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array
from gpunn.engine.tensor import Tensor
from gpunn.errors import DistError, kind_of, unknown_name
from gpunn.ranks.group import OPS, Group, begun
from gpunn.text import brief


def joined(call: str, asked: object = None) -> Group:
    """The ranks that were joined, whether they are asked for or not. DistError where none were, and for other ranks."""
    group = begun()
    if group is None:
        raise DistError(f"dist.{call}: no ranks were joined; call dist.init() first, in each of them")
    if asked is not None and asked is not group:
        raise DistError(
            f"dist.{call}: group is {brief(asked)}, expected None or what dist.init() returned: all ranks are one "
            "group; leave it out"
        )
    return group


def taken(call: str, tensor: object, asked: object, changed: bool = True) -> tuple[Group, Array]:
    """The group, which may be asked for, and the array that it takes, which most change."""
    group = joined(call, asked)
    a = tensor.array if isinstance(tensor, Tensor) else tensor
    if not backend.is_array(a):
        raise TypeError(f"dist.{call}: got {kind_of(a)}, expected an array or a Tensor; make it one with np.asarray")
    check_place(f"dist.{call}: the array", group, a)
    if changed:
        check_changed(call, a)
    return group, a


def check_changed(call: str, *arrays: Array) -> None:
    """ValueError for memory that cannot take the result, before the others are asked for theirs."""
    if not all(getattr(a.flags, "writeable", True) for a in arrays):
        raise ValueError(f"dist.{call}: the array is read-only, expected one that takes the result; pass a copy of it")


def check_place(what: str, group: Group, a: Array) -> None:
    """DistError where the group does not take arrays of a's kind of device."""
    where = backend.device_of(a)
    if group.kind == "mpi" and where.type == "cuda":
        raise DistError(
            f"{what} is on {where}, but the ranks talk by MPI, which takes arrays of cpu and emulator "
            'alone; join them with dist.init("cuda"), which needs NCCL'
        )
    if group.kind == "nccl" and where.type != "cuda":
        raise DistError(
            f"{what} is on {where}, but the ranks talk by NCCL, which takes arrays of cuda alone; "
            'copy it with gpunn.backend.to_device, or join the ranks with dist.init("cpu")'
        )


def check_op(call: str, op: str, a: Array) -> None:
    """UsageError for an op that is none, TypeError for numbers that it does not take."""
    if op not in OPS:
        raise unknown_name("op", op, OPS)
    if a.dtype.kind not in "fiuV" or (op == "avg" and a.dtype.kind in "iu"):
        remedy = 'use "sum" and divide' if op == "avg" else "convert it"
        expected = "floating point" if op == "avg" else "numbers"
        raise TypeError(f"dist.{call}: op {op!r} of {a.dtype}, expected {expected}; {remedy}")


def one_a_rank(call: str, name: str, given: Sequence[Any], group: Group, like: Array) -> list[Array]:
    """A list of arrays, one a rank, each like `like`."""
    if not isinstance(given, (list, tuple)) or len(given) != group.size:
        got = f"{len(given)} arrays" if isinstance(given, (list, tuple)) else kind_of(given)
        raise DistError(f"dist.{call}: {name} is {got}, expected a list of {group.size} arrays, one a rank")
    return [one_like(call, f"{name}[{i}]", one, like, (like.shape,), "the other") for i, one in enumerate(given)]


def one_like(call: str, name: str, given: object, like: Array, shapes: Sequence[tuple[int, ...]], other: str) -> Array:
    """An array of `like`'s device and dtype and one of the shapes."""
    a = given.array if isinstance(given, Tensor) else given
    if not backend.is_array(a):
        raise TypeError(f"dist.{call}: {name} is {kind_of(a)}, expected an array or a Tensor")
    if not backend.same_device(a, like) or a.dtype != like.dtype or a.shape not in shapes:
        raise DistError(
            f"dist.{call}: {name} is {a.dtype} {a.shape} on {backend.device_of(a)}, expected {like.dtype} "
            f"{' or '.join(map(str, shapes))} on {backend.device_of(like)} for {other} {like.shape}; give one like it"
        )
    return a


def joined_shapes(a: Array, group: Group) -> tuple[tuple[int, ...], ...]:
    """The shapes of all ranks' arrays in one."""
    stacked = (group.size, *a.shape)
    return (stacked, (group.size * a.shape[0], *a.shape[1:])) if a.ndim else (stacked,)


def contiguous(a: Array) -> Array:
    """The array itself, or a copy that is contiguous and can be written."""
    return a if a.flags.c_contiguous and getattr(a.flags, "writeable", True) else a.copy(order="C")


def as_kind_of(rows: Array, a: Array) -> Array:
    """Rows as an array of a's kind: NumPy makes its own of the emulator's."""
    return rows.view(type(a)) if isinstance(a, np.ndarray) and type(rows) is not type(a) else rows
