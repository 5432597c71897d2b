"""PyTorch's torch.nn.utils.rnn: sequences of different lengths in one array, padded or packed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gpunn import left_out, ops
from gpunn.engine.operators import A, Operand
from gpunn.engine.tensor import data_of
from gpunn.nn.packed import PackedSequence as PackedSequence
from gpunn.nn.packed import invert_permutation as invert_permutation
from gpunn.nn.packing import pack_padded_sequence as pack_padded_sequence
from gpunn.nn.packing import pad_packed_sequence as pad_packed_sequence
from gpunn.scalars import as_int


def pad_sequence(
    sequences: Iterable[A], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> A:
    """Sequences (L, *) of different lengths, filled up to the longest, as one array (L, N, *), or (N, L, *).

    Raises:
        ValueError: there is no sequence, or one without an axis of steps; padding_side is neither left nor right.

    Examples:
        >>> nn.utils.rnn.pad_sequence([gpunn.ones(2), gpunn.ones(1)], batch_first=True)
        Tensor([[1., 1.],
                [1., 0.]])
    """
    sequences = list(sequences)
    if not sequences:
        raise ValueError("pad_sequence: sequences is empty, expected at least one")
    if (alone := next((i for i, x in enumerate(sequences) if not data_of(x).ndim), None)) is not None:
        raise ValueError(
            f"pad_sequence: sequences[{alone}] has no steps, shape (), expected (L, *); reshape it to (1,)"
        )
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side is {padding_side!r}, expected 'left' or 'right'")
    most = max(data_of(x).shape[0] for x in sequences)
    padded = []
    for x in sequences:
        lacking, rest = most - data_of(x).shape[0], [0, 0] * (data_of(x).ndim - 1)
        ends = [0, lacking] if padding_side == "right" else [lacking, 0]
        padded.append(ops.pad(x, [*rest, *ends], value=padding_value) if lacking else x)
    return ops.stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: A, lengths: Operand | Sequence[int], batch_first: bool = False) -> list[A]:
    """The sequences (length, *) of a padded array (L, N, *), or (N, L, *): what pad_sequence padded.

    Raises:
        ValueError: there are more or fewer lengths than sequences, or one is outside 0..L.

    Examples:
        >>> nn.utils.rnn.unpad_sequence(gpunn.tensor([[1.0, 2.0], [3.0, 0.0]]), [2, 1], batch_first=True)
        [Tensor([1., 2.]), Tensor([3.])]
    """
    x: Any = padded_sequences
    N, L = data_of(x).shape[:2] if batch_first else data_of(x).shape[1::-1]
    found = [as_int("unpad_sequence", "a length", n) for n in getattr(lengths, "tolist", lambda: lengths)()]
    if len(found) != N:
        raise ValueError(f"unpad_sequence: lengths has {len(found)} entries, expected {N}, one a sequence")
    if (wrong := next((n for n in found if not 0 <= n <= L), None)) is not None:
        raise ValueError(f"unpad_sequence: lengths has {wrong}, expected 0 to L = {L}; pass those of pad_sequence")
    return [x[i, :n] if batch_first else x[:n, i] for i, n in enumerate(found)]


def pack_sequence(sequences: Iterable[A], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L, *), longest first, or with enforce_sorted=False in any order, packed: see pack_padded_sequence.

    Examples:
        >>> nn.utils.rnn.pack_sequence([gpunn.tensor([1.0, 2.0]), gpunn.tensor([3.0])]).data
        Tensor([1., 3., 2.])
    """
    sequences = list(sequences)
    padded = pad_sequence(sequences)
    lengths = [data_of(x).shape[0] for x in sequences]
    return pack_padded_sequence(padded, lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The sequences (length, *) that pack_sequence packed, in their order.

    Examples:
        >>> packed = nn.utils.rnn.pack_sequence([gpunn.ones(1), gpunn.zeros(2)], enforce_sorted=False)
        >>> nn.utils.rnn.unpack_sequence(packed)
        [Tensor([1.]), Tensor([0., 0.])]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)


__getattr__ = left_out.refusing(__name__)
