"""What gpunn calls PyTorch's elementwise functions, reductions and functions of order, and their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunn import ops

Call = Callable[..., Any]

PLAIN = (
    "sin cos tan asin acos atan sinh cosh asinh acosh atanh atan2 hypot log1p log2 log10 expm1 exp2 rsqrt reciprocal "
    "square erf erfc logaddexp sign floor ceil trunc frac floor_divide remainder fmod nan_to_num "
    "logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not isnan isinf "
    "isfinite isclose any all count_nonzero lerp addcmul addcdiv clamp clamp_min clamp_max nansum nanmean cumsum "
    "cumprod bincount histc unique amax amin norm sum mean median std std_mean var_mean"
)
# Functions of one or two numbers, written as one another are.
ALIKE = PLAIN.split()[: PLAIN.split().index("isclose")]


MATH: dict[str, Call] = {
    **{name: getattr(ops, name) for name in PLAIN.split()},
    "round": ops.round,
    "round.decimals_0": ops.round,
    "round.decimals_3": ops.round,
    "round.decimals_neg_3": ops.round,
    "div.trunc_rounding": ops.div,
    "div.floor_rounding": ops.div,
    "std.unbiased": ops.std,
    "std_mean.unbiased": ops.std_mean,
    "var_mean.unbiased": ops.var_mean,
    "norm.fro": ops.norm,
    "norm.inf": ops.norm,
    "__rand__": lambda x, y: ops.bitwise_and(y, x),
    "__ror__": lambda x, y: ops.bitwise_or(y, x),
    "__rxor__": lambda x, y: ops.bitwise_xor(y, x),
}
OTHERS = {
    **dict.fromkeys(("linalg.norm", "linalg.norm.subgradients_at_zero"), "of matrices, too; ops.norm is torch.norm"),
    "norm.nuc": "of matrices, by their singular values",
    "allclose": "one bool, compared in test_order.py",
    **dict.fromkeys(
        ("sort", "argsort", "topk", "kthvalue", "mode"),
        "which of equal ones comes first PyTorch leaves open: compared in test_order.py",
    ),
}
