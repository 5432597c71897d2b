"""The Transformer (Vaswani et al., Attention Is All You Need, 2017) and its parts, with PyTorch's names and keys."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

from gpunn import ops
from gpunn.checks import as_count, check_choice
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.nn.attention import MultiheadAttention
from gpunn.nn.containers import ModuleList
from gpunn.nn.dropout import Dropout
from gpunn.nn.group_norm import LayerNorm
from gpunn.nn.linear import Linear
from gpunn.nn.module import Module
from gpunn.nn.placed import placed

Activation: TypeAlias = str | Callable[[Any], Any]


class _Layer(Module):
    """What both layers share: attention to itself, and two Linears with an activation between."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        layer_norm_eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        others: tuple[str, ...],
    ):
        super().__init__()
        name = type(self).__name__
        if isinstance(activation, str):
            check_choice(name, "activation", activation, ("relu", "gelu"))
        elif not callable(activation):
            raise TypeError(f"{name}: activation is {activation!r}, expected 'relu', 'gelu' or a function")
        for attention in ("self_attn", *others):
            setattr(self, attention, MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first))
        self.linear1, self.dropout = Linear(d_model, dim_feedforward, bias), Dropout(dropout)
        self.linear2, self.norm_first = Linear(dim_feedforward, d_model, bias), norm_first
        for i in range(len(others) + 2):
            setattr(self, f"norm{i + 1}", LayerNorm(d_model, layer_norm_eps, bias=bias))
        for i in range(len(others) + 2):
            setattr(self, f"dropout{i + 1}", Dropout(dropout))
        self.activation = activation

    def _attend(
        self, attention: str, x: Tensor, memory: Tensor, mask: Operand | None, padding: Operand | None
    ) -> Tensor:
        return getattr(self, attention)(x, memory, memory, padding, need_weights=False, attn_mask=mask)[0]

    def _feed_forward(self, x: Tensor) -> Tensor:
        if self.activation == "relu":
            y = self.linear1.forward(x, "relu")  # in the product's own launch
        else:
            y = ops.gelu(self.linear1(x)) if self.activation == "gelu" else self.activation(self.linear1(x))  # type: ignore[operator]
        return self.linear2(self.dropout(y))

    def _through(self, x: Tensor, parts: list[Callable[[Tensor], Tensor]]) -> Tensor:
        """x with what each part adds, normalised before or after."""
        for i, part in enumerate(parts, start=1):
            norm, drop = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
            x = x + drop(part(norm(x))) if self.norm_first else norm(x + drop(part(x)))
        return x


class TransformerEncoderLayer(_Layer):
    """Self-attention and two Linears, each added to its input and normalised: src (L, N, d_model) or batch_first.

    norm_first normalises before instead of after. activation: "relu", "gelu" or a function. Masks as in
    MultiheadAttention; is_causal, a hint that src_mask is causal, changes nothing.

    >>> layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    @placed
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ):
        super().__init__(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, ()
        )

    def forward(
        self,
        src: Tensor,
        src_mask: Operand | None = None,
        src_key_padding_mask: Operand | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        _check_hint(self, "is_causal", is_causal, src_mask)
        return self._through(
            src, [lambda x: self._attend("self_attn", x, x, src_mask, src_key_padding_mask), self._feed_forward]
        )


class TransformerDecoderLayer(_Layer):
    """TransformerEncoderLayer for tgt, with attention to an encoder's result, `memory`, before the Linears.

    >>> layer = nn.TransformerDecoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(np.ones((3, 5, 8), np.float32), np.ones((3, 7, 8), np.float32)).shape
    (3, 5, 8)
    """

    @placed
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ):
        others = ("multihead_attn",)
        super().__init__(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, others
        )

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Operand | None = None,
        memory_mask: Operand | None = None,
        tgt_key_padding_mask: Operand | None = None,
        memory_key_padding_mask: Operand | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        _check_hint(self, "tgt_is_causal", tgt_is_causal, tgt_mask)
        _check_hint(self, "memory_is_causal", memory_is_causal, memory_mask)
        parts: list[Callable[[Tensor], Tensor]] = [
            lambda x: self._attend("self_attn", x, x, tgt_mask, tgt_key_padding_mask),
            lambda x: self._attend("multihead_attn", x, memory, memory_mask, memory_key_padding_mask),
            self._feed_forward,
        ]
        return self._through(tgt, parts)


class TransformerEncoder(Module):
    """So many copies of a layer, one after the other, and a norm behind them where one is given.

    enable_nested_tensor and mask_check are taken for PyTorch's sake: padding is always computed.

    >>> layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> nn.TransformerEncoder(layer, 2)(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ):
        super().__init__()
        self.layers, self.num_layers, self.norm = _copies(self, encoder_layer, num_layers), num_layers, norm

    def forward(
        self,
        src: Tensor,
        mask: Operand | None = None,
        src_key_padding_mask: Operand | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """So many copies of a decoder's layer, one after the other, and a norm behind them where one is given.

    >>> layer = nn.TransformerDecoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> nn.TransformerDecoder(layer, 2)(np.ones((3, 5, 8), np.float32), np.ones((3, 7, 8), np.float32)).shape
    (3, 5, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        super().__init__()
        self.layers, self.num_layers, self.norm = _copies(self, decoder_layer, num_layers), num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Operand | None = None,
        memory_mask: Operand | None = None,
        tgt_key_padding_mask: Operand | None = None,
        memory_key_padding_mask: Operand | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks, bool(tgt_is_causal), memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


def _copies(owner: Module, layer: Module, count: int) -> ModuleList:
    """So many of a layer, with parameters of their own and equal values."""
    count = as_count(type(owner).__name__, "num_layers", count)
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _check_hint(layer: Module, name: str, is_causal: bool, mask: Operand | None) -> None:
    """Refuses the word that a mask is causal where there is none: it would not be heeded."""
    if is_causal and mask is None:
        raise ValueError(
            f"{type(layer).__name__}: {name} is True but its mask is None, expected the causal mask, for example of "
            "nn.Transformer.generate_square_subsequent_mask(L); pass it"
        )
