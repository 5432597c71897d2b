"""Batch normalisation over the batches of all ranks."""

from __future__ import annotations

from typing import TypeVar

from gpunn import ops
from gpunn.backend.contract import Shape
from gpunn.engine.tensor import Tensor
from gpunn.nn.batch_norm import _BatchNorm
from gpunn.nn.lazy import Lazy
from gpunn.nn.module import Module
from gpunn.nn.placed import placed
from gpunn.ranks.group import Group, current

M = TypeVar("M", bound=Module)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of x (N, C) or (N, C, *) by the statistics of all ranks' x; see ops.sync_batch_norm.

    In training all ranks call it in one order, each on its part of the batch, of any size, 0 too, and so do their
    backward passes. Running statistics then are those of the whole batch, on every rank. On one rank, and in
    evaluation, it is BatchNorm. `SyncBatchNorm.convert(model)` puts it in place of a network's BatchNorm layers.

    Args:
        process_group: the ranks; None: those of `gpunn.dist.init`. The others are BatchNorm2d's.

    >>> layer = nn.SyncBatchNorm(3)
    >>> layer
    SyncBatchNorm(3)
    >>> layer(np.ones((4, 3, 8, 8), np.float32)).shape
    (4, 3, 8, 8)
    """

    ranks = range(2, 65)  # as many as an array has

    @placed
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Group | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias)
        self.process_group = process_group

    @property
    def shared(self) -> bool:  # type: ignore[override] - here it depends on who asks
        """Whether there are other ranks."""
        return (self.process_group or current()).size > 1

    def forward(self, x: Tensor, residual: Tensor | None = None, relu: bool = False) -> Tensor:
        if not self.training or not self.shared:
            return super().forward(x, residual, relu)
        if len(x.shape) not in self.ranks:
            raise self._wrong(x.shape)
        mean = var = batches = None
        if self.running_mean is not None:
            mean, var, batches = self.running_mean.array, self.running_var.array, self.num_batches_tracked.array
        momentum = 0.0 if self.momentum is None and batches is None else self.momentum
        args = (x, mean, var, self.weight, self.bias, True, momentum, self.eps, batches, self.process_group)
        return ops.sync_batch_norm(*args, residual=residual, relu=relu)

    def _wrong(self, shape: Shape) -> ValueError:
        words = f"SyncBatchNorm: x has {len(shape)} dimensions {shape}, expected (N, C) or (N, C, *); reshape it"
        return ValueError(words)

    @classmethod
    def convert_sync_batchnorm(cls, module: M, process_group: Group | None = None) -> M:
        """Make each BatchNorm layer in `module`, or `module` itself, a SyncBatchNorm; gives the same module.

        The layers stay the objects that they are, with their parameters, statistics, options and hooks. ValueError for
        a lazy one that has yet to learn its channels, TypeError for one of a class with a forward of its own; then none
        has changed.

        >>> nn.SyncBatchNorm.convert(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
        Sequential(
          0: Conv2d(3->8, 3x3, stride 1, padding 0)
          1: SyncBatchNorm(8)
        )
        """
        if not isinstance(module, Module):
            got = type(module).__name__
            raise TypeError(f"convert_sync_batchnorm: got {got}, expected a Module; pass the network itself")
        layers = {name: each for name, each in module.named_modules() if isinstance(each, _BatchNorm)}
        for name, layer in layers.items():
            _check(name or "it", layer)
        for layer in layers.values():
            layer.__class__ = cls
            layer.process_group = process_group
        return module

    convert = convert_sync_batchnorm


def _check(name: str, layer: _BatchNorm) -> None:
    kind = type(layer)
    if isinstance(layer, Lazy):
        raise ValueError(
            f"convert_sync_batchnorm: {name} is a {kind.__name__}, whose channels are not known yet; run a batch "
            "through the network first"
        )
    if kind.forward is not _BatchNorm.forward and not issubclass(kind, SyncBatchNorm):
        raise TypeError(
            f"convert_sync_batchnorm: {name} is a {kind.__name__}, whose forward is its own, expected a layer of ours; "
            "call ops.sync_batch_norm in it"
        )
