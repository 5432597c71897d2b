"""What a program calls: torch.distributed's collectives, on plain arrays and Tensors."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn.backend import Array, array_module
from gpunn.engine import written
from gpunn.engine.operators import Operand
from gpunn.errors import DistError
from gpunn.ranks.given import (
    as_kind_of,
    check_changed,
    check_op,
    contiguous,
    joined,
    joined_shapes,
    one_a_rank,
    one_like,
    taken,
)
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


def all_reduce(tensor: Operand, op: str = "sum", group: Group | None = None, async_op: bool = False) -> Work | None:
    """Replace `tensor` on all ranks by the sum, in rank order on `cpu`, of all ranks' tensors.

    Args:
        tensor: an array or Tensor of one shape and dtype on all ranks, changed in place.
        op: "sum", "prod", "min", "max" or "avg", or one of ReduceOp.
        group: None, or what `dist.init` returned: all ranks are one group.
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
    ranks, a = taken("all_reduce", tensor, group)
    check_op("all_reduce", op, a)
    whole = contiguous(a)
    return _end(ranks.all_reduce(whole, op), [(a, whole)], async_op)


def broadcast(tensor: Operand, src: int = 0, group: Group | None = None, async_op: bool = False) -> Work | None:
    """Replace `tensor` on all ranks by that of rank `src`: an array or Tensor of one shape and dtype on all.

    >>> group = gpunn.dist.init()
    >>> gpunn.dist.broadcast(np.ones(3), src=0)
    >>> gpunn.dist.destroy_process_group()
    """
    ranks, a = taken("broadcast", tensor, group)
    if not 0 <= as_int("broadcast", "src", src) < ranks.size:
        raise DistError(f"dist.broadcast: src is {src}, expected a rank, 0 to {ranks.size - 1}; give one of these")
    whole = contiguous(a)
    return _end(ranks.broadcast(whole, int(src)), [(a, whole)], async_op)


def all_gather(
    tensor_list: Sequence[Operand], tensor: Operand, group: Group | None = None, async_op: bool = False
) -> Work | None:
    """Fill tensor_list[r] with rank r's `tensor`: one array a rank, of its shape and dtype.

    >>> group = gpunn.dist.init()
    >>> found = [np.zeros(2)]
    >>> gpunn.dist.all_gather(found, np.array([1.0, 2.0]))
    >>> found
    [array([1., 2.])]
    >>> gpunn.dist.destroy_process_group()
    """
    ranks, a = taken("all_gather", tensor, group, changed=False)
    outs = one_a_rank("all_gather", "tensor_list", tensor_list, ranks, a)
    check_changed("all_gather", *outs)
    rows = array_module(a).empty((ranks.size, *a.shape), a.dtype)
    results = [(out, rows[rank, ...]) for rank, out in enumerate(outs)]  # views, also of numbers of no dimensions
    return _end(ranks.all_gather(as_kind_of(rows, a), contiguous(a)), results, async_op)


def all_gather_into_tensor(
    output: Operand, input: Operand, group: Group | None = None, async_op: bool = False
) -> Work | None:
    """Fill `output`, (size, *input.shape) or size times as long in its first axis, with all ranks' `input`.

    >>> group = gpunn.dist.init()
    >>> found = np.zeros((1, 2))
    >>> gpunn.dist.all_gather_into_tensor(found, np.array([1.0, 2.0]))
    >>> found
    array([[1., 2.]])
    >>> gpunn.dist.destroy_process_group()
    """
    ranks, a = taken("all_gather_into_tensor", input, group, changed=False)
    out = one_like("all_gather_into_tensor", "output", output, a, joined_shapes(a, ranks), "input")
    check_changed("all_gather_into_tensor", out)
    rows = contiguous(out)
    shape = (ranks.size, *a.shape)
    return _end(ranks.all_gather(rows.reshape(shape), contiguous(a)), [(out, rows)], async_op)


def reduce_scatter(
    output: Operand, input_list: Sequence[Operand], op: str = "sum", group: Group | None = None, async_op: bool = False
) -> Work | None:
    """Fill `output` on rank r with the sum (or op) over all ranks of their input_list[r].

    >>> group = gpunn.dist.init()
    >>> mine = np.zeros(2)
    >>> gpunn.dist.reduce_scatter(mine, [np.array([1.0, 2.0])])
    >>> mine
    array([1., 2.])
    >>> gpunn.dist.destroy_process_group()
    """
    ranks, out = taken("reduce_scatter", output, group)
    check_op("reduce_scatter", op, out)
    parts = one_a_rank("reduce_scatter", "input_list", input_list, ranks, out)
    rows, whole = array_module(out).stack(parts), contiguous(out)
    return _end(ranks.reduce_scatter(whole, as_kind_of(rows, out), op), [(out, whole)], async_op)


def reduce_scatter_tensor(
    output: Operand, input: Operand, op: str = "sum", group: Group | None = None, async_op: bool = False
) -> Work | None:
    """Fill `output` on rank r with the sum (or op) over all ranks of the r-th of `size` equal parts of their `input`.

    >>> group = gpunn.dist.init()
    >>> mine = np.zeros(2)
    >>> gpunn.dist.reduce_scatter_tensor(mine, np.array([1.0, 2.0]))
    >>> mine
    array([1., 2.])
    >>> gpunn.dist.destroy_process_group()
    """
    ranks, out = taken("reduce_scatter_tensor", output, group)
    check_op("reduce_scatter_tensor", op, out)
    a = one_like("reduce_scatter_tensor", "input", input, out, joined_shapes(out, ranks), "output")
    whole = contiguous(out)
    rows = contiguous(a).reshape(ranks.size, *out.shape)
    return _end(ranks.reduce_scatter(whole, rows, op), [(out, whole)], async_op)


def barrier(group: Group | None = None, async_op: bool = False, device_ids: Sequence[int] | None = None) -> Work | None:
    """Wait until all ranks are here; `device_ids` are PyTorch's, without effect.

    >>> group = gpunn.dist.init()
    >>> gpunn.dist.barrier()
    >>> gpunn.dist.destroy_process_group()
    """
    joined("barrier", group).barrier()
    return Work() if async_op else None


def get_rank(group: Group | None = None) -> int:
    """This process's number among the ranks, from 0; 0 where none were joined.

    >>> gpunn.dist.get_rank()
    0
    """
    ranks = begun() if group is None else joined("get_rank", group)
    return 0 if ranks is None else ranks.rank


def get_world_size(group: Group | None = None) -> int:
    """How many ranks there are; 1 where none were joined.

    >>> gpunn.dist.get_world_size()
    1
    """
    ranks = begun() if group is None else joined("get_world_size", group)
    return 1 if ranks is None else ranks.size


def is_available() -> bool:
    """Whether there are collectives: always; `gpunn doctor` names what is missing of MPI and NCCL.

    >>> gpunn.dist.is_available() and gpunn.dist.is_initialized()
    False
    """
    return True


def is_initialized() -> bool:
    """Whether the ranks were joined.

    >>> gpunn.dist.is_initialized()
    False
    """
    return begun() is not None


def _end(work: Work, results: Sequence[tuple[Array, Array]], async_op: bool) -> Work | None:
    placed = InPlace(work, results)
    if async_op:
        return placed
    placed.wait()
    return None
