"""Into a PackedSequence and out of it; gradients flow both ways."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunn import ops
from gpunn.backend import Array, array_module, device_of, to_device
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn.packed import PackedSequence
from gpunn.scalars import as_int


def pack_padded_sequence(
    input: Operand, lengths: Operand | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences (L, N, *), with batch_first (N, L, *), without their padding; gradients flow back.

    Args:
        lengths: (N,) ints of 1 to L, on the host: longest first, or with enforce_sorted=False in any order.

    Raises:
        ValueError: lengths outside 1..L, of another number, unsorted, or on a device; no sequences.
        TypeError: lengths that are no integers.

    >>> x = gpunn.tensor([[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]])
    >>> packed = nn.utils.rnn.pack_padded_sequence(x, [2, 3], batch_first=True, enforce_sorted=False)
    >>> packed.data, packed.batch_sizes.tolist()
    (Tensor([3., 1., 4., 2., 5.]), [2, 2, 1])
    """
    op, a = "pack_padded_sequence", data_of(input)
    if a.ndim < 2 or not a.size:
        raise ValueError(f"{op}: input is {a.shape}, expected (L, N, *) of one element at least; see pad_sequence")
    N, L = (a.shape[0], a.shape[1]) if batch_first else (a.shape[1], a.shape[0])
    sizes = _lengths(op, lengths, N, L)
    order = np.argsort(-sizes, kind="stable")
    if enforce_sorted and (sizes[1:] > sizes[:-1]).any():
        raise ValueError(
            f"{op}: lengths {sizes.tolist()[:8]} are not sorted, expected the longest first; sort the sequences by it, "
            "or pass enforce_sorted=False"
        )
    batch_sizes = (sizes[:, None] > np.arange(sizes.max())).sum(0)
    data = _packed(input, batch_sizes, order, batch_first)
    index = None if enforce_sorted else _as(input, to_device(order, device_of(a)))
    return PackedSequence(data, _as(input, batch_sizes), index)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """(x, lengths) of what pack_padded_sequence packed, in the order in which it was: x (L, N, *) or (N, L, *).

    Args:
        padding_value: what stands behind each sequence's end.
        total_length: L, if it is to be more than the longest sequence has.

    >>> packed = nn.utils.rnn.pack_sequence([gpunn.tensor([1.0, 2.0]), gpunn.tensor([3.0])])
    >>> x, lengths = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1)
    >>> x, lengths.tolist()
    (Tensor([[ 1.,  2.],
            [ 3., -1.]]), [2, 1])
    """
    op = "pad_packed_sequence"
    data, batch_sizes, order = check_packed(op, sequence)
    L = len(batch_sizes) if total_length is None else as_int(op, "total_length", total_length)
    if len(batch_sizes) > L:
        raise ValueError(
            f"{op}: total_length is {L}, expected {len(batch_sizes)} at least, the longest sequence's; leave it out"
        )
    a = data_of(data)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))  # of each sequence, its place among those sorted
    lengths = (rank[:, None] < batch_sizes).sum(1)
    runs = np.arange(L)[:, None] < lengths
    first = np.zeros(L, np.int64)  # the row of each step's first sequence
    first[1 : len(batch_sizes)] = np.cumsum(batch_sizes)[:-1]
    rows = np.where(runs, first[:, None] + rank, 0)
    if batch_first:
        rows, runs = rows.T, runs.T
    place = device_of(a)
    y = ops.reshape(ops.index_select(data, 0, to_device(rows.ravel(), place)), (*rows.shape, *a.shape[1:]))
    if not runs.all():
        inside = to_device(runs.reshape(*runs.shape, *(1,) * (a.ndim - 1)), place)
        y = ops.where(inside, y, array_module(a).full_like(a, padding_value, shape=(1,) * a.ndim))
    return y, _as(data, lengths)


def repack(x: Operand, like: PackedSequence) -> PackedSequence:
    """Padded sequences (L, N, *) packed as those of another PackedSequence, whose order and lengths they have."""
    _, batch_sizes, order = check_packed("repack", like)
    return like._replace(data=_packed(x, batch_sizes, order, False))


def check_packed(op: str, sequence: object) -> tuple[Any, np.ndarray, np.ndarray]:
    """Data; and on the host batch_sizes, and which sequence comes first, second, ..."""
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"{op}: got {type(sequence).__name__}, expected a PackedSequence; see pack_padded_sequence")
    sizes, rows = np.asarray(data_of(sequence.batch_sizes)), data_of(sequence.data).shape[:1]
    whole = sizes.ndim == 1 and sizes.dtype.kind in "iu" and sizes.size
    if not whole or sizes[-1] < 1 or (sizes[1:] > sizes[:-1]).any():
        raise ValueError(
            f"{op}: batch_sizes is {sizes.ravel()[:8].tolist()}, expected for each step how many sequences have it, "
            "whole numbers from 1 on that never rise; call pack_padded_sequence or pack_sequence"
        )
    if rows != (sizes.sum(),):
        raise ValueError(
            f"{op}: data has {rows[0] if rows else 'no'} rows, expected {sizes.sum()}, the sum of batch_sizes; "
            "pack anew"
        )
    N, order = int(sizes[0]), sequence.sorted_indices
    if order is None:
        return sequence.data, sizes, np.arange(N)
    order = to_device(data_of(order), "cpu")
    if not np.array_equal(np.sort(order), np.arange(N)):
        raise ValueError(
            f"{op}: sorted_indices is {order.ravel()[:8].tolist()}, expected each of 0 to {N - 1} once, the "
            "sequences that step 0 has; call pack_padded_sequence or pack_sequence"
        )
    return sequence.data, sizes, order


def _packed(x: Any, batch_sizes: np.ndarray, order: np.ndarray, batch_first: bool) -> Any:
    """The rows of x (L, N, *) or (N, L, *), step by step, of the sequences that have the step."""
    a = data_of(x)
    step = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    sequence = order[np.concatenate([np.arange(n) for n in batch_sizes])]
    rows = sequence * a.shape[1] + step if batch_first else step * a.shape[1] + sequence
    return ops.index_select(ops.flatten(x, 0, 1), 0, to_device(rows, device_of(a)))


def _lengths(op: str, lengths: Any, N: int, L: int) -> np.ndarray:
    """(N,) int64 of 1..L."""
    if isinstance(lengths, Tensor):
        lengths = lengths.array
    if (place := device_of(lengths) if hasattr(lengths, "dtype") else None) is not None and place.type != "cpu":
        raise ValueError(f"{op}: lengths is on {place}, expected the cpu, which reads them; pass lengths.cpu()")
    try:
        found = np.array([operator.index(n) for n in lengths], np.int64)
    except TypeError:
        raise TypeError(f"{op}: lengths is {lengths!r}, expected an int for each of the {N} sequences") from None
    if len(found) != N:
        raise ValueError(f"{op}: lengths has {len(found)} entries, expected {N}, one a sequence")
    if (wrong := next((n for n in found.tolist() if not 1 <= n <= L), None)) is not None:
        raise ValueError(f"{op}: lengths has {wrong}, expected 1 to L = {L}; leave empty sequences out, and pad others")
    return found


def _as(like: object, a: Array) -> Any:
    """A Tensor where that is one."""
    return Tensor(a) if isinstance(like, Tensor) else a
