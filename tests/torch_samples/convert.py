"""The same values for both sides, and the comparison of what they give."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn import Tensor, grad
from tests.parity import torch

# By dtype: how much of a value, or of 1, rounding may take.
TOLERANCE = {"float64": 1e-12, "float32": 3e-6, "float16": 2e-3, "bfloat16": 2e-2}


def to_numpy(x: Any) -> np.ndarray:
    """A torch tensor's values in its own memory order."""
    x = x.detach().resolve_conj().resolve_neg()
    if x.dtype == torch().bfloat16:
        import ml_dtypes

        return x.view(torch().int16).numpy().view(ml_dtypes.bfloat16)
    return x.numpy()


def ours(x: Any, wrap: bool = False) -> Any:
    """An argument as gpunn takes it: what asks for a gradient, or all with `wrap`, as Tensor, else as array."""
    t = torch()
    if isinstance(x, t.Tensor):
        a = to_numpy(x)
        return Tensor(a, requires_grad=x.requires_grad) if x.requires_grad or wrap else a
    if isinstance(x, t.dtype):
        return str(x).removeprefix("torch.")
    if isinstance(x, tuple | list):
        return [ours(v, wrap) for v in x] if isinstance(x, list) else tuple(ours(v, wrap) for v in x)
    return {k: ours(v, wrap) for k, v in x.items()} if isinstance(x, dict) else x


def theirs(x: Any) -> Any:
    """The same for torch, in memory of its own; row-major, since its group_norm crashes on some other orders."""
    if isinstance(x, torch().Tensor):
        return x.detach().clone(memory_format=torch().contiguous_format).requires_grad_(x.requires_grad)
    if isinstance(x, tuple | list):
        return [*map(theirs, x)] if isinstance(x, list) else tuple(map(theirs, x))
    return {k: theirs(v) for k, v in x.items()} if isinstance(x, dict) else x


def tensors(x: Any) -> list[Any]:
    """All arrays, Tensors and torch tensors within arguments, from left to right."""
    if isinstance(x, dict | tuple | list):
        return [each for part in (x.values() if isinstance(x, dict) else x) for each in tensors(part)]
    return [x] if isinstance(x, np.ndarray | Tensor | torch().Tensor) else []


def leaves(x: Any) -> list[Any]:
    """Those that ask for a gradient."""
    return [each for each in tensors(x) if getattr(each, "requires_grad", False)]


def difference(got: Any, want: Any, what: str, slack: float = 0) -> str:
    """What sets gpunn's result apart from torch's, several if they are several: dtype, shape or values; else "".

    `slack` times the dtype's tolerance is allowed on top: for what cancels by design.
    """
    if isinstance(want, tuple | list):
        if not isinstance(got, tuple | list) or len(got) != len(want):
            return f"{what}: got {type(got).__name__}, expected {len(want)} values"
        parts = (difference(g, w, f"{what} {i}", slack) for i, (g, w) in enumerate(zip(got, want, strict=True)))
        return next(filter(None, parts), "")
    a, b = got.data if isinstance(got, Tensor) else got, to_numpy(want)
    if not isinstance(a, np.ndarray | np.generic):
        return f"{what}: got a {type(a).__name__}, expected an array"
    if a.dtype != b.dtype or a.shape != b.shape:
        return f"{what}: got {a.dtype} {a.shape}, expected {b.dtype} {b.shape}"
    if a.dtype.kind in "iub":
        near = np.asarray(a == b)
    else:
        part = TOLERANCE[a.dtype.name]
        a, b = a.astype(np.float64), b.astype(np.float64)
        with np.errstate(all="ignore"):
            near = (np.abs(a - b) <= part * (np.abs(b) + 1 + slack)) | (a == b) | ((a != a) & (b != b))
    if near.all():
        return ""
    some, wanted = (" ".join(f"{v:.9g}" for v in np.asarray(c)[~near][:3].tolist()) for c in (a, b))
    return f"{what}: {(~near).sum()} of {near.size} values are others: {some}, expected {wanted}"


def gradients_differ(got: Any, want: Any, inputs: list[Any], theirs: list[Any], slack: float = 0) -> str:
    """The gradients of each result by each input, from one random gradient of the result."""
    if not isinstance(want, tuple | list):
        got, want = [got], [want]
    for y, wanted in zip(got, want, strict=True):
        if not wanted.requires_grad:
            continue
        if not isinstance(y, Tensor) or not y.requires_grad:
            return "the result asks for no gradient, expected one"
        gy = torch().randn(wanted.shape).to(wanted.dtype)
        them = torch().autograd.grad(wanted, theirs, gy, allow_unused=True, retain_graph=True)
        us = grad(y, inputs, to_numpy(gy), retain_graph=True)
        for i, (g, w, x) in enumerate(zip(us, them, theirs, strict=True)):
            # No path back is a gradient of zeros: which of the two is said is each side's own business.
            w = torch().zeros_like(x) if w is None else w
            g = np.zeros(w.shape, to_numpy(w).dtype) if g is None else g
            if found := difference(g, w, f"gradient {i}", slack):
                return found
    return ""
