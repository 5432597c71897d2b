"""Functions of numbers, reductions and functions of order, as in op_rows."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import torch

from tests.values import op_rows
from tests.values.op_rows import LINE, of, row

some = partial(op_rows.some, asked=Counter())


def words(text: str) -> list[str]:
    return text.split()


X, Y, Z = some(3, 5), some(3, 5), some(5)
SMALL, WHOLE = X / 4, np.array([[6, -5, 3], [0, 2, 3]])
FINITE = np.array([1.5, 0.0, -2.5])  # the files hold no other numbers

for name in words("sin cos tan atan sinh cosh asinh exp2 expm1 erf erfc square frac sign floor ceil trunc round"):
    row("math", name, getattr(torch, name), of(LINE if name not in ("sinh", "cosh", "tan") else LINE / 8))
for name in words("asin acos atanh"):
    row("math", name, getattr(torch, name), of(SMALL))
for name in words("log1p log2 log10 rsqrt reciprocal"):
    row("math", name, getattr(torch, name), of(np.abs(LINE)))
row("math", "acosh", torch.acosh, of(np.abs(X) + 1))
row("math", "round", torch.round, of(X), decimals=1)
row("math", "nan_to_num", torch.nan_to_num, of(FINITE), posinf=9.0)
for name in words("atan2 hypot logaddexp remainder fmod"):
    row("math", name, getattr(torch, name), {"a": X, "b": Z})
row("math", "floor_divide", torch.floor_divide, {}, {"a": X, "b": Z})
row("math", "div", torch.div, {"a": X, "b": Z}, rounding_mode="trunc")
row("math", "add", torch.add, {"a": X, "b": Z}, alpha=0.5)
row("math", "lerp", torch.lerp, {"x": X, "end": Y, "weight": SMALL})
row("math", "addcmul", torch.addcmul, {"x": X, "tensor1": Y, "tensor2": Z}, value=0.5)
row("math", "addcdiv", torch.addcdiv, {"x": X, "tensor1": Y, "tensor2": Z}, value=0.5)
row("math", "clamp", torch.clamp, {"x": X, "min": Y, "max": Z})
row("math", "clamp_min", torch.clamp_min, of(X), min=0.5)
row("math", "clamp_max", torch.clamp_max, of(X), max=0.5)

for name in words("logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor"):
    row("math", name, getattr(torch, name), {}, {"a": WHOLE, "b": WHOLE[1]})
for name in words("logical_not bitwise_not any all count_nonzero"):
    row("math", name, getattr(torch, name), {}, of(WHOLE))
for name in words("isnan isinf isfinite"):
    row("math", name, getattr(torch, name), {}, of(FINITE))
row("math", "isclose", torch.isclose, {}, {"a": X, "b": X + 0.25}, atol=0.25, rtol=0.0)
row("math", "any", torch.any, {}, of(WHOLE), dim=0)

for name in words("std norm nansum nanmean amax amin median"):
    row("math", name, getattr(torch, name), of(X))
row("math", "std", torch.std, of(X), dim=1, correction=0)
row("math", "norm", torch.norm, of(X), p=3, dim=0)
row("math", "vector_norm", torch.linalg.vector_norm, of(X), ord=1.5, dim=1)
for name in words("var_mean std_mean"):
    row("math", name, getattr(torch, name), of(X), dim=1)
for name in words("cumsum cumprod"):
    row("math", name, getattr(torch, name), of(np.where(X > 2, 0, X)), dim=1)
for name in words("sort median mode"):
    row("math", name, getattr(torch, name), of(X), dim=0)
row("math", "argsort", torch.argsort, {}, of(X), dim=1, descending=True)
row("math", "topk", torch.topk, of(X), k=2)
row("math", "kthvalue", torch.kthvalue, of(X), k=2, dim=1)
row("math", "unique", torch.unique, {}, of(WHOLE))
row("math", "bincount", torch.bincount, {}, of(np.array([3, 1, 3])))
row("math", "histc", torch.histc, {}, of(X), bins=4, min=-1, max=1)
