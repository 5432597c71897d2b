"""What a program calls: torch.distributed's collectives, on plain arrays and Tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunn import backend
from gpunn.backend import Array, array_module
from gpunn.engine import written
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.errors import DistError, kind_of, unknown_name
from gpunn.ranks.group import OPS, Group, Work, begun
from gpunn.scalars import as_int


class ReduceOp:
    """How `all_reduce` and `reduce_scatter` combine: torch.distributed's names of the words that they take.

    >>> gpunn.dist.ReduceOp.MAX
    'max'
    """

    SUM, PRODUCT, MIN, MAX, AVG = OPS


class InPlace(Work):
    """A collective on a contiguous copy of what was given, which gets the result once somebody waits."""

    def __init__(self, work: Work, results: Sequence[tuple[Array, Array]]):
        self._work, self._results = work, results

    def wait(self) -> None:
        """Wait for its end: on `cpu` the host does, on `cuda` the current stream alone."""
        self._work.wait()
        for given, found in self._results:
            if given is not found:
                given[...] = found
        written.note(written.blocks([given for given, _ in self._results]))
        self._results = ()


def all_reduce(tensor: Operand, op: str = "sum", async_op: bool = False) -> Work | None:
    """Replace `tensor` on all ranks by the sum, in rank order on `cpu`, of all ranks' tensors.

    Args:
        tensor: an array or Tensor of one shape and dtype on all ranks, changed in place.
        op: "sum", "prod", "min", "max" or "avg", or one of ReduceOp.
        async_op: return at once what `.wait()` waits for.

    DistError: no ranks were joined, the ranks differ (GPUNN_DIST_DEBUG=1 says in what), or one does not come in time.

    Examples:
        >>> group = gpunn.dist.init()
        >>> x = np.array([1.0, 2.0])
        >>> gpunn.dist.all_reduce(x)
        >>> x  # of one rank
        array([1., 2.])
        >>> gpunn.dist.destroy_process_group()
    """
    group, a = _taken("all_reduce", tensor)
    _check_op("all_reduce", op, a)
    whole = _contiguous(a)
    return _end(group.all_reduce(whole, op), [(a, whole)], async_op)


def broadcast(tensor: Operand, src: int = 0, async_op: bool = False) -> Work | None:
    """Replace `tensor` on all ranks by that of rank `src`: an array or Tensor of one shape and dtype on all.

    >>> group = gpunn.dist.init()
    >>> gpunn.dist.broadcast(np.ones(3), src=0)
    >>> gpunn.dist.destroy_process_group()
    """
    group, a = _taken("broadcast", tensor)
    if not 0 <= as_int("broadcast", "src", src) < group.size:
        raise DistError(f"dist.broadcast: src is {src}, expected a rank, 0 to {group.size - 1}; give one of these")
    whole = _contiguous(a)
    return _end(group.broadcast(whole, int(src)), [(a, whole)], async_op)


def all_gather(tensor_list: Sequence[Operand], tensor: Operand, async_op: bool = False) -> Work | None:
    """Fill tensor_list[r] with rank r's `tensor`: one array a rank, of its shape and dtype.

    >>> group = gpunn.dist.init()
    >>> found = [np.zeros(2)]
    >>> gpunn.dist.all_gather(found, np.array([1.0, 2.0]))
    >>> found
    [array([1., 2.])]
    >>> gpunn.dist.destroy_process_group()
    """
    group, a = _taken("all_gather", tensor, changed=False)
    outs = _list("all_gather", "tensor_list", tensor_list, group, a)
    _check_changed("all_gather", *outs)
    rows = array_module(a).empty((group.size, *a.shape), a.dtype)
    results = [(out, rows[rank, ...]) for rank, out in enumerate(outs)]  # views, also of numbers of no dimensions
    return _end(group.all_gather(_like(rows, a), _contiguous(a)), results, async_op)


def all_gather_into_tensor(output: Operand, input: Operand, async_op: bool = False) -> Work | None:
    """Fill `output`, (size, *input.shape) or size times as long in its first axis, with all ranks' `input`.

    >>> group = gpunn.dist.init()
    >>> found = np.zeros((1, 2))
    >>> gpunn.dist.all_gather_into_tensor(found, np.array([1.0, 2.0]))
    >>> found
    array([[1., 2.]])
    >>> gpunn.dist.destroy_process_group()
    """
    group, a = _taken("all_gather_into_tensor", input, changed=False)
    out = _one("all_gather_into_tensor", "output", output, a, _joined(a, group), "input")
    _check_changed("all_gather_into_tensor", out)
    rows = _contiguous(out)
    shape = (group.size, *a.shape)
    return _end(group.all_gather(rows.reshape(shape), _contiguous(a)), [(out, rows)], async_op)


def reduce_scatter(
    output: Operand, input_list: Sequence[Operand], op: str = "sum", async_op: bool = False
) -> Work | None:
    """Fill `output` on rank r with the sum (or op) over all ranks of their input_list[r].

    >>> group = gpunn.dist.init()
    >>> mine = np.zeros(2)
    >>> gpunn.dist.reduce_scatter(mine, [np.array([1.0, 2.0])])
    >>> mine
    array([1., 2.])
    >>> gpunn.dist.destroy_process_group()
    """
    group, out = _taken("reduce_scatter", output)
    _check_op("reduce_scatter", op, out)
    parts = _list("reduce_scatter", "input_list", input_list, group, out)
    rows, whole = array_module(out).stack(parts), _contiguous(out)
    return _end(group.reduce_scatter(whole, _like(rows, out), op), [(out, whole)], async_op)


def reduce_scatter_tensor(output: Operand, input: Operand, op: str = "sum", async_op: bool = False) -> Work | None:
    """Fill `output` on rank r with the sum (or op) over all ranks of the r-th of `size` equal parts of their `input`.

    >>> group = gpunn.dist.init()
    >>> mine = np.zeros(2)
    >>> gpunn.dist.reduce_scatter_tensor(mine, np.array([1.0, 2.0]))
    >>> mine
    array([1., 2.])
    >>> gpunn.dist.destroy_process_group()
    """
    group, out = _taken("reduce_scatter_tensor", output)
    _check_op("reduce_scatter_tensor", op, out)
    a = _one("reduce_scatter_tensor", "input", input, out, _joined(out, group), "output")
    whole = _contiguous(out)
    rows = _contiguous(a).reshape(group.size, *out.shape)
    return _end(group.reduce_scatter(whole, rows, op), [(out, whole)], async_op)


def barrier() -> None:
    """Wait until all ranks are here.

    >>> group = gpunn.dist.init()
    >>> gpunn.dist.barrier()
    >>> gpunn.dist.destroy_process_group()
    """
    joined("barrier").barrier()


def get_rank() -> int:
    """This process's number among the ranks, from 0; 0 where none were joined.

    >>> gpunn.dist.get_rank()
    0
    """
    group = begun()
    return 0 if group is None else group.rank


def get_world_size() -> int:
    """How many ranks there are; 1 where none were joined.

    >>> gpunn.dist.get_world_size()
    1
    """
    group = begun()
    return 1 if group is None else group.size


def is_initialized() -> bool:
    """Whether the ranks were joined.

    >>> gpunn.dist.is_initialized()
    False
    """
    return begun() is not None


def joined(call: str) -> Group:
    """The ranks that were joined. DistError where none were."""
    group = begun()
    if group is None:
        raise DistError(f"dist.{call}: no ranks were joined; call dist.init() first, in each of them")
    return group


# ---------------------------------------------------------------- arguments
def _taken(call: str, tensor: object, changed: bool = True) -> tuple[Group, Array]:
    """The group, and the array that it takes, which most change."""
    group = joined(call)
    a = tensor.array if isinstance(tensor, Tensor) else tensor
    if not backend.is_array(a):
        raise TypeError(f"dist.{call}: got {kind_of(a)}, expected an array or a Tensor; make it one with np.asarray")
    check_place(f"dist.{call}: the array", group, a)
    if changed:
        _check_changed(call, a)
    return group, a


def _check_changed(call: str, *arrays: Array) -> None:
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


def _check_op(call: str, op: str, a: Array) -> None:
    if op not in OPS:
        raise unknown_name("op", op, OPS)
    if a.dtype.kind not in "fiuV" or (op == "avg" and a.dtype.kind in "iu"):
        remedy = 'use "sum" and divide' if op == "avg" else "convert it"
        raise TypeError(f"dist.{call}: op {op!r} of {a.dtype}, expected {_expected(op)}; {remedy}")


def _expected(op: str) -> str:
    return "floating point" if op == "avg" else "numbers"


def _list(call: str, name: str, given: Sequence[Any], group: Group, like: Array) -> list[Array]:
    """A list of arrays, one a rank, each like `like`."""
    if not isinstance(given, (list, tuple)) or len(given) != group.size:
        got = f"{len(given)} arrays" if isinstance(given, (list, tuple)) else kind_of(given)
        raise DistError(f"dist.{call}: {name} is {got}, expected a list of {group.size} arrays, one a rank")
    return [_one(call, f"{name}[{i}]", one, like, (like.shape,), "the other") for i, one in enumerate(given)]


def _one(call: str, name: str, given: object, like: Array, shapes: Sequence[tuple[int, ...]], other: str) -> Array:
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


def _joined(a: Array, group: Group) -> tuple[tuple[int, ...], ...]:
    """The shapes of all ranks' arrays in one."""
    stacked = (group.size, *a.shape)
    return (stacked, (group.size * a.shape[0], *a.shape[1:])) if a.ndim else (stacked,)


def _contiguous(a: Array) -> Array:
    return a if a.flags.c_contiguous and getattr(a.flags, "writeable", True) else a.copy(order="C")


def _like(rows: Array, a: Array) -> Array:
    """Rows as an array of a's kind: NumPy makes its own of the emulator's."""
    return rows.view(type(a)) if isinstance(a, np.ndarray) and type(rows) is not type(a) else rows


def _end(work: Work, results: Sequence[tuple[Array, Array]], async_op: bool) -> Work | None:
    placed = InPlace(work, results)
    if async_op:
        return placed
    placed.wait()
    return None
