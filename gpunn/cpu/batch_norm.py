"""Batch normalisation of (N, C, *) arrays, with an addend and a ReLU fused in, on channels-last rows."""

from __future__ import annotations

import numpy as np

from gpunn.cpu.columns import Cut
from gpunn.cpu.layout import empty, rows
from gpunn.cpu.narrow import in_float32, rounding_back
from gpunn.cpu.normalise import moments, normalised, way_back
from gpunn.restored import restored


@rounding_back
@in_float32(kept=(1, 2))
@restored
def train_forward(
    x: np.ndarray,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    eps: float,
    residual: np.ndarray | None = None,
    relu: bool = False,
    running: tuple[np.ndarray | None, np.ndarray | None, float | None, np.ndarray | None] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """y, mean, rstd of the batch: y = relu?(gamma * (x - mean) * rstd + beta + residual?), rstd = 1 / sqrt(var + eps).

    And what train_backward is to be told of a ReLU: y itself, which what comes next mostly keeps as well.
    ``running`` statistics, where given, move towards the batch's, in place, and their batches are one more. Without a
    momentum they are the mean over all batches.
    """
    if x.size == 0:
        y = empty(x.shape, x.dtype)
        return y, np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype), y if relu else None
    matrix = rows(x)
    mean, var = moments(matrix, Cut(*matrix.shape))
    y = normalised(matrix, x.shape, gamma, beta, mean, var, eps, residual, relu)
    if running is not None:
        (own_mean, own_var, momentum, batches), count = running, x.size // x.shape[1]
        if momentum is None:
            momentum = 1 / (float(0 if batches is None else batches) + 1)
        with np.errstate(over="ignore"):  # a variance that does not fit is infinite
            _move(own_mean, mean.astype(x.dtype), momentum)
            _move(own_var, var.astype(x.dtype), momentum, count / (count - 1))
        if batches is not None:
            batches += 1
    with np.errstate(divide="ignore"):
        return y, mean.astype(x.dtype), (1 / np.sqrt(var + eps)).astype(x.dtype), y if relu else None


def _move(statistic: np.ndarray | None, now: np.ndarray, momentum: float, scale: float = 1.0) -> None:
    """statistic += momentum (scale now - statistic), in place."""
    if statistic is not None:
        statistic *= 1 - momentum
        statistic += (momentum * scale) * now


@in_float32
def eval_forward(
    x: np.ndarray,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
    residual: np.ndarray | None = None,
    relu: bool = False,
) -> np.ndarray:
    """y with the running mean and var."""
    return normalised(rows(x), x.shape, gamma, beta, mean, var, eps, residual, relu)


@in_float32
@restored
def fold(
    w: np.ndarray,
    b: np.ndarray | None,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of the convolution that also normalises with the running mean and var: w's dtype."""
    with np.errstate(all="ignore"):
        scale = 1 / np.sqrt(np.asarray(var, np.float64) + eps)
        scale = scale if gamma is None else scale * gamma
        shift = ((0.0 if b is None else b) - np.asarray(mean, np.float64)) * scale
        shift = shift if beta is None else shift + beta
        return w * scale.astype(w.dtype).reshape(-1, *[1] * (w.ndim - 1)), shift.astype(w.dtype)


@in_float32(kept=(1, 2))
def train_backward(
    gy: np.ndarray,
    x: np.ndarray,
    gamma: np.ndarray | None,
    mean: np.ndarray,
    rstd: np.ndarray,
    passed: np.ndarray | None = None,
    residual: bool = True,
    relu: bool = False,
    beta: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """gx, ggamma, gbeta and the masked gy: with a ReLU gy counts where y > 0.

    ``passed`` is that y; where it is None a ReLU that was fused is looked for in x and ``beta``. Without ``residual``
    nobody needs the masked gy, and it may be None.
    """
    return way_back(gy, x, gamma, mean, rstd, passed, relu, beta, through_statistics=True)


@in_float32(kept=(1, 2))
def eval_backward(
    gy: np.ndarray,
    x: np.ndarray,
    gamma: np.ndarray | None,
    mean: np.ndarray,
    rstd: np.ndarray,
    passed: np.ndarray | None = None,
    residual: bool = True,
    relu: bool = False,
    beta: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """The same four where mean and rstd were constants."""
    return way_back(gy, x, gamma, mean, rstd, passed, relu, beta, through_statistics=False)
