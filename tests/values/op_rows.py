"""Which calls of which ops are stored, and what PyTorch calls them. Needs PyTorch; only `make` imports this.

Inputs are multiples of 1/64, so that float32 holds the very numbers too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

ROWS: dict[str, list[Row]] = {}  # by file
_asked: Counter[tuple[int, ...]] = Counter()  # arrays of each shape so far


@dataclass
class Row:
    """ops.OP(**inputs, **fixed, **options) is `theirs(*inputs, *fixed, **options)`; no gradient flows to `fixed`."""

    op: str
    theirs: Callable[..., Any]
    inputs: dict[str, Any]
    fixed: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def some(*shape: int, asked: Counter[tuple[int, ...]] = _asked) -> np.ndarray:
    """Multiples of 1/64, about normal, none of them equal, 0 or near it."""
    rng = np.random.default_rng((asked[shape], *shape))
    asked[shape] += 1
    size = int(np.prod(shape))
    places = np.sort(rng.choice(np.arange(6, 160), size, replace=False)) / 64.0
    return (rng.permutation(places) * rng.choice([-1, 1], size)).reshape(shape)


def above(*shape: int) -> np.ndarray:
    """The same, all positive."""
    return np.abs(some(*shape))


def row(file: str, op: str, theirs: Callable[..., Any], inputs: dict, fixed: dict | None = None, /, **options) -> None:
    ROWS.setdefault(file, []).append(Row(op, theirs, inputs, fixed or {}, options))


# ---------------------------------------------------------------- element by element
LINE = np.array([-30.0, -6.25, -2.5, -1.0, -0.375, -0.0625, 0.0625, 0.5, 0.875, 1.25, 3.0, 7.5, 25.0])
ZERO = np.append(LINE, 0.0)  # for ops whose gradient at 0 is laid down


def of(x, **others):
    return {"x": x, **others}


def normal_cdf_times(x):
    """gelu; PyTorch's own cancels on the left, where the cdf is small."""
    return x * torch.special.erfc(x * -(0.5**0.5)) / 2


for op, theirs, x, options in (
    ("relu", F.relu, ZERO, {}),
    ("leaky_relu", F.leaky_relu, ZERO, {}),
    ("leaky_relu", F.leaky_relu, ZERO, {"negative_slope": 0.0}),
    ("leaky_relu", F.leaky_relu, LINE, {"negative_slope": 1.5}),
    ("leaky_relu", F.leaky_relu, LINE, {"negative_slope": -0.25}),
    ("tanh", torch.tanh, ZERO, {}),
    ("sigmoid", torch.sigmoid, ZERO, {}),
    ("softplus", F.softplus, ZERO, {}),
    ("softplus", F.softplus, np.array([19.75, 20.25, 21.0]), {}),  # on both sides of the threshold
    ("softplus", F.softplus, LINE, {"beta": 0.75, "threshold": 2.0}),
    ("elu", F.elu, ZERO, {}),
    ("elu", F.elu, ZERO, {"alpha": 0.75}),
    ("elu", F.elu, LINE, {"alpha": 0.0}),
    ("elu", F.elu, ZERO, {"alpha": -0.75}),
    ("silu", F.silu, ZERO, {}),
    ("gelu", F.gelu, ZERO, {}),
    *(("gelu", normal_cdf_times, np.array([far, far - 0.75]), {}) for far in (-0.75, -2.5, -5.75, -8.0, -11.0)),
    ("gelu", F.gelu, ZERO, {"approximate": "tanh"}),
    ("abs", torch.abs, ZERO, {}),
    ("exp", torch.exp, LINE / 4, {}),
    ("log", torch.log, np.abs(LINE), {}),
    ("sqrt", torch.sqrt, np.abs(LINE), {}),
    ("clip", torch.clip, LINE, {"min": -2.0, "max": 5.0}),
    ("clip", torch.clip, LINE, {"max": -0.5}),
):
    row("elementwise", op, theirs, of(x), **options)
row("elementwise", "prelu", F.prelu, of(ZERO, weight=np.array([0.25])))
row("elementwise", "prelu", F.prelu, of(some(2, 3), weight=some(3)))
row("elementwise", "prelu", F.prelu, of(some(2, 3, 4), weight=some(3)))
row("elementwise", "neg", torch.neg, {"a": some(4)})
for op, theirs in (("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", torch.div)):
    row("elementwise", op, theirs, {"a": some(2, 3), "b": some(3)})
row("elementwise", "pow", torch.pow, {"a": above(2, 3), "b": some(3)})
row("elementwise", "pow", torch.pow, {"a": np.array([0.0, 0.0, 2.0, 1.0]), "b": np.array([2.0, 0.0, 0.0, 1.0])})
TIES = np.array([[1.0, 2.0, 3.0], [0.5, 0.25, 2.0]]), np.array([1.0, 3.0, 2.0])
for op, theirs in (("maximum", torch.maximum), ("minimum", torch.minimum)):
    row("elementwise", op, theirs, {"a": TIES[0], "b": TIES[1]})
for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    row("elementwise", op, getattr(torch, "eq" if op == "equal" else op), {}, {"a": TIES[0], "b": TIES[1]})
CHOICE = {"a": some(2, 3), "b": some(3)}
row("elementwise", "where", lambda a, b, c: torch.where(c, a, b), CHOICE, {"condition": TIES[0] > TIES[1]})
row("elementwise", "matmul", torch.matmul, {"a": some(2, 3), "b": some(3, 4)})
row("elementwise", "matmul", torch.matmul, {"a": some(2, 1, 2, 3), "b": some(2, 3, 2)})
row("elementwise", "matmul", torch.matmul, {"a": some(2, 3), "b": some(3)})
row("elementwise", "matmul", torch.matmul, {"a": some(3), "b": some(3, 2)})
row("elementwise", "linear", F.linear, of(some(3, 4), weight=some(2, 4), bias=some(2)))
row("elementwise", "linear", F.linear, of(some(2, 2, 3), weight=some(2, 3)))

# ---------------------------------------------------------------- reductions, order and shape
EQUALS = np.array([[1.0, 4.0, 4.0, 2.0], [-3.0, -3.0, 0.5, -8.0]])
for op, theirs, x, options in (
    ("sum", torch.sum, some(2, 3), {}),
    ("sum", torch.sum, some(2, 3, 2), {"axis": [0, 2], "keepdims": True}),
    ("mean", torch.mean, some(2, 3), {}),
    ("mean", torch.mean, some(2, 3, 2), {"axis": [0, 2]}),
    ("var", torch.var, some(2, 3), {}),
    ("var", torch.var, some(2, 3, 2), {"axis": [0, 2], "correction": 0}),
    ("max", torch.amax, EQUALS, {"axis": 1}),
    ("max", torch.amax, EQUALS, {"axis": None}),
    ("min", torch.amin, EQUALS, {"axis": 0, "keepdims": True}),
    ("min", torch.amin, EQUALS, {"axis": 1}),
    ("logsumexp", torch.logsumexp, some(2, 3), {"axis": 1}),
    ("logsumexp", torch.logsumexp, some(2, 3) * 512, {"axis": [0, 1]}),
    ("softmax", torch.softmax, some(2, 3, 2), {"dim": 1}),
    ("softmax", torch.softmax, some(2, 3) * 512, {"dim": 1}),  # exponentials that overflow
    ("softmax", torch.softmax, np.array(1.5), {"dim": 0}),
    ("log_softmax", torch.log_softmax, some(2, 3), {"dim": 0}),
    ("log_softmax", torch.log_softmax, some(2, 3) * 512, {"dim": 1}),
    ("log_softmax", torch.log_softmax, np.array(1.5), {"dim": 0}),
    ("reshape", torch.reshape, some(2, 6), {"shape": [3, -1]}),
    ("flatten", torch.flatten, some(2, 3, 2), {"start_dim": 1}),
    ("permute", torch.permute, some(2, 3, 2), {"dims": [2, 0, 1]}),
    ("squeeze", lambda x, axis: torch.squeeze(x, axis), some(1, 3, 1), {"axis": 2}),
    ("unsqueeze", lambda x, axis: torch.unsqueeze(x, axis), some(2, 3), {"axis": 1}),
    ("expand_dims", lambda x, axis: torch.unsqueeze(x, axis), some(2, 3), {"axis": -1}),
    ("broadcast_to", lambda x, shape: torch.broadcast_to(x, shape), some(3, 1), {"shape": [2, 3, 2]}),
    ("getitem", lambda x, index: x[index], some(3, 2), {"index": [2, 0, 2, 2]}),
    ("pad", lambda x, padding, value: F.pad(x, padding, value=value), some(2, 3), {"padding": [1, 2], "value": 0.5}),
    *(
        ("pad", lambda x, padding, mode: F.pad(x[None], padding, mode)[0], some(2, 3, 4), {"padding": p, "mode": mode})
        for mode, p in (("reflect", [2, 1, 1, 2]), ("replicate", [2, 1, 0, 3]), ("circular", [2, 1, 1, 2]))
    ),
):
    row("reductions", op, theirs, of(x), **options)
row("reductions", "transpose", lambda x: x.T, of(some(2, 3)))
row("reductions", "argmax", lambda x: x.argmax(), {}, of(EQUALS))
row("reductions", "argmax", lambda x, axis: x.argmax(axis), {}, of(EQUALS), axis=1)
row("reductions", "one_hot", F.one_hot, {}, {"target": np.array([[2, 0], [1, 2]])})
row("reductions", "one_hot", F.one_hot, {}, {"target": np.array([1, 0])}, num_classes=4)
row("reductions", "concatenate", lambda *xs, axis: torch.cat(xs, axis), {"a": some(2, 1), "b": some(2, 3)}, axis=1)
row("reductions", "stack", lambda *xs, axis: torch.stack(xs, axis), {"a": some(2, 3), "b": some(2, 3)}, axis=1)
