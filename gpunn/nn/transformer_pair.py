"""Transformer: an encoder and a decoder."""

from __future__ import annotations

import numpy as np

from gpunn.backend import default_device, to_device
from gpunn.backend.dispatch import device as named
from gpunn.checks import as_count
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn import init
from gpunn.nn.group_norm import LayerNorm
from gpunn.nn.module import Module
from gpunn.nn.placed import placed
from gpunn.nn.transformer import (
    Activation,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)


class Transformer(Module):
    """An encoder of src (S, N, d_model) and a decoder of tgt (T, N, d_model), or batch_first; gives tgt's shape.

    custom_encoder and custom_decoder take the places of those that the other arguments make.

    >>> model = nn.Transformer(8, 2, 1, 1, dim_feedforward=16, batch_first=True)
    >>> src, tgt = np.ones((3, 7, 8), np.float32), np.ones((3, 5, 8), np.float32)
    >>> model(src, tgt, tgt_mask=nn.Transformer.generate_square_subsequent_mask(5)).shape
    (3, 5, 8)
    """

    @placed
    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ):
        super().__init__()
        how = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        if custom_encoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias)
            self.encoder: Module = TransformerEncoder(TransformerEncoderLayer(*how), num_encoder_layers, norm)
        else:
            self.encoder = custom_encoder
        if custom_decoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias)
            self.decoder: Module = TransformerDecoder(TransformerDecoderLayer(*how), num_decoder_layers, norm)
        else:
            self.decoder = custom_decoder
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Operand | None = None,
        tgt_mask: Operand | None = None,
        memory_mask: Operand | None = None,
        src_key_padding_mask: Operand | None = None,
        tgt_key_padding_mask: Operand | None = None,
        memory_key_padding_mask: Operand | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        a, b, batch = data_of(src), data_of(tgt), 0 if self.batch_first else 1
        fits = a.ndim == b.ndim and a.ndim in (2, 3) and (a.ndim == 2 or a.shape[batch] == b.shape[batch])
        if not fits or a.shape[-1] != self.d_model or b.shape[-1] != self.d_model:
            raise ValueError(
                f"Transformer: src is {a.shape} and tgt {b.shape}, expected 3 dimensions each, or 2 without a batch, "
                f"one batch size, and d_model={self.d_model} last; reshape them"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: object = None, dtype: object = None) -> Tensor:
        """(sz, sz), float32 or another dtype: -inf where a later place would be seen, else 0.

        >>> nn.Transformer.generate_square_subsequent_mask(2).tolist()
        [[0.0, -inf], [0.0, 0.0]]
        """
        count = as_count("generate_square_subsequent_mask", "sz", sz)
        mask = np.where(np.tri(count, dtype=bool), 0, -np.inf).astype(dtype or np.float32)  # type: ignore[arg-type]
        return Tensor(to_device(mask, default_device() if device is None else named(device)))  # type: ignore[arg-type]
