"""Gradient clipping, before `optimizer.step()`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gpunn import backend
from gpunn.backend import Array
from gpunn.engine.tensor import Tensor
from gpunn.errors import TrainingError
from gpunn.kinds import Kind
from gpunn.optim.given import as_list, check_gradient
from gpunn.optim.options import Option, checked, is_number

LIMIT = Kind("a number > 0", lambda v: is_number(v) and v > 0)  # infinite: only the norm is asked for
ORDER = Kind("a number, or 'inf'", lambda v: v == "inf" or (is_number(v) and v == v))
OPTIONS = {"max_norm": Option(LIMIT, 1.0), "clip_value": Option(LIMIT, 1.0), "norm_type": Option(ORDER, 2.0)}


def grad_norm(params: Iterable | Tensor, norm_type: float = 2.0) -> Array | float:
    """Norm of all gradients taken as one vector: a 0-d array on their device, float 0.0 where there is none.

    Nothing is read by the host, so that a GPU does not wait for it; `float()` of the result reads it.

    Examples:
        >>> w = nn.Parameter([3.0, 4.0])
        >>> (w * w).sum().backward()
        >>> float(gpunn.optim.grad_norm([w]))
        10.0
    """
    grads = _gradients("grad_norm", params)
    order = float(checked("grad_norm", {"norm_type": norm_type}, OPTIONS)["norm_type"])
    return _norm(grads, order) if grads else 0.0


def _norm(grads: list[Array], norm_type: float) -> Array:
    if norm_type > 0:
        return backend.twins(grads[0]).optim.norm(grads, norm_type)
    return norm(backend.array_module(grads[0]).stack([norm(g, norm_type) for g in grads]), norm_type)


def norm(a: Array, norm_type: float) -> Array:
    """The norm of one array as a vector, in memory order (which CuPy's ravel does not know)."""
    xp = backend.array_module(a)
    order = sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis]))
    return xp.asarray(xp.linalg.norm(a.transpose(order).reshape(-1), norm_type))


def clip_grad_norm_(
    params: Iterable | Tensor, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Array | float:
    """Scale all gradients in place so that their common norm is at most `max_norm`; returns the norm before.

    The factor is min(1, max_norm / (norm + 1e-6)), PyTorch's. A norm that is not finite leaves zeros and NaN, as in
    PyTorch; `error_if_nonfinite` raises TrainingError instead and leaves the gradients as they are.

    Examples:
        >>> w = nn.Parameter([3.0, 4.0])
        >>> (w * w).sum().backward()
        >>> float(gpunn.optim.clip_grad_norm_([w], 1.0)), w.grad.round(decimals=3)
        (10.0, Tensor([0.6, 0.8]))
    """
    given = checked("clip_grad_norm_", {"max_norm": max_norm, "norm_type": norm_type}, OPTIONS)
    max_norm, norm_type = given["max_norm"], float(given["norm_type"])
    grads = _gradients("clip_grad_norm_", params)
    if not grads:
        return 0.0
    total = _norm(grads, norm_type)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise TrainingError(
            f"clip_grad_norm_: the gradients' norm is {float(total)}, expected a finite number; "
            "lower the learning rate or look at the loss"
        )
    backend.twins(grads[0]).optim.scale(grads, total, max_norm)
    return total


def clip_grad_value_(params: Iterable | Tensor, clip_value: float) -> None:
    """Limit every element of every gradient to [-clip_value, clip_value], in place; NaN stays NaN.

    Examples:
        >>> w = nn.Parameter([3.0, -0.25])
        >>> (w * w).sum().backward()
        >>> gpunn.optim.clip_grad_value_([w], 1.0)
        >>> w.grad
        Tensor([ 1. , -0.5])
    """
    limit = checked("clip_grad_value_", {"clip_value": clip_value}, OPTIONS)["clip_value"]
    if grads := _gradients("clip_grad_value_", params):
        backend.twins(grads[0]).optim.clamp(grads, limit)


def _gradients(name: str, params: Iterable | Tensor) -> list[Array]:
    params = [params] if isinstance(params, Tensor) else as_list(name, "parameters", params)
    for p in params:
        check_gradient(name, p)
    return [p.gradient for p in params if p.gradient is not None]
