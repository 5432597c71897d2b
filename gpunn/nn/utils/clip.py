"""Gradient clipping with PyTorch's arguments: gpunn.optim's, whose norms are Tensors here.

`foreach` chooses among PyTorch's implementations, and has no effect.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from gpunn import backend
from gpunn.engine.tensor import Tensor, data_of
from gpunn.errors import TrainingError
from gpunn.optim import clip


def clip_grad_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients in place so that their common norm is at most `max_norm`; the norm before, as a Tensor.

    Raises:
        TrainingError: `error_if_nonfinite`, and the norm is not finite; the gradients stay as they are.

    Examples:
        >>> x = gpunn.tensor([3.0, 4.0], requires_grad=True)
        >>> (x * x / 2).sum().backward()
        >>> nn.utils.clip_grad_norm_([x], 1.0).item()
        5.0
    """
    return Tensor(clip.clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite))


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of every gradient to [-clip_value, clip_value], in place.

    Examples:
        >>> x = gpunn.tensor([3.0, -4.0], requires_grad=True)
        >>> (x * x / 2).sum().backward()
        >>> nn.utils.clip_grad_value_(x, 1.0)
        >>> x.grad.tolist()
        [1.0, -1.0]
    """
    clip.clip_grad_value_(parameters, clip_value)


def get_total_norm(
    tensors: Iterable[Tensor] | Tensor,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors taken as one vector.

    Raises:
        TrainingError: `error_if_nonfinite`, and the norm is not finite.

    Examples:
        >>> nn.utils.get_total_norm([gpunn.tensor([3.0]), gpunn.tensor([4.0])])
        Tensor(5.)
    """
    arrays = [data_of(x) for x in ([tensors] if isinstance(tensors, Tensor) else tensors)]
    if not arrays:
        return Tensor(0.0)
    norms = [clip.norm(a, float(norm_type)) for a in arrays]
    total = clip.norm(backend.array_module(norms[0]).stack(norms), float(norm_type))
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise TrainingError(f"get_total_norm: the norm is {float(total)}, expected a finite one; look at the tensors")
    return Tensor(total)
