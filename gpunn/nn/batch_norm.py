"""Batch normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpunn import ops
from gpunn.backend import default_device, to_device
from gpunn.backend.contract import Shape
from gpunn.checks import as_count
from gpunn.engine.tensor import Tensor
from gpunn.nn import init
from gpunn.nn.module import Module
from gpunn.nn.parameter import empty
from gpunn.nn.placed import placed


class _BatchNorm(Module):
    """ops.batch_norm with a learned weight and bias (C,), and running statistics for evaluation.

    momentum None averages the statistics of all batches evenly. Without running statistics evaluation, too, uses the
    batch's own. forward's residual and relu fuse `relu(batch_norm(x) + residual)` into one pass.
    """

    ranks: Sequence[int]
    shared: bool = False  # with other ranks, that training's statistics are of, too
    fused: bool = False  # by nn.fuse: with the layers beside it, where nobody watches them

    @placed
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features = as_count(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = init.ones_(empty(num_features)) if affine else None
        self.bias = init.zeros_(empty(num_features)) if affine and bias else None
        for name, start in (
            ("running_mean", np.zeros(num_features, np.float32)),
            ("running_var", np.ones(num_features, np.float32)),
            ("num_batches_tracked", np.zeros((), np.int64)),
        ):
            self.register_buffer(name, to_device(start, default_device()) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """The running statistics of a layer that has seen nothing."""
        init.reset_statistics(self)

    def reset_parameters(self) -> None:
        """The first values anew: weights of ones, biases of zeros, and running statistics of nothing."""
        self.reset_running_stats()
        init.reset_affine(self.weight, self.bias)

    def forward(self, x: Tensor, residual: Tensor | None = None, relu: bool = False) -> Tensor:
        shape = x.shape
        if len(shape) not in self.ranks:
            raise self._wrong(shape)
        tracks, mean, var, batches = self.running_mean is not None, None, None, None
        if tracks:
            mean, var, batches = self.running_mean.array, self.running_var.array, self.num_batches_tracked.array
        training = self.training or not tracks
        counts = self.training and tracks and shape[0] > 0  # an empty batch moves no statistics
        momentum = self.momentum if counts or self.momentum is not None else 0.0
        args = (x, mean, var, self.weight, self.bias, training, momentum, self.eps)
        batches = batches if counts else None
        if relu:
            return ops.batch_norm_relu(*args, residual=residual, num_batches_tracked=batches)
        y = ops.batch_norm(*args, num_batches_tracked=batches)
        return y if residual is None else y + residual

    def _wrong(self, shape: Shape) -> ValueError:
        """The error of an x for another layer."""
        expected = " or ".join(map(str, self.ranks))
        alone = len(shape) + 1 in self.ranks
        remedy = "give it a batch with x.unsqueeze(0), an array with x[None]" if alone else "reshape it"
        return ValueError(
            f"{type(self).__name__}: x has {len(shape)} dimensions {shape}, expected {expected}; {remedy}"
        )

    def extra_repr(self) -> str:
        text = str(self.num_features)
        text += f", eps {self.eps}" if self.eps != 1e-5 else ""
        text += f", momentum {self.momentum}" if self.momentum != 0.1 else ""
        text += ", not affine" * (not self.affine) + ", no bias" * (self.affine and self.bias is None)
        text += ", no running statistics" * (not self.track_running_stats)
        return text + ", fused" * self.fused


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of x (N, C) or (N, C, L); see batch_norm.

    >>> layer = nn.BatchNorm1d(3)
    >>> layer
    BatchNorm1d(3)
    >>> layer(np.ones((4, 3), np.float32)).shape
    (4, 3)
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of x (N, C, H, W); see batch_norm.

    >>> layer = nn.BatchNorm2d(3)
    >>> layer
    BatchNorm2d(3)
    >>> layer(np.ones((4, 3, 8, 8), np.float32)).shape
    (4, 3, 8, 8)
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of x (N, C, D, H, W); see batch_norm.

    >>> layer = nn.BatchNorm3d(3)
    >>> layer
    BatchNorm3d(3)
    >>> layer(np.ones((4, 3, 2, 8, 8), np.float32)).shape
    (4, 3, 2, 8, 8)
    """

    ranks = (5,)
