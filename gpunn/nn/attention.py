"""MultiheadAttention."""

from __future__ import annotations

from gpunn import ops
from gpunn.checks import as_count
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor
from gpunn.nn import init
from gpunn.nn.linear import Linear
from gpunn.nn.module import Module
from gpunn.nn.parameter import empty
from gpunn.nn.placed import placed
from gpunn.scalars import as_probability


class MultiheadAttention(Module):
    """Attention in num_heads parts of embed_dim (Vaswani et al., 2017); ops.multi_head_attention_forward has the masks.

    query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim), or batch_first, or without N. Gives the result and
    the weights, averaged over heads, or None without need_weights, which is faster.

    Args:
        dropout: with which weights are dropped in training.
        bias: whether projections have one; add_bias_kv, add_zero_attn: one more key and value, learned or of zeros.
        kdim, vdim: widths of key and value, embed_dim where None.

    >>> layer = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> layer
    MultiheadAttention(
      8 in 2 heads, batch first
      out_proj: Linear(8->8)
    )
    >>> x = np.ones((3, 5, 8), np.float32)
    >>> y, weights = layer(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    @placed
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
    ):
        super().__init__()
        name = "MultiheadAttention"
        self.embed_dim = E = as_count(name, "embed_dim", embed_dim)
        self.num_heads = as_count(name, "num_heads", num_heads)
        if E % num_heads:
            raise ValueError(f"{name}: embed_dim is {E}, expected a multiple of num_heads={num_heads}")
        self.head_dim, self.batch_first = E // num_heads, batch_first
        self.kdim = E if kdim is None else as_count(name, "kdim", kdim)
        self.vdim = E if vdim is None else as_count(name, "vdim", vdim)
        self.dropout, self.add_zero_attn = as_probability(name, dropout, "a weight", "dropout"), add_zero_attn
        same = self.kdim == self.vdim == E
        self.in_proj_weight = empty(3 * E, E) if same else None
        self.q_proj_weight = None if same else empty(E, E)
        self.k_proj_weight = None if same else empty(E, self.kdim)
        self.v_proj_weight = None if same else empty(E, self.vdim)
        self.in_proj_bias = empty(3 * E) if bias else None
        self.bias_k, self.bias_v = (empty(1, 1, E), empty(1, 1, E)) if add_bias_kv else (None, None)
        self.out_proj = Linear(E, E, bias)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for more in (self.bias_k, self.bias_v):
            if more is not None:
                init.xavier_normal_(more)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Operand | None = None,
        need_weights: bool = True,
        attn_mask: Operand | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        return ops.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            self.training,
            key_padding_mask,
            need_weights,
            attn_mask,
            self.in_proj_weight is None,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            batch_first=self.batch_first,
        )

    def extra_repr(self) -> str:
        widths = "" if self.in_proj_weight is not None else f", kdim {self.kdim}, vdim {self.vdim}"
        text = f"{self.embed_dim} in {self.num_heads} heads" + widths
        return text + f", dropout {self.dropout}" * bool(self.dropout) + ", batch first" * self.batch_first
