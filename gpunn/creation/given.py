"""Random Tensors whose means, probabilities or weights are given by others, which the host reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gpunn.backend import Array, device_of, to_numpy
from gpunn.creation.arguments import Place, Sizes, as_shape, dtype_of, made
from gpunn.creation.drawn import floating, source_of
from gpunn.engine.operators import Operand, Value
from gpunn.engine.tensor import Tensor, data_of
from gpunn.random import Generator
from gpunn.scalars import as_int, as_number, shown


def normal(
    mean: Value = 0.0, std: Value = 1.0, size: Sizes | None = None, *, generator: Generator | None = None,
    out: Operand | None = None, dtype: DTypeLike | None = None, device: Place = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normally distributed: numbers of `size`, or one for each element of mean and std, which broadcast.

    Raises:
        ValueError: a std below 0.

    Examples:
        >>> gpunn.normal(gpunn.tensor([1.0, 200.0]), 0.0)
        Tensor([  1., 200.])
    """
    like = next((data_of(v) for v in (mean, std) if not isinstance(v, (int, float))), None)
    if like is None and size is None:
        raise TypeError("normal: size is missing, and mean and std are numbers; pass size, or a Tensor of means")
    centre, spread = (
        to_numpy(data_of(v)) if np.ndim(v) else as_number("normal", "mean or std", v) for v in (mean, std)
    )
    if np.min(spread, initial=0) < 0:
        raise ValueError(f"normal: std has {np.min(spread)}, expected at least 0")
    kind = floating("normal", dtype, dtype_of(out) or (None if like is None else like.dtype))
    shape = np.broadcast_shapes(np.shape(centre), np.shape(spread)) if size is None else as_shape("normal", (size,))
    unit = source_of("normal", generator).normal(shape, dtype=np.float64 if kind == np.float64 else np.float32)
    values = (unit * spread + centre).astype(kind)
    place = device_of(like) if device is None and like is not None else device
    return made("normal", lambda _: values, place, requires_grad, out)


def bernoulli(
    input: Operand, p: float | None = None, *, generator: Generator | None = None, out: Operand | None = None
) -> Tensor:
    """1 with the probability of each element of input (or with `p`), else 0, in its dtype.

    Raises:
        ValueError: a probability outside [0, 1].

    Examples:
        >>> gpunn.bernoulli(gpunn.tensor([0.0, 1.0]))
        Tensor([0., 1.])
    """
    a = data_of(input)
    chances: Any = to_numpy(a) if p is None else as_number("bernoulli", "p", p)
    if p is None and a.dtype.kind not in "fV":
        raise TypeError(f"bernoulli: input is {a.dtype}, expected floating point: probabilities; convert it")
    if not np.all((chances >= 0) & (chances <= 1)):
        raise ValueError("bernoulli: input has values outside [0, 1], expected probabilities; pass sigmoid(input)")
    unit = source_of("bernoulli", generator).uniform(a.shape, dtype=np.float64 if a.dtype == np.float64 else np.float32)
    return made("bernoulli", lambda _: (unit < chances).astype(a.dtype), device_of(a), out=out)


def multinomial(
    input: Operand, num_samples: int, replacement: bool = False, *, generator: Generator | None = None,
    out: Operand | None = None,
) -> Tensor:  # fmt: skip
    """Places drawn with the weights in input's last dimension, of which it has one or two: int64.

    Without replacement no place comes twice: those of the greatest log(u) / weight, u uniform (Efraimidis and
    Spirakis, 2006).

    Raises:
        ValueError: weights below 0, not finite or all 0; more samples than there are weights above 0.

    Examples:
        >>> gpunn.multinomial(gpunn.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
        Tensor([1, 1], dtype=int64)
    """
    a = data_of(input)
    count = as_int("multinomial", "num_samples", num_samples)
    weights = _weights(a, count, replacement)
    source = source_of("multinomial", generator)
    if replacement:
        ends = weights.cumsum(-1)
        drawn = source.uniform((*weights.shape[:-1], count), dtype=np.float64) * ends[..., -1:]
        places = (ends[..., None, :] <= drawn[..., :, None]).sum(-1)
    else:
        unit = source.uniform(weights.shape, dtype=np.float64)
        with np.errstate(divide="ignore"):
            key = np.where(weights > 0, np.log(1 - unit) / np.where(weights > 0, weights, 1), -np.inf)
        places = np.argsort(-key, axis=-1, kind="stable")[..., :count]
    return made("multinomial", lambda _: places.astype(np.int64), device_of(a), out=out)


def _weights(a: Array, count: int, replacement: bool) -> np.ndarray:
    if a.dtype.kind not in "fV" or a.ndim not in (1, 2):
        raise ValueError(f"multinomial: input is {a.dtype} {a.shape}, expected floating point of 1 or 2 dimensions")
    weights = to_numpy(a).astype(np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any() or not (weights.sum(-1) > 0).all():
        raise ValueError(
            "multinomial: input has weights that are negative, not finite or all 0, expected at least 0 and one above; "
            "pass probabilities, for example of softmax"
        )
    if count < 1 or (not replacement and count > (weights > 0).sum(-1).min(initial=count)):
        raise ValueError(
            f"multinomial: num_samples is {shown(count)}, expected at least 1 and without replacement at most as many "
            "as there are weights above 0; pass replacement=True"
        )
    return weights
