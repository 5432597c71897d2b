"""The same values for both sides, and the comparison of what they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from gpunn import Tensor, grad
from tests.parity import torch

Outcome: TypeAlias = dict[str, Any]  # arrays, by what they are
# By dtype: how much of a value, or of 1, rounding may take.
TOLERANCE = {"float64": 1e-12, "float32": 3e-6, "float16": 4e-3, "bfloat16": 3e-2}


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


def in_float64(x: Any) -> Any:
    """An argument of torch with every floating tensor as float64."""
    if isinstance(x, torch().Tensor):
        return theirs(x).detach().double().requires_grad_(x.requires_grad) if x.is_floating_point() else x
    if isinstance(x, tuple | list):
        return [*map(in_float64, x)] if isinstance(x, list) else tuple(map(in_float64, x))
    return {k: in_float64(v) for k, v in x.items()} if isinstance(x, dict) else x


def outcome(y: Any, inputs: list[Any], arguments: Any) -> Outcome:
    """All that a call has done: values, gradients of each by `inputs` from one random one, its arguments afterwards."""
    ys = flat(y)
    found = {f"value {i}": plain(v) for i, v in enumerate(ys) if v is not None}
    for i, v in enumerate(ys):
        if getattr(v, "requires_grad", False):
            drawn = np.random.default_rng(i).standard_normal(tuple(v.shape))
            gy = torch().asarray(drawn).bfloat16()  # the same number in every dtype
            if isinstance(v, Tensor):
                grads = grad(v, inputs, to_numpy(gy.float()).astype(v.dtype), retain_graph=True)
            else:
                grads = torch().autograd.grad(v, inputs, gy.to(v.dtype), allow_unused=True, retain_graph=True)
            # No path back is a gradient of zeros: which of the two is said is each side's own business.
            pairs = [(plain(x), g) for x, g in zip(inputs, grads, strict=True)]
            found |= {
                f"gradient {j} of {i}": np.zeros_like(x) if g is None else plain(g) for j, (x, g) in enumerate(pairs)
            }
    return found | {f"argument {i} afterwards": plain(x) for i, x in enumerate(tensors(arguments))}


def flat(y: Any) -> list[Any]:
    """What a call gives, an LSTM's tuple within a tuple, too, from left to right."""
    return [each for part in y for each in flat(part)] if isinstance(y, tuple | list) else [y]


def plain(x: Any) -> Any:
    """The array of a Tensor or a torch tensor."""
    return to_numpy(x) if isinstance(x, torch().Tensor) else x.array if isinstance(x, Tensor) else x


def difference(got: Outcome, want: Outcome, exact: Callable[[], Outcome] | None = None, factor: float = 4) -> str:
    """What sets gpunn's outcome apart from torch's: dtype, shape or values, in words; else "".

    `exact` gives torch's in float64. Beyond the tolerance gpunn may be `factor` times as far from it as torch is at
    its worst, since sums have other orders.
    """
    if got.keys() != want.keys():
        return f"got {list(got)}, expected {list(want)}"
    for what, b in want.items():
        a = got[what]
        if not isinstance(a, np.ndarray | np.generic):
            return f"{what}: got a {type(a).__name__}, expected an array"
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"{what}: got {a.dtype} {a.shape}, expected {b.dtype} {b.shape}"
        far = ~near(a, b, factor / 4)
        if far.any() and exact is not None and a.dtype.name in TOLERANCE and a.dtype != np.float64:
            far &= ~nearer(a, b, exact()[what], factor)
        if far.any():
            some, wanted = (" ".join(f"{v:.9g}" for v in np.asarray(c)[far][:3].tolist()) for c in (a, b))
            return f"{what}: {far.sum()} of {far.size} values are others: {some}, expected {wanted}"
    return ""


def near(a: np.ndarray, b: np.ndarray, times: float = 1) -> np.ndarray:
    same = np.asarray((a == b) | ((a != a) & (b != b)))
    if a.dtype.name not in TOLERANCE or same.all():
        return same
    part = TOLERANCE[a.dtype.name]
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        return same | (np.abs(a - b) <= times * part * (np.abs(b) + 1))


def nearer(a: np.ndarray, b: np.ndarray, exact: np.ndarray, factor: float) -> np.ndarray:
    """Where `a` is as near to the exact values as `b` is at its worst, so many times."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        worst = np.abs(b - exact)
        return np.asarray(np.abs(a - exact) <= factor * np.where(np.isnan(worst), np.inf, worst).max(initial=0))
