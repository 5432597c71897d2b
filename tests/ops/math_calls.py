"""Calls of the elementwise functions, reductions and functions of order, for the tables of test_raw_arrays.py."""

import numpy as np

from gpunn import ops
from tests.parity import normal

X = normal(2, 4, 6, 6)
UNIT = np.tanh(X) * 0.9
POSITIVE = np.abs(X) + 0.1

MATH = {
    **{name: (getattr(ops, name), X) for name in ("sin", "cos", "sinh", "cosh", "atan", "asinh", "expm1", "exp2")},
    **{name: (getattr(ops, name), X) for name in ("square", "erf", "erfc", "frac", "nan_to_num", "nansum", "std")},
    **{name: (getattr(ops, name), UNIT) for name in ("tan", "asin", "acos", "atanh")},
    **{name: (getattr(ops, name), POSITIVE) for name in ("log1p", "log2", "log10", "rsqrt", "reciprocal")},
    **{name: (getattr(ops, name), X) for name in ("sign", "floor", "ceil", "trunc", "round", "norm")},
    **{name: (getattr(ops, name), X, X[::-1]) for name in ("atan2", "hypot", "logaddexp", "remainder", "fmod")},
    **{name: (getattr(ops, name), X, 1) for name in ("amax", "amin", "cumsum", "cumprod", "nanmean")},
    "acosh": (ops.acosh, POSITIVE + 1),
    "round of decimals": (ops.round, X, 2),
    "add, alpha": (lambda a, b: ops.add(a, b, alpha=2), X, X[::-1]),
    "div, rounded": (lambda a, b: ops.div(a, b, rounding_mode="trunc"), X, POSITIVE),
    "clip by arrays": (ops.clip, X, X[::-1] - 0.5, np.full((6, 1), 0.7)),
    "clamp": (ops.clamp, X, None, 0.5),
    "clamp_min": (ops.clamp_min, X, 0.5),
    "clamp_max": (ops.clamp_max, X, np.full((6, 6), 0.2)),
    "lerp": (ops.lerp, X, X[::-1], 0.3),
    "lerp by arrays": (ops.lerp, X, X[::-1], UNIT),
    "addcmul": (lambda *a: ops.addcmul(*a, value=0.5), X, X[::-1], UNIT),
    "addcdiv": (lambda *a: ops.addcdiv(*a, value=0.5), X, X[::-1], POSITIVE),
    "std of some axes": (ops.std, X, (0, 2), 0),
    "norm of order 3": (ops.norm, X, 3, 1),
    "norm of order -inf": (ops.norm, X, -np.inf, 2),
    "sort": (lambda x: ops.sort(x, 1, descending=True)[0], X),
    "topk": (lambda x: ops.topk(x, 2)[0], X),
    "kthvalue": (lambda x: ops.kthvalue(x, 2, 2, True)[0], X),
    "median": (lambda x: ops.median(x, 1)[0], X),
    "median of all": (ops.median, X),
    "mode": (lambda x: ops.mode(x, 0)[0], X),
    "var_mean": (lambda x: ops.var_mean(x, 1)[0], X),
    "std_mean": (lambda x: ops.std_mean(x, 1)[1], X),
}
# Without gradients.
LOGIC = [
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_not",
    "isnan",
    "isinf",
    "isfinite",
    "isclose",
    "allclose",
    "any",
    "all",
    "count_nonzero",
    "argsort",
    "unique",
    "bincount",
    "histc",
    "floor_divide",
]
