"""Every refusal of attention: the function's name, what it got, what it expected, and what to do."""

import numpy as np
import pytest

from gpunn import nn, ops
from tests.errors.refusals import check_refused

sdpa, forward = ops.scaled_dot_product_attention, ops.multi_head_attention_forward
A = np.zeros((2, 3, 4))
W, OUT = np.zeros((12, 4)), np.zeros((4, 4))
REST = (None, None, False, 0.0, OUT, None)


def attend(q=A, k=A, v=A, embed=4, heads=2, weight=W, rest=REST, **options):
    return forward(q, k, v, embed, heads, weight, None, *rest, **options)


# name: (call, error, words that the text must hold: got, expected, remedy)
WRONG = {
    "rank": (lambda: sdpa(A[0, 0], A, A), ValueError, ["at least 2 dimensions", "query (4,)", "reshape"]),
    "width": (lambda: sdpa(A, A[..., :3], A), ValueError, ["key (2, 3, 3)", "E equal", "(..., S, E)"]),
    "keys": (lambda: sdpa(A, A[:, :2], A), ValueError, ["key (2, 2, 4)", "value (2, 3, 4)", "S for key and value"]),
    "lead": (lambda: sdpa(A, np.zeros((3, 3, 4)), A), ValueError, ["do not broadcast", "(3, 3, 4)", "enable_gqa"]),
    "heads": (
        lambda: sdpa(np.zeros((1, 3, 2, 4)), np.zeros((1, 2, 2, 4)), np.zeros((1, 2, 2, 4)), enable_gqa=True),
        ValueError,
        ["3 heads of query share 2", "expected a divisor"],
    ),
    "dtypes": (lambda: sdpa(A, A.astype("f"), A), TypeError, ["query is float64 but key is float32", "convert"]),
    "both": (
        lambda: sdpa(A, A, A, np.ones((3, 3), bool), is_causal=True),
        ValueError,
        ["attn_mask (3, 3) and is_causal are both given", "leave one out"],
    ),
    "mask's dtype": (lambda: sdpa(A, A, A, np.ones((3, 3), int)), TypeError, ["attn_mask is int64", "bool", "convert"]),
    "mask's shape": (
        lambda: sdpa(A, A, A, np.ones((3, 2), bool)),
        ValueError,
        ["attn_mask is (3, 2)", "broadcasts to (..., L, S) (2, 3, 3)", "reshape"],
    ),
    "p": (lambda: sdpa(A, A, A, dropout_p=1.5), ValueError, ["dropout_p is 1.5", "0 to 1"]),
    "scale": (lambda: sdpa(A, A, A, scale="2"), TypeError, ["scale is '2'", "a number"]),
    "batch": (lambda: attend(k=A[:, :2], v=A[:, :2]), ValueError, ["one batch size", "key (2, 2, 4)", "reshape"]),
    "no rank": (lambda: attend(q=A[0, 0]), ValueError, ["3 dimensions each", "query (4,)", "reshape"]),
    "embed": (lambda: attend(heads=3), ValueError, ["embed_dim is 4", "a multiple of num_heads=3"]),
    "weight": (lambda: attend(weight=None), ValueError, ["in_proj_weight is None", "(12, 4)"]),
    "separate": (
        lambda: attend(use_separate_proj_weight=True),
        ValueError,
        ["q_proj_weight is None", "expected a weight", "pass it"],
    ),
    "hint": (lambda: attend(is_causal=True), ValueError, ["is_causal is True and attn_mask None", "pass it"]),
    "its mask": (
        lambda: attend(attn_mask=np.zeros((2, 3))),
        ValueError,
        ["attn_mask is (2, 3)", "(2, 2) or (6, 2, 2)", "reshape"],
    ),
    "its padding": (
        lambda: attend(key_padding_mask=np.zeros((2, 3), bool)),
        ValueError,
        ["key_padding_mask is (2, 3)", "expected (3, 2)", "reshape"],
    ),
    "integers": (
        lambda: attend(key_padding_mask=np.zeros((3, 2), int)),
        TypeError,
        ["key_padding_mask is int64", "True where a key is left out", "convert"],
    ),
    "one bias": (lambda: attend(rest=(A[:1, :1], *REST[1:])), ValueError, ["bias_k and bias_v", "both or neither"]),
    "static": (lambda: attend(static_k=A), ValueError, ["static_k is (2, 3, 4)", "expected (6, S, 2)", "reshape"]),
    "layer": (lambda: nn.MultiheadAttention(4, 3), ValueError, ["embed_dim is 4", "a multiple of num_heads=3"]),
    "activation": (
        lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"),
        ValueError,
        ["activation is 'tanh'", "'relu', 'gelu'"],
    ),
    "no function": (lambda: nn.TransformerEncoderLayer(4, 2, activation=3), TypeError, ["activation is 3", "function"]),
    "layer's hint": (
        lambda: nn.TransformerEncoderLayer(4, 2)(A.astype("f"), is_causal=True),
        ValueError,
        ["TransformerEncoderLayer: is_causal is True", "expected the causal mask", "pass it"],
    ),
    "copies": (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2), 0), ValueError, ["num_layers", "1"]),
    "pair": (
        lambda: nn.Transformer(4, 2, 1, 1, 4)(A.astype("f"), A[:, :2].astype("f")),
        ValueError,
        ["src is (2, 3, 4) and tgt (2, 2, 4)", "one batch size", "d_model=4", "reshape"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_refusals(name):
    check_refused(*WRONG[name])
