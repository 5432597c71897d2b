"""Normalisation by each sample's own statistics, and by neighbouring channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpunn import ops
from gpunn.backend import default_device, to_device
from gpunn.checks import as_count, as_ints
from gpunn.engine.tensor import Tensor
from gpunn.nn import init
from gpunn.nn.module import Module
from gpunn.nn.parameter import Parameter, empty
from gpunn.nn.placed import placed
from gpunn.ops.frame import LETTERS
from gpunn.window import size_text


class GroupNorm(Module):
    """ops.group_norm with a learned weight and bias (C,).

    >>> layer = nn.GroupNorm(2, 6)
    >>> layer
    GroupNorm(6 in 2 groups)
    >>> layer(np.ones((2, 6, 4, 4), np.float32)).shape
    (2, 6, 4, 4)
    """

    @placed
    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True
    ):
        super().__init__()
        self.num_groups = as_count("GroupNorm", "num_groups", num_groups)
        self.num_channels = as_count("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels is {num_channels}, expected a multiple of num_groups={num_groups}"
            )
        self.eps = eps
        self.weight, self.bias = _affine(affine, affine and bias, num_channels)

    def reset_parameters(self) -> None:
        """The first values anew: weights of ones, biases of zeros."""
        init.reset_affine(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_channels} in {self.num_groups} groups" + _affine_text(self)


class LayerNorm(Module):
    """ops.layer_norm with a learned weight and bias of the shape normalized_shape.

    >>> layer = nn.LayerNorm(6)
    >>> layer
    LayerNorm(6)
    >>> layer(np.ones((2, 6), np.float32)).shape
    (2, 6)
    """

    @placed
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = as_ints("LayerNorm", "normalized_shape", tuple(sizes), len(sizes), 1)
        self.eps = eps
        self.weight, self.bias = _affine(elementwise_affine, elementwise_affine and bias, *self.normalized_shape)

    def reset_parameters(self) -> None:
        """The first values anew: weights of ones, biases of zeros."""
        init.reset_affine(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return size_text(self.normalized_shape) + _affine_text(self)


class RMSNorm(Module):
    """ops.rms_norm with a learned weight of the shape normalized_shape.

    >>> layer = nn.RMSNorm(6)
    >>> layer
    RMSNorm(6)
    >>> layer(np.ones((2, 6), np.float32)).shape
    (2, 6)
    """

    @placed
    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True
    ):
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = as_ints("RMSNorm", "normalized_shape", tuple(sizes), len(sizes), 1)
        self.eps = eps
        self.weight, _ = _affine(elementwise_affine, False, *self.normalized_shape)

    def reset_parameters(self) -> None:
        """The first values anew: weights of ones."""
        init.reset_affine(self.weight, None)

    def forward(self, x: Tensor) -> Tensor:
        return ops.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return size_text(self.normalized_shape) + ", not affine" * (self.weight is None)


class _InstanceNorm(Module):
    """ops.instance_norm; as in PyTorch neither affine nor with running statistics unless asked.

    With track_running_stats evaluation uses the running ones; num_batches_tracked stays 0, as there. x may come without
    a batch.
    """

    rank: int

    @placed
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features = as_count(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight, self.bias = _affine(affine, affine and bias, num_features)
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

    def forward(self, x: Tensor) -> Tensor:
        kind, letters = type(self).__name__, LETTERS[self.rank][3:]
        channels = x.shape[-self.rank - 1] if x.ndim > self.rank else None
        if x.ndim not in (self.rank + 1, self.rank + 2) or channels != self.num_features:
            raise ValueError(
                f"{kind}: x is {x.shape}, expected (N, {letters}) or ({letters}) with {self.num_features} channels; "
                "reshape it, or set num_features"
            )
        batched, own = x.ndim == self.rank + 2, self.training or self.running_mean is None
        lifted = x if batched else ops.unsqueeze(x, 0)
        statistics, momentum = (self.running_mean, self.running_var), self.momentum or 0.0
        y = ops.instance_norm(lifted, *statistics, self.weight, self.bias, own, momentum, self.eps)
        return y if batched else ops.squeeze(y, 0)

    def extra_repr(self) -> str:
        text = str(self.num_features) + ", affine" * self.affine + ", no bias" * (self.affine and self.bias is None)
        return text + ", running statistics" * self.track_running_stats


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of x (N, C, L) or (C, L).

    >>> layer = nn.InstanceNorm1d(3)
    >>> layer
    InstanceNorm1d(3)
    >>> layer(np.ones((2, 3, 8), np.float32)).shape
    (2, 3, 8)
    """

    rank = 1


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of x (N, C, H, W) or (C, H, W).

    >>> layer = nn.InstanceNorm2d(3)
    >>> layer
    InstanceNorm2d(3)
    >>> layer(np.ones((2, 3, 8, 8), np.float32)).shape
    (2, 3, 8, 8)
    """

    rank = 2


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of x (N, C, D, H, W) or (C, D, H, W).

    >>> layer = nn.InstanceNorm3d(3)
    >>> layer
    InstanceNorm3d(3)
    >>> layer(np.ones((2, 3, 4, 8, 8), np.float32)).shape
    (2, 3, 4, 8, 8)
    """

    rank = 3


def _affine(weight: bool, bias: bool, *shape: int) -> tuple[Parameter | None, Parameter | None]:
    """A weight of ones and a bias of zeros, where wanted."""
    return init.ones_(empty(*shape)) if weight else None, init.zeros_(empty(*shape)) if bias else None


def _affine_text(layer: GroupNorm | LayerNorm) -> str:
    """What of weight and bias a layer lacks."""
    return ", not affine" if layer.weight is None else ", no bias" if layer.bias is None else ""
