"""Sequences of different lengths in one array."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn import left_out, ops
from gpunn.engine.operators import A
from gpunn.engine.tensor import data_of


def pad_sequence(
    sequences: Sequence[A], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> A:
    """Sequences (L, *) of different lengths, filled up to the longest, as one array (L, N, *), or (N, L, *).

    Raises:
        ValueError: there is no sequence, or padding_side is another word than left and right.

    Examples:
        >>> nn.utils.rnn.pad_sequence([gpunn.ones(2), gpunn.ones(1)], batch_first=True)
        Tensor([[1., 1.],
                [1., 0.]])
    """
    if not sequences:
        raise ValueError("pad_sequence: sequences is empty, expected at least one")
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side is {padding_side!r}, expected 'left' or 'right'")
    most = max(data_of(x).shape[0] for x in sequences)
    padded = []
    for x in sequences:
        lacking, rest = most - data_of(x).shape[0], [0, 0] * (data_of(x).ndim - 1)
        ends = [0, lacking] if padding_side == "right" else [lacking, 0]
        padded.append(ops.pad(x, [*rest, *ends], value=padding_value) if lacking else x)
    return ops.stack(padded, 0 if batch_first else 1)

__getattr__ = left_out.refusing(__name__, left_out.OF_RNN)
