"""Embedding: a learned row for each number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunn import ops
from gpunn.checks import as_ints
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn import init
from gpunn.nn.module import Module
from gpunn.nn.parameter import Parameter, empty
from gpunn.nn.placed import placed
from gpunn.ops.embedding import as_row


class Embedding(Module):
    """ops.embedding with a learned weight (num_embeddings, embedding_dim), at first normal; see there for the options.

    >>> layer = nn.Embedding(10, 4, padding_idx=0)
    >>> layer
    Embedding(10 of 4, padding_idx 0)
    >>> layer(np.array([[1, 2, 0]])).shape, layer.weight.numpy()[0]
    ((1, 3, 4), array([0., 0., 0., 0.], dtype=float32))
    """

    @placed
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Operand | None = None,
    ):
        super().__init__()
        op = "Embedding"
        self.num_embeddings, self.embedding_dim = as_ints(op, "a size", (num_embeddings, embedding_dim), 2, 0)
        self.padding_idx = None if padding_idx is None else as_row(op, padding_idx, self.num_embeddings)
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        if sparse:
            raise ValueError(f"{op}: sparse is True, expected False: sparse gradients are left out; leave it out, too")
        if _weight is None:
            self.weight = empty(self.num_embeddings, self.embedding_dim)
            self.reset_parameters()
            return
        shape = (self.num_embeddings, self.embedding_dim)
        if data_of(_weight).shape != shape:
            raise ValueError(f"{op}: _weight is {data_of(_weight).shape}, expected {shape}; pass its sizes")
        self.weight = Parameter(data_of(_weight))

    def reset_parameters(self) -> None:
        """Normal numbers anew, and zeros in the row padding_idx."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            data_of(self.weight)[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls, embeddings: Operand | Sequence[Any], freeze: bool = True, padding_idx: int | None = None, **options: Any
    ) -> Embedding:
        """A layer of these rows (V, D), whose memory it shares; `freeze` keeps them from learning.

        >>> nn.Embedding.from_pretrained(np.eye(3))(np.array([2]))
        Tensor([[0., 0., 1.]], dtype=float64)
        """
        rows = data_of(embeddings)
        if rows.ndim != 2:
            raise ValueError(f"Embedding.from_pretrained: embeddings is {rows.shape}, expected (V, D): a row a number")
        layer = cls(rows.shape[0], rows.shape[1], padding_idx, **options, _weight=rows)
        layer.weight.requires_grad = not freeze
        return layer

    def forward(self, x: Operand) -> Tensor:
        options = self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        return ops.embedding(x, self.weight, *options)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings} of {self.embedding_dim}"
        text += f", padding_idx {self.padding_idx}" if self.padding_idx is not None else ""
        text += f", max_norm {self.max_norm}" if self.max_norm is not None else ""
        return text + ", scale_grad_by_freq" * self.scale_grad_by_freq
